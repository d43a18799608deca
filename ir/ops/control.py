"""Operations that carry graphs or Python functions: scan, get, custom."""

from __future__ import annotations

import numpy as np

from ir.dims import Dim, Poly, Shape
from ir.errors import ShapeError
from ir.interpret import run
from ir.node import Graph, item_type
from ir.op import op
from ir.types import AnyType, Array, TupleType, Type


def _scan(
    *types: AnyType, body: Graph, carries: int, sequences: int, length: Dim, reverse: bool, tile: int
) -> TupleType:
    operands = [t for t in types if isinstance(t, Type)]
    if len(operands) != len(types) or len(operands) < carries + sequences or len(body.outputs) < carries:
        raise ShapeError(
            f"scan: {len(types)} operands and {len(body.outputs)} results of the body {body.name} do not make "
            f"{carries} carries and {sequences} sequences; results of a scan are picked with get()"
        )
    if any(t.rank == 0 for t in operands[carries : carries + sequences]):
        raise ShapeError("scan: a sequence has a leading axis, one slice for each step; a scalar has none")
    inner: Shape = ()  # of what a step takes of the leading axis
    if tile:
        if reverse or not sequences:
            raise ShapeError("scan: tiles are of sequences, and gone through from the first to the last")
        inner = body.inputs[carries].shape[:1]
        if not (len(inner) == 1 and isinstance(inner[0], Poly)):
            raise ShapeError(
                f"scan: the body {body.name} takes tiles, the last of another size: a symbolic one"
            )
    expected = [
        *operands[:carries],
        *(t.with_shape((*inner, *t.shape[1:])) for t in operands[carries : carries + sequences]),
    ]
    expected += operands[carries + sequences :]
    given = [node.ty for node in body.inputs]
    if expected != given:
        raise ShapeError(
            f"scan: the body {body.name} takes ({', '.join(map(str, given))}), but is given "
            f"({', '.join(map(str, expected))})"
        )
    if length < 1:
        raise ShapeError(f"scan: the length must be at least 1, not {length}")
    for t in operands[carries : carries + sequences]:
        if t.shape[0] != length:
            raise ShapeError(f"scan: a sequence {t} does not have the length {length}")
    outputs = [node.ty for node in body.outputs]
    if outputs[:carries] != operands[:carries]:
        raise ShapeError(
            f"scan: the body {body.name} must return its carries with their types "
            f"({', '.join(map(str, operands[:carries]))}), but returns ({', '.join(map(str, outputs[:carries]))})"
        )
    items = outputs[carries:]
    if any(t.shape[:1] != inner for t in items if tile):
        raise ShapeError(f"scan: the body {body.name} must return items along the axis that its tiles have")
    return TupleType((*outputs[:carries], *(t.with_shape((length, *t.shape[len(inner) :])) for t in items)))


@op(infer=_scan)
def scan(
    *operands: Array,
    body: Graph,
    carries: int,
    sequences: int,
    length: int,
    reverse: bool = False,
    tile: int = 0,
) -> tuple[Array, ...]:
    """Run `body` over the leading axis of sequences (jax.lax.scan, ONNX Scan).

    Operands: `carries` initial values, `sequences` arrays [length, ...], then values that every step reads.
    Body: (carries, one slice of each sequence, the rest) -> (carries, items). Results: the last carries, then
    each item stacked to [length, ...]. `reverse` walks from the last slice to the first, stacking in place.
    With `tile` a step takes so many slices at once, [tile, ...], the last one what is left, and items are of as many
    (ONNX Loop).
    """
    state, rest = operands[:carries], operands[carries + sequences :]
    if tile:
        pieces: list[tuple[Array, ...]] = []
        for start in range(0, length, tile):
            taken = [x[start : start + tile] for x in operands[carries : carries + sequences]]
            outputs = run(body, (*state, *taken, *rest))
            state = outputs[:carries]
            pieces.append(outputs[carries:])
        return (*state, *(np.concatenate(parts) for parts in zip(*pieces, strict=True)))
    items: list[list[Array]] = [[] for _ in body.outputs[carries:]]
    for step in reversed(range(length)) if reverse else range(length):
        outputs = run(body, (*state, *(x[step] for x in operands[carries : carries + sequences]), *rest))
        state = outputs[:carries]
        for collected, value in zip(items, outputs[carries:], strict=True):
            collected.append(value)
    return (*state, *(np.stack(collected[::-1] if reverse else collected) for collected in items))


@op(infer=lambda x, *, index: item_type(x, index))
def get(x: tuple[Array, ...], *, index: int) -> Array:
    """Result number `index` of an operation with several."""
    return x[index]


@op(infer=lambda x, *inputs, backward: x)
def custom(x: Array, *inputs: Array, backward: str) -> Array:
    """x, whose gradient goes to `inputs` through the registered backward function and not into x."""
    return x
