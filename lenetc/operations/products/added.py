"""Products added to a tensor: beta * input + alpha * product."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError
from ir.node import Node
from ir.op import scalar
from ir.types import bool_, f32
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise import logical_and, logical_or
from lenetc.operations.elementwise.operands import HALVES, cast
from lenetc.operations.products.matrices import bmm, mm, mv, need_ranks
from lenetc.operations.products.vectors import outer
from lenetc.operations.reductions.sums import sum
from lenetc.tensors.arrays import need_number
from lenetc.tensors.convert import as_tensor, promoted

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = ["addbmm", "addmm", "addmv", "addr", "baddbmm"]


def _added(what: str, x: Tensor, product: Tensor, beta: Number, alpha: Number) -> Tensor:
    """beta * x + alpha * product, in the product's shape; where beta is 0 x is not looked at, NaN or not.

    Of integers the factors lose a fraction, as in PyTorch. Raises ShapeError where x does not broadcast to that shape,
    DTypeError for another dtype.
    """
    t.require_tensors(what, x)
    need_number(what, "beta", beta)
    need_number(what, "alpha", alpha)
    if x.dtype is not product.dtype:
        raise DTypeError(
            f"{what}: expected one dtype, but the input is {x.type_text()} and the product {product.type_text()}"
        ).at(here())
    if not product.dtype.is_float:
        beta, alpha = int(beta), int(alpha)
    shape = tuple(product.shape)

    def build(a: Node, made: Node) -> Node:
        found = summed(a, made)
        numbers = type(alpha) in (int, float) and type(beta) in (int, float)
        if made.dtype not in HALVES or (alpha == 1 and beta == 0) or not numbers:
            return found
        if made.op is ops.matmul and made.rank == 2 and beta != 0:
            once = ops.gemm(*made.inputs, a, alpha=float(alpha), beta=float(beta))
        else:
            once = cast(summed(cast(a, f32), _unrounded(made)), made.dtype)
        return ops.with_gradient(once, found)  # which is rounded more than once

    def summed(a: Node, made: Node) -> Node:
        made = made if alpha == 1 else made * scalar(alpha, made.dtype)
        a = a if a.shape == shape else ops.broadcast_to(a, shape=shape)
        if beta == 0:
            return made
        return made + (a if beta == 1 else a * scalar(beta, a.dtype))

    return t.apply(f"{what.capitalize()}Backward0", build, x, product)


def _unrounded(product: Node) -> Node:
    """A product of halves, and the sum of products, in f32."""
    inner = product.inputs[0]
    if product.op is ops.cast:
        return _unrounded(inner)
    if product.op in (ops.reshape, ops.sum):
        return product.op(_unrounded(inner), **product.attrs)
    return product.op(*(cast(x, f32) for x in product.inputs), **product.attrs)


@autocasts
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2), of matrices; a beta of 0 leaves the input out, NaN or not."""
    need_ranks("addmm", ("mat1", mat1, 2), ("mat2", mat2, 2))
    return _added("addmm", input, mm(mat1, mat2), beta, alpha)


@autocasts
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec), as addmm."""
    need_ranks("addmv", ("mat", mat, 2), ("vec", vec, 1))
    return _added("addmv", input, mv(mat, vec), beta, alpha)


@autocasts
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2), as addmm, in the dtype that all promote to."""
    need_ranks("addr", ("vec1", vec1, 1), ("vec2", vec2, 1))
    product = outer(vec1, vec2)
    dtype = promoted(input.dtype, product.dtype)
    for name, factor in (("beta", beta), ("alpha", alpha)):
        need_number("addr", name, factor)
        if isinstance(factor, float) and not dtype.is_float:
            raise DTypeError(
                f"addr: for integral input tensors, argument {name} must not be a floating point number: {factor}"
            ).at(here())
        if isinstance(factor, bool) and dtype is not bool_:
            raise DTypeError(f"addr: a boolean {name} is only supported for boolean results").at(here())
    if dtype is bool_:
        found = logical_and(product, as_tensor(bool(alpha)))
        return logical_or(logical_and(input, as_tensor(bool(beta))), found)
    return _added("addr", input.to(dtype), product.to(dtype), beta, alpha)


@autocasts
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2), of stacks of matrices, as addmm."""
    need_ranks("baddbmm", ("batch1", batch1, 3), ("batch2", batch2, 3))
    return _added("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@autocasts
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * input + alpha * the sum of batch1 @ batch2 over the batch, as addmm."""
    need_ranks("addbmm", ("batch1", batch1, 3), ("batch2", batch2, 3))
    product = bmm(batch1, batch2)
    return _added("addbmm", input, sum(product, 0, dtype=product.dtype), beta, alpha)
