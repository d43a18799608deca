"""Powers and exponentials of square matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import ShapeError
from ir.node import Graph, Node
from ir.op import leaf, scalar
from ir.types import Type, bf16, f16, f32, i64
from lenetc.evaluation.tracing import here
from lenetc.operations.dense.equations import inv
from lenetc.operations.dense.stacks import identity, need_square
from lenetc.operations.products import matmul
from lenetc.tensors.arrays import index_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["matrix_exp", "matrix_power"]
_TERMS = 18  # of the series, enough for f64 where the norm is 1 at most
_HALVINGS = 40


def matrix_power(input: Tensor, n: int) -> Tensor:
    """Square matrices to a whole power, by squaring; to a negative one their inverses'. Raises as matmul and inv, and
    ShapeError for matrices that are not square."""
    t.require_tensors("matrix_power", input)
    n = index_of("matrix_power: n", n)
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise ShapeError(
            f"matrix_power: must be batches of square matrices, but they are {input.type_text()}"
        ).at(here())
    if not n:
        return t.apply("MatrixPowerBackward0", identity, input)
    base = input if n > 0 else inv(input)
    found: Tensor | None = None
    n = abs(n)
    while n:
        if n & 1:
            found = base if found is None else matmul(found, base)
        n >>= 1
        base = matmul(base, base) if n else base
    assert found is not None
    return found.clone() if found is input else found


def matrix_exp(input: Tensor) -> Tensor:
    """The exponential of square matrices: the series of a matrix halved until its norm is 1 at most, and its squares
    (torch.matrix_exp); of halves computed in f32. NaN for norms above 2^40. Raises DTypeError for dtypes that are not
    float, ShapeError for matrices that are not square."""
    t.require_tensors("matrix_exp", input)
    if input.dtype in (f16, bf16):
        return matrix_exp(input.to(f32)).to(input.dtype)
    need_square("matrix_exp", input)
    return t.apply("LinalgMatrixExpBackward0", _exponential, input)


def _exponential(a: Node) -> Node:
    if 0 in a.shape:
        return a
    rank = a.rank
    sums = ops.sum(ops.abs(ops.stop_gradient(a)), axes=(rank - 2,), keepdims=True)
    norm = ops.reduce_max(sums, axes=(rank - 1,), keepdims=True)
    halvings = ops.maximum(-ops.floor(ops.log(norm) * (-1 / math.log(2))), 0.0)
    halvings = ops.where(ops.greater(halvings, float(_HALVINGS)), scalar(math.nan, a.dtype), halvings)
    x = a * ops.pow(scalar(0.5, a.dtype), halvings)
    one = identity(a)
    series = one
    for k in range(_TERMS, 0, -1):
        series = one + (x @ series) * (1 / k)
    power, step, count = leaf("power", a.ty), leaf("step", Type(i64, ())), leaf("halvings", halvings.ty)
    goes_on = ops.less(ops.cast(step, dtype=a.dtype), count)
    body = Graph.make(
        "squaring", (power, step, count), (("power", ops.where(goes_on, power @ power, power)),)
    )
    run = ops.scan(
        series, ops.iota(size=_HALVINGS), halvings, body=body, carries=1, sequences=1, length=_HALVINGS
    )
    return ops.get(run, index=0)
