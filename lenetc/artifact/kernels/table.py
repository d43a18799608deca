"""The tables of operators, one JSON file a runtime; `python -m runtimes.tables` makes them from the runtimes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ir.errors import LenetcError

FOLDER = Path(__file__).parent

Types = Mapping[str, frozenset[str]]  # type constraint or parameter -> the element types that it may have


@dataclass(frozen=True)
class Table:
    """What a runtime has.

    package, version, made, how: where the table comes from. opset, ir_version: the highest that it reads, None where it
    refuses none. devices: for each, the first choice first, (operator, version) -> combinations of element types. An
    operator's name has its domain before it where that is not ai.onnx. parameters: of those, (name, type constraint) of
    inputs and of outputs.
    """

    runtime: str
    package: str
    version: str
    made: str
    how: str
    opset: int | None
    ir_version: int | None
    devices: Mapping[str, Mapping[tuple[str, int], tuple[Types, ...]]]
    parameters: Mapping[str, tuple[tuple[tuple[str, str], ...], ...]]


@cache
def table(runtime: str) -> Table:
    """The table of a runtime. Raises LenetcError for one that there is no table of."""
    path = FOLDER / f"{runtime}.json"
    names = runtimes()
    if runtime not in names:
        raise LenetcError(f"there is no runtime {runtime!r} to check for; there are {', '.join(names)}")
    data = json.loads(path.read_text())
    devices = {
        key.removeprefix("devices."): {
            (operator, int(version)): tuple(map(_types, rows))
            for operator, versions in data.pop(key).items()
            for version, rows in versions.items()
        }
        for key in list(data)
        if key.startswith("devices.")
    }
    parameters = {
        operator: tuple(tuple(_parameter(text) for text in side) for side in sides)
        for operator, sides in data.pop("parameters").items()
    }
    return Table(**data, devices=devices, parameters=parameters)


def runtimes() -> list[str]:
    """The names of runtimes that there is a table of."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def _types(row: str) -> Types:
    pairs = (part.partition(": ") for part in row.split("; ") if part)
    return {name: frozenset(types.split()) for name, _, types in pairs}


def _parameter(text: str) -> tuple[str, str]:
    name, _, constraint = text.partition(":")
    return name, constraint
