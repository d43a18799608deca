"""Products of matrices."""

from __future__ import annotations

from lenetc.importer.registry import operator
from lenetc.operations import dense, products
from lenetc.tensors.tensor import Tensor


@operator
def MatMul(a: Tensor, b: Tensor, /) -> Tensor:
    return products.matmul(a, b)


@operator
def Gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    /,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Tensor:
    product = products.matmul(a.t() if transA else a, b.t() if transB else b)
    product = product if alpha == 1 else product * alpha
    if c is None or beta == 0:
        return product
    return product + (c if beta == 1 else c * beta)


@operator
def Det(x: Tensor, /) -> Tensor:
    return dense.det(x)
