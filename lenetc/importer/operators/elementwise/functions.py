"""Exponentials, trigonometry, and rounding."""

from __future__ import annotations

import lenetc.operations.elementwise as E
from lenetc.importer.registry import operator
from lenetc.tensors.tensor import Tensor


@operator
def Exp(x: Tensor, /) -> Tensor:
    return E.exp(x)


@operator
def Log(x: Tensor, /) -> Tensor:
    return E.log(x)


@operator
def Erf(x: Tensor, /) -> Tensor:
    return E.erf(x)


@operator
def Sin(x: Tensor, /) -> Tensor:
    return E.sin(x)


@operator
def Cos(x: Tensor, /) -> Tensor:
    return E.cos(x)


@operator
def Tan(x: Tensor, /) -> Tensor:
    return E.tan(x)


@operator
def Asin(x: Tensor, /) -> Tensor:
    return E.asin(x)


@operator
def Acos(x: Tensor, /) -> Tensor:
    return E.acos(x)


@operator
def Atan(x: Tensor, /) -> Tensor:
    return E.atan(x)


@operator
def Sinh(x: Tensor, /) -> Tensor:
    return E.sinh(x)


@operator
def Cosh(x: Tensor, /) -> Tensor:
    return E.cosh(x)


@operator
def Asinh(x: Tensor, /) -> Tensor:
    return E.asinh(x)


@operator
def Acosh(x: Tensor, /) -> Tensor:
    return E.acosh(x)


@operator
def Atanh(x: Tensor, /) -> Tensor:
    return E.atanh(x)


@operator(differentiable=False)
def Floor(x: Tensor, /) -> Tensor:
    return E.floor(x)


@operator(differentiable=False)
def Ceil(x: Tensor, /) -> Tensor:
    return E.ceil(x)


@operator(differentiable=False)
def Round(x: Tensor, /) -> Tensor:
    """The even one of two neighbours."""
    return E.round(x)
