"""Comparisons, and what kind of number an element is."""

from __future__ import annotations

import lenetc.operations.elementwise as E
from lenetc.importer.operators.elementwise.operands import beside
from lenetc.importer.registry import operator
from lenetc.tensors.tensor import Tensor


@operator(differentiable=False)
def Equal(
    a: Tensor, b: Tensor, /, *, axis: int | None = None, broadcast: int | None = None, opset: int
) -> Tensor:
    return E.eq(a, beside(a, b, axis, broadcast, opset))


@operator(differentiable=False)
def Less(
    a: Tensor, b: Tensor, /, *, axis: int | None = None, broadcast: int | None = None, opset: int
) -> Tensor:
    return E.lt(a, beside(a, b, axis, broadcast, opset))


@operator(differentiable=False)
def Greater(
    a: Tensor, b: Tensor, /, *, axis: int | None = None, broadcast: int | None = None, opset: int
) -> Tensor:
    return E.gt(a, beside(a, b, axis, broadcast, opset))


@operator(differentiable=False)
def LessOrEqual(a: Tensor, b: Tensor, /) -> Tensor:
    return E.le(a, b)


@operator(differentiable=False)
def GreaterOrEqual(a: Tensor, b: Tensor, /) -> Tensor:
    return E.ge(a, b)


@operator(differentiable=False)
def IsNaN(x: Tensor, /) -> Tensor:
    return E.isnan(x)


@operator(differentiable=False)
def IsInf(x: Tensor, /, *, detect_negative: int = 1, detect_positive: int = 1) -> Tensor:
    if detect_negative and detect_positive:
        return E.isinf(x)
    if detect_positive:
        return E.isposinf(x)
    return E.isneginf(x) if detect_negative else E.ne(x, x) & E.eq(x, x)
