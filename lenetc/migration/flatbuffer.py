"""What is read of a flatbuffer: fields of tables by their place in the schema, with every length checked first."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from flatbuffers import number_types
from flatbuffers.encode import Get
from flatbuffers.packer import uoffset
from flatbuffers.table import Table as _Table


class Damaged(ValueError):
    """An offset or a length leads out of the file."""


class Table:
    """A table in `content`. Fields are numbered as in its schema; absent ones have their default."""

    def __init__(self, content: bytes, place: int) -> None:
        if not 0 <= place <= len(content) - 4:
            raise Damaged(f"a table at {place} of {len(content)} bytes")
        self._content = content
        self._table = _Table(content, place)
        start = place - self._table.Get(number_types.SOffsetTFlags, place)
        if not 0 <= start <= len(content) - 4:
            raise Damaged(f"the fields of a table at {start} of {len(content)} bytes")

    @classmethod
    def root(cls, content: bytes, identifier: bytes) -> Table | None:
        """The table that the file holds; None where its identifier is another."""
        if len(content) < 8 or content[4:8] != identifier:
            return None
        return cls(content, Get(uoffset, content, 0))

    def _place(self, field: int) -> int | None:
        offset = self._table.Offset(4 + 2 * field)
        return self._table.Pos + offset if offset else None

    def integer(self, field: int, format: str = "<q") -> int:
        """An integer (or a bool) of this `struct` format; 0 by default."""
        place = self._place(field)
        return 0 if place is None else int(struct.unpack_from(format, self._content, place)[0])

    def number(self, field: int) -> float:
        """A 32-bit number; 0 by default."""
        place = self._place(field)
        return 0.0 if place is None else float(struct.unpack_from("<f", self._content, place)[0])

    def table(self, field: int) -> Table | None:
        place = self._place(field)
        return None if place is None else Table(self._content, self._table.Indirect(place))

    def text(self, field: int) -> str:
        start, count = self._vector(field, 1)
        return self._content[start : start + count].decode()

    def content(self, field: int) -> memoryview:
        """A vector of bytes."""
        start, count = self._vector(field, 1)
        return memoryview(self._content)[start : start + count]

    def integers(self, field: int) -> list[int]:
        """A vector of 64-bit integers."""
        start, count = self._vector(field, 8)
        return list(struct.unpack_from(f"<{count}q", self._content, start))

    def tables(self, field: int) -> Iterator[Table]:
        start, count = self._vector(field, 4)
        for i in range(count):
            yield Table(self._content, self._table.Indirect(start + 4 * i))

    def _vector(self, field: int, size: int) -> tuple[int, int]:
        place = self._place(field)
        if place is None:
            return 0, 0
        place = self._table.Indirect(place)
        if not 0 <= place <= len(self._content) - 4:
            raise Damaged(f"a vector at {place} of {len(self._content)} bytes")
        count = Get(uoffset, self._content, place)
        if place + 4 + count * size > len(self._content):
            raise Damaged(f"a vector of {count} x {size} bytes at {place} of {len(self._content)}")
        return place + 4, count
