"""Cholesky factors, and what is solved by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import ShapeError
from ir.node import Node
from ir.types import i32
from lenetc.evaluation.tracing import here
from lenetc.operations import shaping
from lenetc.operations.autocast import autocasts
from lenetc.operations.dense.equations import solved
from lenetc.operations.dense.stacks import (
    diagonal,
    first_place,
    identity,
    need_matrices,
    need_square,
    need_success,
)
from lenetc.operations.products import matmul

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["cholesky", "cholesky_inverse", "cholesky_solve"]


class Factor(NamedTuple):
    """What cholesky_ex returns (torch.return_types.linalg_cholesky_ex)."""

    L: Tensor
    info: Tensor


@autocasts
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Factor:
    """(L, info): as `cholesky`; info is the order of the first leading part that is not positive definite, or 0, and L
    is not finite from there on (torch.linalg.cholesky_ex). Raises as `cholesky` if check_errors."""
    return _factor("cholesky_ex", A, upper, check_errors)


def _factor(what: str, A: Tensor, upper: bool, check: bool) -> Factor:
    need_square(what, A)
    a = shaping.transpose(A, -2, -1) if upper else A

    def build(a: Node) -> Node:
        turned = ops.transpose(a, perm=(*range(a.rank - 2), a.rank - 1, a.rank - 2))
        return ops.cholesky(ops.with_gradient(a, (a + turned) * 0.5))

    def failed(made: Node) -> Node:
        if not made.shape[-1]:
            return ops.broadcast_to(ops.scalar(0, i32), shape=made.shape[:-2])
        return first_place(ops.logical_not(ops.greater(diagonal(made), 0)))

    made = t.apply("LinalgCholeskyExBackward0", build, a)
    info = t.apply("", failed, made.detach())
    if check:
        need_success(what, info, "the leading part of the matrix of that order is not positive definite")
    return Factor(shaping.transpose(made, -2, -1) if upper else made, info)


@autocasts
def cholesky(A: Tensor, upper: bool = False) -> Tensor:
    """The lower triangular L with L L^T = A, or its transpose if `upper`, of symmetric positive definite matrices, of
    which the lower (upper) triangle is looked at (torch.linalg.cholesky).

    Raises LabelError, a RuntimeError, where one is not positive definite; DTypeError for dtypes other than f32 and
    f64; ShapeError for matrices that are not square.
    """
    return _factor("cholesky", A, upper, True).L


def _product(L: Tensor, upper: bool) -> Tensor:
    """L L^T, or L^T L if `upper`, of the triangle of L; the gradient reaches all of L, as in PyTorch."""

    def triangle(a: Node) -> Node:
        size = a.shape[-1]
        row, column = (ops.reshape(ops.iota(size=size), shape=shape) for shape in ((size, 1), (1, size)))
        outside = ops.less(column, row) if upper else ops.less(row, column)
        return ops.with_gradient(ops.where(outside, ops.scalar(0, a.dtype), a), a)

    kept = t.apply("TriangularBackward0", triangle, L)
    across = shaping.transpose(kept, -2, -1)
    return matmul(across, kept) if upper else matmul(kept, across)


@autocasts
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """The X with L L^T X = B, or with L^T L X = B if `upper`. Raises DTypeError and ShapeError."""
    need_square("cholesky_solve", L)
    need_matrices("cholesky_solve", L, B)
    if B.shape[-2] != L.shape[-1]:
        raise ShapeError(
            f"cholesky_solve: Incompatible shapes of the factor and B: {L.type_text()}, {B.type_text()}"
        ).at(here())
    return solved("cholesky_solve", _product(L, upper), B, True)


@autocasts
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of L L^T, or of L^T L if `upper`. Raises DTypeError and ShapeError."""
    need_square("cholesky_inverse", L)
    return t.apply("CholeskyInverseBackward0", lambda a: ops.solve(a, identity(a)), _product(L, upper))
