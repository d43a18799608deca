"""What the functions of matrices share: stacks of square matrices, and what is raised where a matrix is singular."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.ops.rules import broadcast_shapes
from ir.types import f32, f64, i32
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.operations import shaping

if TYPE_CHECKING:
    from ir.dims import Dim
    from lenetc.tensors.tensor import Tensor


def need_matrices(what: str, *operands: Tensor) -> None:
    """Raise DTypeError unless all are f32 or all f64, ShapeError for one of fewer than two dimensions."""
    t.require_tensors(what, *operands)
    for x in operands:
        if x.ndim < 2:
            raise ShapeError(
                f"{what}: the input tensor must have at least 2 dimensions, but it is {x.type_text()}"
            ).at(here())
        if x.dtype not in (f32, f64):
            raise DTypeError(f"{what}: needs f32 or f64, but it is {x.type_text()}").at(here())
        if x.dtype is not operands[0].dtype:
            raise DTypeError(
                f"{what}: both must have one dtype, but they are {operands[0].type_text()} and {x.type_text()}"
            ).at(here())


def need_square(what: str, x: Tensor) -> None:
    need_matrices(what, x)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{what}: must be batches of square matrices, but they are {x.type_text()}").at(
            here()
        )


def identity(like: Node) -> Node:
    """The identity matrix, in the stack that `like` is."""
    size = like.shape[-1]
    row, column = (ops.reshape(ops.iota(size=size), shape=shape) for shape in ((size, 1), (1, size)))
    return ops.broadcast_to(ops.cast(ops.equal(row, column), dtype=like.dtype), shape=like.shape)


def diagonal(a: Node) -> Node:
    """[..., N] of a[..., N, N]."""
    size = int(a.shape[-1])
    flat = ops.reshape(a, shape=(*a.shape[:-2], size * size))
    lead = a.rank - 2
    return ops.slice(
        flat, starts=(0,) * (lead + 1), stops=flat.shape, steps=(*(1 for _ in range(lead)), size + 1)
    )


def stacked(what: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both in stacks of one shape, to which theirs broadcast."""
    lead: tuple[Dim, ...] = broadcast_shapes(what, tuple(a.shape[:-2]), tuple(b.shape[:-2]))
    return tuple(x.expand(*lead, *x.shape[-2:]) if x.shape[:-2] != lead else x for x in (a, b))  # type: ignore[return-value]


def first_place(wrong: Node) -> Node:
    """Where along the last axis the first true element is, counted from 1; 0 where there is none, i32."""
    some = ops.cast(wrong, dtype=i32)
    place = ops.argmax(some, axis=wrong.rank - 1, keepdims=False)
    found = ops.greater(ops.reduce_max(some, axes=(wrong.rank - 1,)), 0)
    return ops.cast(ops.where(found, place + 1, ops.scalar(0, place.dtype)), dtype=i32)


def need_success(what: str, info: Tensor, reason: str) -> None:
    """Raise LabelError, a RuntimeError, unless every `info` is 0: at once, or when a compiled function runs."""
    require_range(what, "count of the first column that fails", info, 1, None, reason)


def last_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of the matrices in the last two dimensions (torch.linalg.diagonal)."""
    return shaping.diagonal(A, offset, dim1, dim2)
