"""Comparisons, and what kind of number an element is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from lenetc.operations.elementwise.bits import logical_not, logical_or
from lenetc.operations.elementwise.operands import binary

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "eq",
    "ge",
    "gt",
    "isnan",
    "le",
    "lt",
    "ne",
]


def eq(x: Tensor, other: Any) -> Tensor:
    return binary("", "eq", ops.equal, x, other)


def ne(x: Tensor, other: Any) -> Tensor:
    return logical_not(eq(x, other))


def lt(x: Tensor, other: Any) -> Tensor:
    return binary("", "lt", ops.less, x, other)


def gt(x: Tensor, other: Any) -> Tensor:
    return binary("", "gt", ops.greater, x, other)


def le(x: Tensor, other: Any) -> Tensor:
    return logical_or(lt(x, other), eq(x, other))


def ge(x: Tensor, other: Any) -> Tensor:
    return logical_or(gt(x, other), eq(x, other))


def isnan(x: Tensor) -> Tensor:
    t.require_tensors("isnan", x)
    return t.apply("", ops.is_nan, x) if x.dtype.is_float else ne(x, x)
