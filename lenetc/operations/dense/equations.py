"""Systems of linear equations, and inverses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import product
from ir.errors import LenetcError, ShapeError
from ir.node import Node
from ir.op import scalar
from ir.types import i32
from lenetc.evaluation.tracing import here
from lenetc.operations import shaping
from lenetc.operations.autocast import autocasts
from lenetc.operations.dense.stacks import identity, need_matrices, need_square, need_success, stacked
from lenetc.operations.reductions.norms import matrix_norm, refuse_singular_values
from lenetc.tensors.arrays import axis_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = ["inverse", "triangular_solve"]
_SINGULAR = "the matrix is singular"


class Inverse(NamedTuple):
    """What inv_ex returns (torch.return_types.linalg_inv_ex)."""

    inverse: Tensor
    info: Tensor


class Triangular(NamedTuple):
    """What triangular_solve returns (torch.return_types.triangular_solve)."""

    solution: Tensor
    cloned_coefficient: Tensor


class Solution(NamedTuple):
    """What solve_ex returns (torch.return_types.linalg_solve_ex)."""

    result: Tensor
    info: Tensor


def _failed(a: Tensor, x: Tensor) -> Tensor:
    """How many columns fail, for each matrix, i32: 0, or all of them where the solution x is not finite though a is."""

    def build(a: Node, x: Node) -> Node:
        def infinite(v: Node) -> Node:
            rows = ops.logical_not(ops.less(ops.abs(v), math.inf))
            return ops.greater(ops.sum(ops.cast(rows, dtype=i32), axes=(v.rank - 2, v.rank - 1)), 0)

        failed = ops.logical_and(infinite(x), ops.logical_not(infinite(a)))
        zero = ops.scalar(0, i32)
        return ops.where(failed, ops.cast(ops.dim(size=a.shape[-1]), dtype=i32), zero)

    return t.apply("", build, a.detach(), x.detach())


@autocasts
def inv_ex(A: Tensor, *, check_errors: bool = False) -> Inverse:
    """(inverse, info): the inverse of square matrices, which is not finite where one is singular, and its info then
    not 0 (torch.linalg.inv_ex). Raises as `inv` if check_errors."""
    return _inverse("inv_ex", A, check_errors)


def _inverse(what: str, A: Tensor, check: bool) -> Inverse:
    need_square(what, A)
    made = t.apply("LinalgInvExBackward0", lambda a: ops.solve(a, identity(a)), A)
    info = _failed(A, made)
    if check:
        need_success(what, info, _SINGULAR)
    return Inverse(made, info)


@autocasts
def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices, in stacks of any shape (torch.linalg.inv).

    Raises LabelError, a RuntimeError, where one is singular; DTypeError for dtypes other than f32 and f64; ShapeError
    for matrices that are not square.
    """
    return _inverse("inv", A, True).inverse


@autocasts
def inverse(input: Tensor) -> Tensor:
    """The inverse of square matrices; raises as `inv`."""
    return _inverse("inverse", input, True).inverse


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Solution:
    """(result, info): the solution of `solve`, which is not finite where a matrix is singular, and its info then not
    0 (torch.linalg.solve_ex). Raises as `solve` if check_errors."""
    return _solution("solve_ex", A, B, left, check_errors)


@autocasts
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The X with A X = B, or with X A = B if not left; B is a stack of matrices or of vectors (torch.linalg.solve).

    Raises as `inv`, and ShapeError where A and B do not fit.
    """
    return _solution("solve", A, B, left, True).result


def _solution(what: str, A: Tensor, B: Tensor, left: bool, check: bool) -> Solution:
    need_square(what, A)
    t.require_tensors(what, B)
    vectors = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    if vectors and not left:
        raise ShapeError(
            f"{what}: Vector broadcasting of the left hand side is not supported for left=False"
        ).at(here())
    right = shaping.unsqueeze(B, -1) if vectors else B
    need_matrices(what, A, right)
    if right.shape[-2 if left else -1] != A.shape[-1]:
        raise ShapeError(
            f"{what}: Incompatible shapes of A and B for the equation: {A.type_text()}, {B.type_text()}"
        ).at(here())
    made = solved(what, A, right, left)
    info = _failed(A, made)
    if check:
        need_success(what, info, _SINGULAR)
    return Solution(shaping.squeeze(made, -1) if vectors else made, info)


def solved(what: str, A: Tensor, B: Tensor, left: bool) -> Tensor:
    """The X with A X = B, or X A = B, in the stacks that both broadcast to; checked already."""
    a, b = stacked(what, A, B)
    if not left:
        a, b = shaping.transpose(a, -2, -1), shaping.transpose(b, -2, -1)
    made = t.apply("LinalgSolveExBackward0", ops.solve, a, b)
    return made if left else shaping.transpose(made, -2, -1)


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """The X with A X = B, or with X A = B if not left, of the upper or lower triangle of A, whose diagonal counts as
    ones if `unitriangular` (torch.linalg.solve_triangular). Raises DTypeError and ShapeError as `solve`.

    A zero on the diagonal gives what is not finite, as in PyTorch.
    """
    need_square("solve_triangular", A)
    need_matrices("solve_triangular", A, B)
    if B.shape[-2 if left else -1] != A.shape[-1]:
        raise ShapeError(
            "solve_triangular: Incompatible shapes of A and B for the equation: "
            f"{A.type_text()}, {B.type_text()}"
        ).at(here())

    def triangle(a: Node) -> Node:
        size = a.shape[-1]
        row, column = (ops.reshape(ops.iota(size=size), shape=shape) for shape in ((size, 1), (1, size)))
        outside = ops.less(column, row) if upper else ops.less(row, column)
        kept = ops.where(outside, scalar(0, a.dtype), a)
        return ops.where(ops.equal(row, column), scalar(1, a.dtype), kept) if unitriangular else kept

    return solved("solve_triangular", t.apply("TriangularBackward0", triangle, A), B, left)


@autocasts
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Triangular:
    """(X, A) with A X = b, or with A^T X = b if `transpose`, of one triangle of A. Raises as
    linalg.solve_triangular."""
    need_matrices("triangular_solve", b, A)
    turned, side = (shaping.transpose(A, -2, -1), not upper) if transpose else (A, upper)
    found = solve_triangular(turned, b, upper=side, unitriangular=unitriangular)
    return Triangular(found, A.clone())


@autocasts
def cond(A: Tensor, p: Number | str | None = None) -> Tensor:
    """The condition number of square matrices, norm(A) * norm(inv(A)), for a norm of `linalg.matrix_norm`.

    Raises UnsupportedError for the norms by singular values, of which None is one.
    """
    need_matrices("cond", A)
    refuse_singular_values("cond", 2 if p is None else p)
    need_square("cond", A)
    assert p is not None
    return matrix_norm(A, p) * matrix_norm(inv_ex(A).inverse, p)


@autocasts
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of `tensordot` with A over its first `ind` dimensions (torch.linalg.tensorinv)."""
    t.require_tensors("tensorinv", A)
    if ind <= 0:
        raise LenetcError(f"tensorinv: expected a strictly positive integer for 'ind', but it is {ind}").at(
            here()
        )
    rows, columns = product(tuple(A.shape[:ind])), product(tuple(A.shape[ind:]))
    if rows != columns:
        raise ShapeError(
            f"tensorinv: the first {ind} dimensions must have as many elements as the others: {A.type_text()}"
        ).at(here())
    return inv(shaping.reshape(A, rows, columns)).reshape(*A.shape[ind:], *A.shape[:ind])


@autocasts
def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """The X with tensordot(A, X, X.ndim) = B (torch.linalg.tensorsolve). dims: dimensions of A that go last."""
    t.require_tensors("tensorsolve", A, B)
    if dims is not None:
        last = [axis_of(d, A.ndim, "tensorsolve") for d in dims]
        A = shaping.permute(A, [i for i in range(A.ndim) if i not in last] + last)
    rest = tuple(A.shape[B.ndim :])
    size = product(rest)
    if product(tuple(A.shape)) != size * size or product(tuple(B.shape)) != size:
        raise ShapeError(
            f"tensorsolve: {A.type_text()} and {B.type_text()} do not make a square system of equations"
        ).at(here())
    return solve(shaping.reshape(A, size, size), shaping.reshape(B, -1)).reshape(*rest)
