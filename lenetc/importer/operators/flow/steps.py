"""Bodies that are run many times: as one scan where all steps are alike, else one step after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ir.dims import Dim
from ir.errors import LenetcError, ShapeError
from lenetc.importer.operators.flow.scanning import ScanError, scan
from lenetc.importer.values import Host, Value, as_host, as_tensors, to_tensor
from lenetc.operations.shaping import stack
from lenetc.tensors.tensor import Tensor

# From what the step before left, one slice of each sequence, and what a body sees around it: to what is left, and
# results.
Body = Callable[[list[Value], list[Value], Mapping[str, Value]], tuple[list[Value], list[Value]]]
LIMIT = 10_000  # steps that are run one after the other


class Stepped(NamedTuple):
    """What steps leave, and their results, stacked."""

    left: list[Value]
    results: list[Value]


def repeated(
    body: Body, carried: Sequence[Value], sequences: Sequence[Value], around: Mapping[str, Value], length: Dim
) -> Stepped:
    """`length` steps, as one operation if that can be. Raises LenetcError where it cannot and they have no number."""
    try:
        return scanned(body, carried, [to_tensor(x) for x in sequences], around, length)
    except LenetcError as error:
        if not isinstance(length, int):
            raise LenetcError(
                f"how often this is done, {length}, is known to no program, so all steps have to be alike; {error}"
            ) from None
        if not length:
            raise
    return stepped(body, carried, sequences, around, length)


def scanned(
    body: Body,
    carried: Sequence[Value],
    sequences: Sequence[Tensor],
    around: Mapping[str, Value],
    length: Dim,
) -> Stepped:
    """All steps as one operation. Numbers that no step changes stay numbers; all else becomes tensors.

    Raises what `scan` raises where steps are not alike, or look at values that they compute.
    """
    varying = {k for k, value in enumerate(carried) if not isinstance(value, np.ndarray)}
    while True:
        found, changed = _attempt(body, carried, sequences, around, length, varying)
        if changed <= varying:
            return found
        varying |= changed


def _attempt(
    body: Body,
    carried: Sequence[Value],
    sequences: Sequence[Tensor],
    around: Mapping[str, Value],
    length: Dim,
    varying: set[int],
) -> tuple[Stepped, set[int]]:
    """What comes out if `varying` alone are tensors, and which are not the same after a step: the first is right if the
    second are among `varying`."""
    first = [as_tensors(value) if k in varying else value for k, value in enumerate(carried)]
    changed: set[int] = set()

    def given(moving: Iterable[Tensor]) -> list[Value]:
        left = iter(moving)
        return [value if isinstance(value, np.ndarray) else rebuilt(value, left) for value in first]

    def step(
        moving: list[Tensor], items: list[Tensor], rest: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        inner = iter(rest)
        seen = {name: rebuilt(value, inner) for name, value in around.items()}
        left, results = body(given(moving), list(items), seen)
        changed.update(k for k, new in enumerate(left) if not is_same(carried[k], new))
        if not changed <= varying:
            return moving, []
        if _form(left) != _form(list(carried)):
            raise ScanError("the number of tensors in a sequence changes from step to step")
        moved = tensors(as_tensors(new) for k, new in enumerate(left) if k in varying)
        return list(moved), [to_tensor(value) for value in results]

    moved, results = scan(step, list(tensors(first)), sequences, list(tensors(around.values())), length)
    return Stepped(given(moved), list(results)), changed


def stepped(
    body: Body,
    carried: Sequence[Value],
    sequences: Sequence[Value],
    around: Mapping[str, Value],
    length: int | None,
    goes_on: Callable[[list[Value]], bool] = lambda left: True,
) -> Stepped:
    """One step after the other: no more than `length`, and as long as `goes_on` with what the last one left."""
    left, rows = list(carried), list[list[Value]]()
    while len(rows) != length and goes_on(left):
        if len(rows) == LIMIT:
            raise ShapeError(f"more than {LIMIT} steps that are not all alike are not run")
        left, results = body(left, [_item(x, len(rows)) for x in sequences], around)
        rows.append(results)
    return Stepped(left, [_stacked(column) for column in zip(*rows, strict=True)])


def tensors(values: Iterable[Value]) -> Iterator[Tensor]:
    """The tensors among `values` and in their sequences, in order."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list):
            yield from tensors(value)


def rebuilt(value: Value, new: Iterator[Tensor]) -> Value:
    """`value` with other tensors in the places of its own."""
    if isinstance(value, list):
        return [rebuilt(item, new) for item in value]
    return next(new) if isinstance(value, Tensor) else value


def is_same(old: Value, new: Value) -> bool:
    """Whether both are the same value, or the same numbers."""
    if old is new or not isinstance(old, np.ndarray) or not isinstance(new, np.ndarray):
        return old is new
    return old.dtype == new.dtype and old.shape == new.shape and bool(np.all(old == new))


def _form(value: Value) -> Any:
    """Where sequences have how many elements, and where optional values are absent."""
    return [_form(item) for item in value] if isinstance(value, list) else value is None


def _stacked(values: Sequence[Value]) -> Value:
    if all(isinstance(value, np.ndarray) for value in values):
        return as_host(np.stack([np.asarray(value) for value in values]))
    return stack([to_tensor(value) for value in values], 0)


def _item(sequence: Value, index: int) -> Value:
    assert isinstance(sequence, (Tensor, np.ndarray))
    item: Tensor | Host = sequence[index]
    return item if isinstance(item, Tensor) else np.asarray(item)
