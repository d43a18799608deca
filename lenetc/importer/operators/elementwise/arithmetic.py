"""Sums, products, quotients, powers and signs."""

from __future__ import annotations

from functools import reduce

import lenetc.operations.elementwise as E
from lenetc.importer.operators.elementwise.operands import beside, joined, number
from lenetc.importer.registry import operator
from lenetc.importer.values import Value, to_tensor
from lenetc.tensors.tensor import Tensor


@operator
def Add(
    a: Tensor, b: Tensor, /, *, axis: int | None = None, broadcast: int | None = None, opset: int
) -> Tensor:
    return E.add(a, beside(a, b, axis, broadcast, opset))


@operator
def Sub(
    a: Tensor, b: Tensor, /, *, axis: int | None = None, broadcast: int | None = None, opset: int
) -> Tensor:
    return E.sub(a, beside(a, b, axis, broadcast, opset))


@operator
def Mul(
    a: Tensor, b: Tensor, /, *, axis: int | None = None, broadcast: int | None = None, opset: int
) -> Tensor:
    return E.mul(a, beside(a, b, axis, broadcast, opset))


@operator
def Div(
    a: Tensor, b: Tensor, /, *, axis: int | None = None, broadcast: int | None = None, opset: int
) -> Tensor:
    """Of integers the quotient towards zero, as C has it."""
    b = beside(a, b, axis, broadcast, opset)
    return E.div(a, b) if a.dtype.is_float else E.div(a, b, rounding_mode="trunc")


@operator
def Mod(a: Tensor, b: Tensor, /, *, fmod: int = 0) -> Tensor:
    """The remainder with the sign of b, with fmod=1 with the sign of a."""
    return E.fmod(a, b) if fmod else E.remainder(a, b)


@operator
def Pow(
    x: Tensor, y: Value, /, *, axis: int | None = None, broadcast: int | None = None, opset: int
) -> Tensor:
    """Of the dtype of x whatever that of y is; integers to powers that are none lose the fraction."""
    constant = number(y, x.ndim)
    if constant is not None and x.dtype.is_float:
        return E.pow(x, constant)
    power = beside(x, to_tensor(y), axis, broadcast, opset)
    if x.dtype.is_float:
        return E.pow(x, power.to(x.dtype))
    return E.float_power(x, power).to(x.dtype) if power.dtype.is_float else E.pow(x, power).to(x.dtype)


@operator
def Neg(x: Tensor, /) -> Tensor:
    return E.neg(x)


@operator
def Abs(x: Tensor, /) -> Tensor:
    return E.abs(x)


@operator(differentiable=False)
def Sign(x: Tensor, /) -> Tensor:
    return E.sign(x)


@operator
def Reciprocal(x: Tensor, /) -> Tensor:
    return E.reciprocal(x)


@operator
def Sqrt(x: Tensor, /) -> Tensor:
    return E.sqrt(x)


@operator
def Sum(*xs: Tensor) -> Tensor:
    return reduce(E.add, joined(xs))


@operator
def Mean(*xs: Tensor) -> Tensor:
    return xs[0] if len(xs) == 1 else reduce(E.add, joined(xs)) / len(xs)
