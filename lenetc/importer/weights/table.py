"""Tables of what an imported file's values became, and of its nodes, for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from rich.markup import escape
from rich.table import Table

from lenetc.importer.weights.roles import Role, Weight
from lenetc.tables import plain_table, text_of

WORDS: Mapping[Role, str] = {
    "parameter": "trained",
    "frozen": "frozen",
    "buffer": "buffer",
    "constant": "constant",
}


@dataclass(frozen=True)
class WeightRow:
    """A value that the file holds. name: in state_dict, of a constant the file's; file_name: in the file; dtype:
    NumPy's name; role: "parameter" (trained), "frozen" (a parameter that is not), "buffer", "constant"; why: in words;
    readers: the nodes that read it, as "Conv conv1"; tied: whether several share it as a weight."""

    name: str
    file_name: str
    shape: tuple[int, ...]
    dtype: str
    role: Role
    why: str
    readers: tuple[str, ...]
    tied: bool


def row_of(weight: Weight, name: str | None = None, role: Role | None = None) -> WeightRow:
    """name, role: those in the module, the file's if None."""
    return WeightRow(
        name or weight.name,
        weight.name,
        tuple(weight.array.shape),
        str(weight.array.dtype),
        role or weight.role,
        weight.why,
        tuple(f"{node.kind} {node.path}" for node in weight.readers),
        bool(weight.tied),
    )


class WeightTable(Mapping[str, WeightRow]):
    """What became of each value of a file, by its name in the file; `print` shows it as a table."""

    def __init__(self, rows: list[WeightRow]) -> None:
        self._rows = {row.file_name: row for row in rows}

    def __getitem__(self, name: str) -> WeightRow:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def count(self, role: Role) -> int:
        """The numbers in all values of that role."""
        return sum(prod(row.shape) for row in self.values() if row.role == role)

    def summary(self) -> str:
        """The numbers in parameters and the like, in a line."""
        parts = []
        for role, word in WORDS.items():
            rows = [row for row in self.values() if row.role == role]
            if rows:
                parts.append(f"{word} {len(rows)} ({self.count(role):,} numbers)")
        return ", ".join(parts) or "no weights"

    def __str__(self) -> str:
        return f"{text_of(self.__rich__())}\n{self.summary()}"

    __repr__ = __str__

    def __rich__(self) -> Table:
        table = plain_table("name")
        table.columns[0].overflow = "fold"
        for column in ("shape", "dtype", "role", "why", "read by"):
            table.add_column(column, overflow="fold")
        for row in self.values():
            name = row.name if row.name == row.file_name else f"{row.name} ({row.file_name})"
            more = f" and {len(row.readers) - 1} more" if len(row.readers) > 1 else ""
            shown = f"{row.readers[0] if row.readers else ''}{more}"
            why = ", ".join(part for part in (row.why, "tied" if row.tied else "") if part)
            shape = "×".join(map(str, row.shape)) or "1"
            table.add_row(escape(name), shape, row.dtype, WORDS[row.role], why, escape(shown))
        return table
