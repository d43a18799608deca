"""Quotients, remainders and divisors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError
from ir.node import Node
from ir.types import i64
from lenetc.evaluation.tracing import here
from lenetc.operations import integers
from lenetc.operations.elementwise.operands import (
    binary,
    cast,
    filled,
    flat,
    graded,
    kind,
    refuse_floats,
)
from lenetc.operations.elementwise.rounding import truncated
from lenetc.tensors.convert import operand_of

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "div",
    "divide",
    "floor_divide",
    "fmod",
    "gcd",
    "lcm",
    "remainder",
    "true_divide",
]


def div(input: Tensor, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, broadcast; integers are divided as floats. rounding_mode "trunc" drops the fraction of the
    quotient, "floor" takes the whole number not above it: of integers they are integers.

    Raises LenetcError for another rounding_mode.
    """
    if rounding_mode is None:
        return binary("DivBackward0", "div", ops.div, input, other, to_float=True)
    if rounding_mode not in ("trunc", "floor"):
        raise LenetcError(f"div: rounding_mode must be None, 'trunc' or 'floor', not {rounding_mode!r}").at(
            here()
        )
    if rounding_mode == "floor":
        return binary("DivBackward2", "div", _floor_divided, input, other, divides=True)
    return binary("DivBackward2", "div", _trunc_divided, input, other, divides=True)


def rdiv(input: Tensor, other: Tensor | Number) -> Tensor:
    """other / input."""
    return binary("DivBackward0", "div", ops.div, other, input, to_float=True)


def _refuse_two_bools(what: str, x: Any, y: Any) -> None:
    if all(kind(operand_of(what, operand)) == "bool" for operand in (x, y)):
        raise DTypeError(f"{what}: is not implemented for bool; convert with .int() or .float()").at(here())


def _trunc_divided(x: Node, y: Node) -> Node:
    return flat(truncated(x / y), x, y) if x.dtype.is_float else integers.truncated(x, y)


def _floor_divided(x: Node, y: Node) -> Node:
    """floor(x / y), not of the rounded quotient but of the exact one, by way of the remainder, as in PyTorch."""
    if not x.dtype.is_float:
        return integers.floored(x, y)
    rest = ops.fmod(x, y)
    quotient = (x - rest) / y - ops.cast(_wrong_side(rest, y), dtype=x.dtype)
    below = ops.floor(quotient)
    below = below + ops.cast(ops.greater(quotient - below, 0.5), dtype=x.dtype)
    return flat(ops.where(ops.equal(y, 0.0), x / y, below), x, y)


def _wrong_side(rest: Node, y: Node) -> Node:
    """Whether a remainder is not 0 and has not the sign of the divisor."""
    return ops.logical_not(
        ops.logical_or(ops.equal(rest, 0.0), ops.equal(ops.less(rest, 0.0), ops.less(y, 0.0)))
    )


def _remainder(x: Node, y: Node) -> Node:
    """fmod, of the sign of y; the gradient for y is -floor(x / y)."""
    if not x.dtype.is_float:
        return integers.remainder(x, y)
    rest = ops.fmod(x, y)
    zero = filled(0.0, y)
    found = rest + ops.where(_wrong_side(rest, y), y, zero)
    return graded(found, (x, filled(1.0, x)), (y, -_floor_divided(x, y)))


def _fmod(x: Node, y: Node) -> Node:
    return ops.fmod(x, y) if x.dtype.is_float else integers.fmod(x, y)


def floor_divide(input: Tensor, other: Tensor | Number) -> Tensor:
    """The largest whole number not above input / other, broadcast; it has no gradient (torch.floor_divide)."""
    return binary("", "floor_divide", _floor_divided, input, other, divides=True)


def rfloor_divide(input: Tensor, other: Tensor | Number) -> Tensor:
    """floor_divide(other, input)."""
    return binary("", "floor_divide", _floor_divided, other, input)


def remainder(input: Tensor, other: Tensor | Number) -> Tensor:
    """input - other * floor(input / other): Python's %, with the sign of other, broadcast."""
    _refuse_two_bools("remainder", input, other)
    return binary("RemainderBackward0", "remainder", _remainder, input, other)


def rremainder(input: Tensor, other: Tensor | Number) -> Tensor:
    """remainder(other, input)."""
    _refuse_two_bools("remainder", input, other)
    return binary("RemainderBackward0", "remainder", _remainder, other, input)


def fmod(input: Tensor, other: Tensor | Number) -> Tensor:
    """input - other * trunc(input / other), with the sign of input, broadcast."""
    t.require_tensors("fmod", input)
    _refuse_two_bools("fmod", input, other)
    return binary("FmodBackward0", "fmod", _fmod, input, other)


def gcd(input: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor of integers, broadcast."""
    t.require_tensors("gcd", input, other)
    refuse_floats("gcd", input, other)
    _refuse_two_bools("gcd", input, other)
    return binary("", "gcd", integers.greatest_common_divisor, input, other)


def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple of integers, broadcast."""
    t.require_tensors("lcm", input, other)
    refuse_floats("lcm", input, other)
    _refuse_two_bools("lcm", input, other)

    def build(x: Node, y: Node) -> Node:
        divisor = integers.greatest_common_divisor(x, y)
        divisor = ops.where(ops.equal(divisor, 0), filled(1, divisor), divisor)
        # The size is taken of the whole product, and wrapped around afterwards.
        quotient = ops.div(x, divisor)
        return cast(ops.abs(cast(quotient, i64) * cast(y, i64)), x.dtype)

    return binary("", "lcm", build, input, other)


divide = div
true_divide = div
