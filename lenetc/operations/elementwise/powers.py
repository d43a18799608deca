"""Powers and roots."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError
from ir.node import Node
from ir.types import DType, bool_, f64, i64
from lenetc.evaluation.scalars import Scalar
from lenetc.evaluation.tracing import here
from lenetc.operations import integers
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import binary, cast, filled, graded, in_f32, unary
from lenetc.tensors.convert import operand_of, result_dtype
from lenetc.tensors.dtypes import get_default_dtype

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

_FARTHEST = 2100  # more powers of 2 than there are between the least and the largest f64

__all__ = ["float_power", "ldexp", "pow", "reciprocal", "rsqrt", "sqrt", "square"]


@autocasts
def pow(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """input ** exponent, broadcast. Integers to integer powers are integers, which wrap around as products do. Small
    whole exponents become products, as in PyTorch.

    Raises LenetcError for an integer to a negative number; to a negative tensor it is 0 unless it is 1 or -1.
    """
    input, exponent = operand_of("pow", input), operand_of("pow", exponent)
    if isinstance(exponent, t.Tensor):
        whole = not result_dtype(exponent, input).is_float
        return binary("PowBackward1", "pow", integers.power if whole else ops.pow, input, exponent)
    t.require_tensors("pow", input)
    assert isinstance(input, t.Tensor)
    dtype = result_dtype(input, exponent)
    if dtype is bool_:
        return t.apply("", lambda a: a if exponent else ops.logical_or(a, ops.logical_not(a)), input)
    if not dtype.is_float:
        return _to_whole_power(input, int(exponent), dtype)
    powers: dict[float, Callable[[Node], Node]] = {
        1: lambda a: a * 1,
        2: lambda a: a * a,
        3: lambda a: a * a * a,
        0.5: ops.sqrt,
        -0.5: lambda a: ops.with_gradient(1.0 / ops.sqrt(a), ops.pow(a, -0.5)),
    }
    if exponent in powers:
        return t.apply("PowBackward0", lambda a: in_f32(powers[exponent])(cast(a, dtype)), input)
    return binary("PowBackward0", "pow", _to_number(exponent), input, exponent)


def _to_whole_power(x: Tensor, exponent: int, dtype: DType) -> Tensor:
    if exponent < 0:
        raise LenetcError(
            f"pow: integers to negative integer powers are not allowed: {x.type_text()} ** {exponent}; "
            "convert the base with .float()"
        ).at(here())
    return t.apply("", lambda a: integers.to_power(cast(a, dtype), exponent), x)


def rpow(x: Tensor, base: Any) -> Tensor:
    """base ** x."""
    base = operand_of("pow", base)
    if isinstance(base, t.Tensor):  # made of an array
        return pow(base, x)
    whole = not result_dtype(x, base).is_float
    return binary("PowBackward1", "pow", integers.power if whole else _of_number(base), base, x)


def _to_number(exponent: Any) -> Callable[[Node, Node], Node]:
    """x to the exponent, with one less of it in the gradient: 1/3 in f32 less 1 is not what -2/3 is."""

    def build(x: Node, y: Node) -> Node:
        if isinstance(exponent, Scalar) or x.dtype is f64 or _f32(exponent) - 1 == _f32(exponent - 1):
            return ops.pow(x, y)
        return graded(ops.pow(x, y), (x, ops.pow(x, filled(exponent - 1, x)) * exponent))

    return build


def _of_number(base: Any) -> Callable[[Node, Node], Node]:
    """The base to the x, with the logarithm of the base itself in the gradient, not of what f32 makes of it."""

    def build(x: Node, y: Node) -> Node:
        if isinstance(base, Scalar) or x.dtype is f64 or not 0 < base < math.inf or _f32(base) == base:
            return ops.pow(x, y)
        found = ops.pow(x, y)
        return graded(found, (y, found * math.log(base)))

    return build


def _f32(number: float) -> float:
    return float(np.float32(number))


def float_power(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """input ** exponent, computed in f64, broadcast."""
    base, power = (
        x.to(f64) if isinstance(x, t.Tensor) else float(x)
        for x in (operand_of("float_power", input), operand_of("float_power", exponent))
    )
    if not isinstance(base, t.Tensor) and not isinstance(power, t.Tensor):
        raise DTypeError("float_power takes at least one tensor, not two numbers").at(here())
    return pow(base, power)


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input * 2 ** other, broadcast, as a float; by whole numbers it is exact where the power is out of range."""
    t.require_tensors("ldexp", input, other)
    if other.dtype.is_float:
        return input * pow(2.0, other)
    dtype = result_dtype(input, other)
    dtype = dtype if dtype.is_float else get_default_dtype()

    def scaled(x: Node, count: Node) -> Node:
        count = ops.minimum(ops.maximum(cast(count, i64), -_FARTHEST), _FARTHEST)
        count = cast(count, f64)
        # What is far goes in three steps; chosen, not multiplied by 1, so that nothing multiplies the steps first.
        is_far = ops.greater(ops.abs(count), _FARTHEST / 3.0)
        part = ops.where(is_far, ops.floor(count / 3.0), filled(0.0, count))
        step, rest = (ops.pow(filled(2.0, count), power) for power in (part, count - part * 2.0))
        near = cast(x, f64)
        for _ in range(2):
            near = ops.where(is_far, near * step, near)
        found = cast(near * rest, dtype)
        x = cast(x, dtype)
        return graded(found, (x, cast(ops.pow(filled(2.0, count), count), dtype)))

    return t.apply("LdexpBackward0", scaled, input, other)


def sqrt(input: Tensor) -> Tensor:
    """The square root, NaN of what is less than 0; integers become floats (torch.sqrt)."""
    return unary("SqrtBackward0", ops.sqrt, input)


@autocasts
def rsqrt(input: Tensor) -> Tensor:
    return unary("RsqrtBackward0", lambda a: 1.0 / ops.sqrt(a), input, "rsqrt")


def square(input: Tensor) -> Tensor:
    return pow(input, 2)


@autocasts
def reciprocal(input: Tensor) -> Tensor:
    """1 / input; of integers a float."""
    return unary("ReciprocalBackward0", lambda a: 1.0 / a, input, "reciprocal")
