"""Comparisons, and what kind of number an element is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError
from ir.node import Node
from ir.types import bool_, f32, u8
from lenetc.evaluation.tracing import here
from lenetc.operations.elementwise.bits import logical_not, logical_or
from lenetc.operations.elementwise.operands import binary, cast
from lenetc.tensors.arrays import need_number

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "eq",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "le",
    "less",
    "less_equal",
    "lt",
    "ne",
    "not_equal",
]


def eq(input: Tensor, other: Any) -> Tensor:
    """Whether elements are equal, as bool, broadcast; NaN equals nothing (torch.eq)."""
    t.require_tensors("eq", input)
    return binary("", "eq", ops.equal, input, other)


def ne(input: Tensor, other: Any) -> Tensor:
    """Whether elements differ, as bool, broadcast; NaN differs from itself (torch.ne)."""
    return logical_not(eq(input, other))


def lt(input: Tensor, other: Any) -> Tensor:
    """Whether input < other, as bool, broadcast; false where one is NaN (torch.lt)."""
    t.require_tensors("lt", input)
    return binary("", "lt", ops.less, input, other)


def gt(input: Tensor, other: Any) -> Tensor:
    """Whether input > other, as bool, broadcast; false where one is NaN (torch.gt)."""
    t.require_tensors("gt", input)
    return binary("", "gt", ops.greater, input, other)


def le(input: Tensor, other: Any) -> Tensor:
    """Whether input <= other, as bool, broadcast; false where one is NaN (torch.le)."""
    return logical_or(lt(input, other), eq(input, other))


def ge(input: Tensor, other: Any) -> Tensor:
    """Whether input >= other, as bool, broadcast; false where one is NaN (torch.ge)."""
    return logical_or(gt(input, other), eq(input, other))


def isnan(input: Tensor) -> Tensor:
    """Whether an element is NaN."""
    return _is("isnan", ops.is_nan, input)


def _is(what: str, build: Callable[[Node], Node], input: Tensor) -> Tensor:
    """`build` of floats; integers and bools are none of it."""
    t.require_tensors(what, input)
    return t.apply("", build, input) if input.dtype.is_float else ne(input, input)


def isinf(input: Tensor) -> Tensor:
    """Whether an element is infinite."""
    return _is("isinf", lambda a: ops.equal(ops.abs(a), math.inf), input)


def isposinf(input: Tensor) -> Tensor:
    """Whether an element is inf."""
    return _is("isposinf", lambda a: ops.equal(a, math.inf), input)


def isneginf(input: Tensor) -> Tensor:
    """Whether an element is -inf."""
    return _is("isneginf", lambda a: ops.equal(a, -math.inf), input)


def isfinite(input: Tensor) -> Tensor:
    """Whether an element is neither infinite nor NaN."""
    t.require_tensors("isfinite", input)
    if not input.dtype.is_float:
        return eq(input, input)
    return t.apply("", lambda a: ops.less(ops.abs(a), math.inf), input)


def isreal(input: Tensor) -> Tensor:
    """Whether an element is a real number: all are."""
    t.require_tensors("isreal", input)
    return t.apply("", lambda a: ops.broadcast_to(ops.literal(np.asarray(True)), shape=a.shape), input)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Whether |input - other| <= atol + rtol * |other|, broadcast. Raises DTypeError for different dtypes."""
    t.require_tensors("isclose", input, other)
    need_number("isclose", "rtol", rtol)
    need_number("isclose", "atol", atol)
    if input.dtype is not other.dtype:
        raise DTypeError(
            f"isclose: the dtypes must be the same, but they are {input.type_text()} and {other.type_text()}"
        ).at(here())
    if rtol < 0 or atol < 0:
        raise LenetcError(f"isclose: rtol and atol must not be negative: {rtol} and {atol}").at(here())

    def build(a: Node, b: Node) -> Node:
        same = ops.equal(a, b)
        if equal_nan and a.dtype.is_float:
            same = ops.logical_or(same, ops.logical_and(ops.is_nan(a), ops.is_nan(b)))
        if a.dtype is bool_ or (rtol == 0 and atol == 0):
            return same
        # PyTorch counts differences of integers as such, and what is allowed in floats.
        difference = ops.abs(a - b) if a.dtype is not u8 else ops.maximum(a, b) - ops.minimum(a, b)
        wide = a.dtype if a.dtype.is_float else f32
        difference, size = cast(difference, wide), ops.abs(cast(b, wide))
        allowed = size * float(rtol) + float(atol)
        near = ops.logical_and(
            ops.less(difference, math.inf), ops.logical_not(ops.greater(difference, allowed))
        )
        return ops.logical_or(same, near)

    return t.apply("", build, input, other)


greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
