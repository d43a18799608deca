"""Arithmetic, comparisons and functions of single elements."""

from __future__ import annotations

import lenetc.operations.elementwise as E
from lenetc.importer.registry import operator
from lenetc.tensors.tensor import Tensor


@operator
def Add(a: Tensor, b: Tensor, /) -> Tensor:
    return E.add(a, b)


@operator
def Sub(a: Tensor, b: Tensor, /) -> Tensor:
    return E.sub(a, b)


@operator
def Mul(a: Tensor, b: Tensor, /) -> Tensor:
    return E.mul(a, b)


@operator
def Div(a: Tensor, b: Tensor, /) -> Tensor:
    """Of integers the quotient towards zero, as C has it."""
    return E.div(a, b) if a.dtype.is_float else E.div(a, b, rounding_mode="trunc")


@operator(differentiable=False)
def Equal(a: Tensor, b: Tensor, /) -> Tensor:
    return E.eq(a, b)


@operator
def Where(condition: Tensor, a: Tensor, b: Tensor, /) -> Tensor:
    return E.where(condition, a, b)


@operator
def Sqrt(x: Tensor, /) -> Tensor:
    return E.sqrt(x)


@operator
def Pow(x: Tensor, y: Tensor, /) -> Tensor:
    return E.pow(x, y)


@operator
def Erf(x: Tensor, /) -> Tensor:
    return E.erf(x)
