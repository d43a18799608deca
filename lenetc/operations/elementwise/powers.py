"""Powers and roots."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import LenetcError
from ir.node import Node
from ir.types import DType, bool_
from lenetc.evaluation.tracing import here
from lenetc.operations import integers
from lenetc.operations.elementwise.operands import binary, cast, unary
from lenetc.tensors.convert import operand_of, result_dtype

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "pow",
    "reciprocal",
    "rpow",
    "rsqrt",
    "sqrt",
    "square",
]


def pow(x: Tensor, exponent: Tensor | Number) -> Tensor:
    """x ** exponent, broadcast. Integers to integer powers are integers, which wrap around as products do. Small whole
    exponents become products, as in PyTorch.

    Raises LenetcError for an integer to a negative number; to a negative tensor it is 0 unless it is 1 or -1.
    """
    x, exponent = operand_of("pow", x), operand_of("pow", exponent)
    if isinstance(exponent, t.Tensor):
        whole = not result_dtype(exponent, x).is_float
        return binary("PowBackward1", "pow", integers.power if whole else ops.pow, x, exponent)
    t.require_tensors("pow", x)
    dtype = result_dtype(x, exponent)
    if dtype is bool_:
        return t.apply("", lambda a: a if exponent else ops.logical_or(a, ops.logical_not(a)), x)
    if not dtype.is_float:
        return _to_whole_power(x, int(exponent), dtype)
    powers: dict[float, Callable[[Node], Node]] = {
        1: lambda a: a * 1,
        2: lambda a: a * a,
        3: lambda a: a * a * a,
        0.5: ops.sqrt,
        -0.5: lambda a: ops.with_gradient(1.0 / ops.sqrt(a), ops.pow(a, -0.5)),
    }
    if exponent in powers:
        return t.apply("PowBackward0", lambda a: powers[exponent](cast(a, dtype)), x)
    return binary("PowBackward0", "pow", ops.pow, x, exponent)


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
    return binary("PowBackward1", "pow", integers.power if whole else ops.pow, base, x)


def sqrt(x: Tensor) -> Tensor:
    return unary("SqrtBackward0", ops.sqrt, x)


def rsqrt(x: Tensor) -> Tensor:
    return unary("RsqrtBackward0", lambda a: 1.0 / ops.sqrt(a), x, "rsqrt")


def square(x: Tensor) -> Tensor:
    return pow(x, 2)


def reciprocal(x: Tensor) -> Tensor:
    """1 / x; of integers a float."""
    return unary("ReciprocalBackward0", lambda a: 1.0 / a, x, "reciprocal")
