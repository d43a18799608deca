"""Which of the numbers, texts and containers that a function gets are the very objects that it meets elsewhere too.

Nothing but code that compares with `is` can tell, as in `if k is math.inf` or `if sizes is DEFAULT`. For such code
calls with equal arguments may differ, and a number that is met elsewhere must not be replaced by an input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from lenetc.compiler.reads.entries import Entry, Items, is_plain
from lenetc.compiler.structure import is_container
from lenetc.evaluation.scalars import is_float


def told(values: Iterable[Any], known: Container[int]) -> tuple[int, ...]:
    """For each container and each plain leaf of the arguments which of `known`, numbers of objects, it is; for others,
    which of those before it."""
    seen: dict[int, int] = {}
    return tuple(
        [
            id(part) if id(part) in known else -1 - seen.setdefault(id(part), len(seen))
            for value in values
            for part in _parts(value)
        ]
    )


def met_elsewhere(values: Iterable[Any], known: Container[int]) -> frozenset[int]:
    """The numbers of those floats among the arguments that are objects in `known`, or in a tuple that is, or that are
    given twice."""
    parts = [part for value in values for part in _parts(value)]
    count = Counter(map(id, parts))
    found = [part for part in parts if id(part) in known or count[id(part)] > 1]
    inner = (item for part in found if isinstance(part, tuple) for item in _parts(part))
    return frozenset(id(part) for part in (*found, *inner) if is_float(part))


def pin(entries: Iterable[Entry], known: Mapping[int, list[Any]], every: bool) -> None:
    """Let `entries` hold only while they lead to the very objects that they did, where an equal one would be told from
    it: of those objects that were met twice, or beside an equal one; or `every`."""
    equal = Counter((type(value), repr(value)) for value, _ in known.values() if is_plain(value))
    for entry in entries:
        values = entry.values if isinstance(entry, Items) else (getattr(entry, "value", None),)
        entry.is_pinned = every or any(
            id(value) in known
            and (known[id(value)][1] > 1 or (is_plain(value) and equal[type(value), repr(value)] > 1))
            for value in values
        )


def _parts(value: Any) -> Iterator[Any]:
    if is_container(value):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _parts(item)
    elif is_plain(value):
        yield value
