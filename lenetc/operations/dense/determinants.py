"""Determinants, by elimination whose pivots are the largest elements that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.node import Graph, Node
from ir.op import leaf, scalar
from ir.types import Type, bool_, i64
from lenetc.operations.dense.stacks import need_square
from lenetc.operations.elementwise import where
from lenetc.operations.reductions.sums import product_of_rows

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["det", "logdet", "slogdet"]


class SignAndLog(NamedTuple):
    """What slogdet returns (torch.return_types.slogdet)."""

    sign: Tensor
    logabsdet: Tensor


def _pivots(a: Node) -> tuple[Node, Node]:
    """The pivots of the elimination, [N, ...], and the sign that their places give the determinant, [...].

    With the largest of all elements for a pivot only the last one is 0 where the rank is one less than full, and
    nothing is divided by that: the gradient is right there, too.
    """
    size, rank, lead = int(a.shape[-1]), a.rank, a.shape[:-2]
    unused = ops.broadcast_to(ops.literal(np.asarray(True)), shape=(*lead, size))
    nowhere = ops.broadcast_to(scalar(0, i64), shape=(*lead, size))
    body = _step(a.ty, size)
    run = ops.scan(a, unused, unused, nowhere, body=body, carries=4, sequences=0, length=size)
    column = ops.get(run, index=3)
    earlier, later = ops.reshape(column, shape=(*lead, size, 1)), ops.reshape(column, shape=(*lead, 1, size))
    crossed = ops.logical_and(ops.literal(~np.tri(size, dtype=np.bool_)), ops.greater(earlier, later))
    count = ops.sum(ops.cast(crossed, dtype=i64), axes=(rank - 2, rank - 1))
    return ops.get(run, index=4), ops.cast(1 - ops.mod(count, 2) * 2, dtype=a.dtype)


def _step(matrix: Type, size: int) -> Graph:
    """(rest, rows left, columns left, the column of each row) -> the same, and the pivot."""
    rank, lead = matrix.rank, matrix.shape[:-2]
    side = Type(bool_, (*lead, size))
    rest, rows, columns = leaf("rest", matrix), leaf("rows", side), leaf("columns", side)
    column_of = leaf("column_of", side.with_dtype(i64))

    def tall(x: Node) -> Node:
        return ops.reshape(x, shape=(*lead, size, 1))

    def wide(x: Node) -> Node:
        return ops.reshape(x, shape=(*lead, 1, size))

    left = ops.logical_and(tall(rows), wide(columns))
    sizes = ops.where(left, ops.abs(ops.stop_gradient(rest)), scalar(-1, matrix.dtype))
    place = ops.argmax(ops.reshape(sizes, shape=(*lead, size * size)), axis=rank - 2, keepdims=True)
    row_place, column_place = ops.div(place, size), ops.mod(place, size)
    in_row, in_column = (ops.equal(ops.iota(size=size), at) for at in (row_place, column_place))
    zero, one = scalar(0, matrix.dtype), scalar(1, matrix.dtype)
    row = ops.sum(ops.where(tall(in_row), rest, zero), axes=(rank - 2,), keepdims=True)
    column = ops.sum(ops.where(wide(in_column), rest, zero), axes=(rank - 1,), keepdims=True)
    pivot = ops.sum(ops.where(wide(in_column), row, zero), axes=(rank - 1,), keepdims=True)
    factors = column / ops.where(ops.equal(pivot, 0), one, pivot)
    others = tall(ops.logical_and(rows, ops.logical_not(in_row)))
    results = (
        ("rest", rest - ops.where(others, factors, zero) * row),
        ("rows", ops.logical_and(rows, ops.logical_not(in_row))),
        ("columns", ops.logical_and(columns, ops.logical_not(in_column))),
        ("column_of", ops.where(in_row, column_place, column_of)),
        ("pivot", ops.reshape(pivot, shape=lead)),
    )
    return Graph.make("pivots", (rest, rows, columns, column_of), results)


def det(input: Tensor) -> Tensor:
    """Determinants of square matrices, in stacks of any shape. Raises DTypeError for dtypes other than f32 and f64,
    ShapeError for matrices that are not square."""
    need_square("det", input)

    def build(a: Node) -> Node:
        if not a.shape[-1]:
            return ops.sum(a, axes=(a.rank - 2, a.rank - 1)) + scalar(1, a.dtype)
        pivots, sign = _pivots(a)
        made = product_of_rows(pivots, int(a.shape[-1]))
        return ops.reshape(made, shape=made.shape[1:]) * sign

    return t.apply("LinalgDetBackward0", build, input)


def slogdet(input: Tensor) -> SignAndLog:
    """(sign, logabsdet): the signs of determinants, and the logarithms of their sizes, -inf for 0. Raises as `det`."""
    need_square("slogdet", input)

    def signs(a: Node) -> Node:
        if not a.shape[-1]:
            return ops.sum(a, axes=(a.rank - 2, a.rank - 1)) + scalar(1, a.dtype)
        pivots, sign = _pivots(a)
        made = product_of_rows(ops.sign(pivots), int(a.shape[-1]))
        return ops.reshape(made, shape=made.shape[1:]) * sign

    def logarithms(a: Node) -> Node:
        if not a.shape[-1]:
            return ops.sum(a, axes=(a.rank - 2, a.rank - 1))
        return ops.sum(ops.log(ops.abs(_pivots(a)[0])), axes=(0,))

    return SignAndLog(
        t.apply("LinalgSlogdetBackward0", signs, input), t.apply("LinalgSlogdetBackward0", logarithms, input)
    )


def logdet(input: Tensor) -> Tensor:
    """The logarithm of determinants: NaN where one is negative, -inf where it is 0. Raises as `det`."""
    sign, logarithm = slogdet(input)
    return where(sign == -1, float("nan"), logarithm)
