"""Diagonals of matrices. PyTorch's functions of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Poly
from ir.errors import BoundsError, DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.op import literal
from ir.types import bool_, i64
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import autocasts
from lenetc.operations.shaping.slicing import unchanged
from lenetc.operations.shaping.triangles import zero
from lenetc.operations.shaping.viewing import reshape
from lenetc.tensors.arrays import axis_of, index_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["diag", "diag_embed", "diagflat", "diagonal", "diagonal_scatter", "trace"]


def _length(rows: int, columns: int, offset: int) -> int:
    return max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))


def _plane(what: str, rank: int, dim1: int, dim2: int) -> tuple[int, int]:
    a, b = axis_of(dim1, rank, what), axis_of(dim2, rank, what)
    if a == b:
        raise LenetcError(f"{what}: diagonal dimensions cannot be identical, {dim1} and {dim2}").at(here())
    return a, b


def _last(rank: int, a: int, b: int) -> tuple[int, ...]:
    """The order of axes that puts a and b last."""
    return (*(i for i in range(rank) if i not in (a, b)), a, b)


def _turned(node: Node, perm: tuple[int, ...]) -> Node:
    return node if perm == tuple(range(node.rank)) else ops.transpose(node, perm=perm)


def _is_square(a: Node) -> bool:
    """Whether the last two axes are the same size, which is not known."""
    return isinstance(a.shape[-1], Poly) and a.shape[-2] == a.shape[-1]


def _taken(a: Node, offset: int) -> Node:
    """The diagonal [..., D] of the last two axes: every element a row and a column further."""
    lead = a.shape[:-2]
    if _is_square(a) and not offset:
        size = a.shape[-1]
        places = ops.iota(size=size) * ops.dim(size=size + 1)
        return ops.gather(ops.reshape(a, shape=(*lead, size * size)), places, axis=len(lead))
    rows, columns = int(a.shape[-2]), int(a.shape[-1])
    length = _length(rows, columns, offset)
    flat = ops.reshape(a, shape=(*lead, rows * columns))
    start = min(offset if offset >= 0 else -offset * columns, rows * columns)
    stop = start + (length - 1) * (columns + 1) + 1 if length else start
    starts, stops = (0,) * len(lead) + (start,), (*lead, stop)
    return ops.slice(flat, starts=starts, stops=stops, steps=(1,) * len(lead) + (columns + 1,))


def _put(a: Node, value: Node, offset: int) -> Node:
    """`a` with `value` [..., D] as the diagonal of its last two axes."""
    if _is_square(a) and not offset:
        size = a.shape[-1]
        row, column = (ops.reshape(ops.iota(size=size), shape=shape) for shape in ((size, 1), (1, size)))
        return ops.where(ops.equal(row, column), ops.reshape(value, shape=(*value.shape, 1)), a)
    rows, columns = int(a.shape[-2]), int(a.shape[-1])
    length = int(value.shape[-1])
    if not length:
        return unchanged(a, value)
    first = max(-offset, 0)
    low = (0,) * (value.rank - 1)
    down = ops.pad(value, low=(*low, first), high=(*low, rows - first - length))  # an element for each row
    return ops.where(
        literal(np.eye(rows, columns, offset, dtype=np.bool_)), ops.reshape(down, shape=(*down.shape, 1)), a
    )


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonals of the matrices in two dimensions, as the last dimension, a view (torch.diagonal)."""
    t.require_tensors("diagonal", input)
    a, b = _plane("diagonal", input.ndim, dim1, dim2)
    shift = index_of("diagonal: offset", offset)
    perm = _last(input.ndim, a, b)
    back = tuple(int(i) for i in np.argsort(perm))

    def restored(base: Node, value: Node) -> Node:
        return _turned(_put(_turned(base, perm), value, shift), back)

    return t.apply(
        "DiagonalBackward0", lambda x: _taken(_turned(x, perm), shift), input, saves=False, view=restored
    )


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """`input` with `src` in the place of diagonal(input, offset, dim1, dim2) (torch.diagonal_scatter)."""
    t.require_tensors("diagonal_scatter", input, src)
    a, b = _plane("diagonal_scatter", input.ndim, dim1, dim2)
    shift = index_of("diagonal_scatter: offset", offset)
    perm = _last(input.ndim, a, b)
    back = tuple(int(i) for i in np.argsort(perm))
    length = _length(int(input.shape[a]), int(input.shape[b]), shift)
    shape = (*(input.shape[i] for i in perm[:-2]), length)
    if tuple(src.shape) != shape:
        raise ShapeError(
            f"diagonal_scatter: src {src.type_text()} must have the shape {list(shape)} of what it replaces"
        ).at(here())

    def build(x: Node, v: Node) -> Node:
        v = v if v.dtype is x.dtype else ops.cast(v, dtype=x.dtype)
        return _turned(_put(_turned(x, perm), v, shift), back)

    return t.apply("DiagonalScatterBackward0", build, input, src, saves=False)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dimension as their diagonals, zeros elsewhere (torch.diag_embed)."""
    t.require_tensors("diag_embed", input)
    if not input.ndim:
        raise BoundsError(f"diag_embed: a scalar {input.type_text()} is no diagonal").at(here())
    a, b = _plane("diag_embed", input.ndim + 1, dim1, dim2)
    shift = index_of("diag_embed: offset", offset)
    back = tuple(int(i) for i in np.argsort(_last(input.ndim + 1, a, b)))

    def build(x: Node) -> Node:
        size = x.shape[-1] + abs(shift)
        return _turned(_put(ops.broadcast_to(zero(x), shape=(*x.shape[:-1], size, size)), x, shift), back)

    return t.apply("DiagEmbedBackward0", build, input, saves=False)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector as its diagonal (torch.diag)."""
    t.require_tensors("diag", input)
    if input.ndim not in (1, 2):
        raise ShapeError(f"diag: takes a vector or a matrix, not {input.type_text()}").at(here())
    return diag_embed(input, diagonal) if input.ndim == 1 else _diagonal_copy(input, diagonal)


def _diagonal_copy(x: Tensor, offset: int) -> Tensor:
    shift = index_of("diag: diagonal", offset)
    return t.apply("DiagonalBackward0", lambda a: _taken(a, shift), x, saves=False)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements as its diagonal (torch.diagflat)."""
    t.require_tensors("diagflat", input)
    return diag_embed(reshape(input, input.numel()), offset)


@autocasts
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix; of integers as i64 (torch.trace)."""
    t.require_tensors("trace", input)
    if input.ndim != 2:
        raise ShapeError(f"trace: takes a matrix, not {input.type_text()}").at(here())
    if input.dtype is bool_:
        raise DTypeError(f"trace: takes numbers, not {input.type_text()}").at(here())

    def build(a: Node) -> Node:
        found = _taken(a, 0)
        return ops.sum(found if a.dtype.is_float else ops.cast(found, dtype=i64), axes=(0,))

    return t.apply("TraceBackward0", build, input, saves=False)
