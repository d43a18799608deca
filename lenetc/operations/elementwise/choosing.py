"""Elements chosen from several tensors, and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError
from ir.node import Node
from ir.op import scalar
from ir.types import DType, bool_, i64, u8
from lenetc.evaluation.tracing import here
from lenetc.operations.elementwise.casting import to
from lenetc.operations.elementwise.operands import binary, cast, truth
from lenetc.tensors.convert import as_tensor, operand_of, promoted, result_dtype

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "clamp",
    "maximum",
    "minimum",
    "where",
]


def maximum(x: Tensor, other: Tensor) -> Tensor:
    return binary("MaximumBackward0", "maximum", ops.maximum, x, other)


def minimum(x: Tensor, other: Tensor) -> Tensor:
    return binary("MinimumBackward0", "minimum", ops.minimum, x, other)


def where(condition: Tensor, x: Tensor | Number, y: Tensor | Number) -> Tensor:
    """Elements of x where condition holds, of y elsewhere, broadcast (torch.where)."""
    t.require_tensors("where", condition)
    if condition.dtype not in (bool_, u8):
        raise DTypeError(f"where: the condition must be bool, but it is {condition.type_text()}").at(here())
    x, y = operand_of("where", x), operand_of("where", y)
    x, y = (as_tensor(v, None if isinstance(v, t.Tensor) else _peer_dtype(v, w)) for v, w in ((x, y), (y, x)))
    dtype = result_dtype(x, y)
    return t.apply(
        "WhereBackward0", lambda c, a, b: ops.where(truth(c), a, b), condition, to(x, dtype), to(y, dtype)
    )


def _peer_dtype(value: Number, other: Any) -> DType | None:
    return result_dtype(other, value) if isinstance(other, t.Tensor) else None


def clamp(x: Tensor, min: Number | None = None, max: Number | None = None) -> Tensor:
    """x limited to [min, max]; the gradient passes where min <= x <= max (torch.clamp).

    The dtype is that of x promoted with the limits. Raises LenetcError without a limit, DTypeError for limits that
    are no numbers.
    """
    t.require_tensors("clamp", x)
    limits = [None if limit is None else operand_of("clamp", limit) for limit in (min, max)]
    if all(limit is None for limit in limits):
        raise LenetcError("clamp: at least one of 'min' or 'max' must not be None").at(here())
    if any(isinstance(limit, t.Tensor) for limit in limits):
        raise DTypeError("clamp takes numbers for limits; use maximum and minimum with tensors").at(here())
    low, high = limits
    dtype = x.dtype
    for limit in limits:
        dtype = dtype if limit is None else promoted(dtype, result_dtype(x, limit))
    dtype = i64 if dtype is bool_ else dtype

    def build(a: Node) -> Node:
        a = cast(a, dtype)
        limited = a
        if low is not None:
            limited = ops.maximum(limited, scalar(low, dtype))
        if high is not None:
            limited = ops.minimum(limited, scalar(high, dtype))
        if not dtype.is_float:
            return limited
        limited = ops.stop_gradient(limited)
        if low is not None and high is not None and low > high:
            return ops.where(ops.literal(np.asarray(False)), a, limited)
        return ops.where(ops.equal(a, limited), a, limited)

    return t.apply("ClampBackward1", build, x)
