"""Products of matrices and of tensors of any rank."""

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
    broadcast: int = 0,
) -> Tensor:
    """broadcast: of opset 6, whether c may be smaller, as it may ever since."""
    product = products.matmul(a.t() if transA else a, b.t() if transB else b)
    product = _times(product, alpha)
    return product if c is None or beta == 0 else product + _times(c, beta)


def _times(x: Tensor, factor: float) -> Tensor:
    return x if factor == 1 else (x * factor).to(x.dtype)


@operator
def Einsum(*xs: Tensor, equation: str) -> Tensor:
    return products.einsum(equation.replace(" ", ""), *xs)


@operator
def Det(x: Tensor, /) -> Tensor:
    return dense.det(x)
