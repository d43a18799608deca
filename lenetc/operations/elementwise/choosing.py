"""Elements chosen from several tensors, and limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, overload

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError
from ir.node import Node
from ir.op import scalar
from ir.types import bool_, i64, u8
from lenetc.evaluation.tracing import here
from lenetc.operations.elementwise.casting import to
from lenetc.operations.elementwise.comparisons import ne
from lenetc.operations.elementwise.operands import (
    binary,
    cast,
    filled,
    graded,
    of_bools,
    refuse_bools,
    truth,
)
from lenetc.operations.elementwise.trigonometry import is_negative
from lenetc.tensors.arrays import need_number
from lenetc.tensors.convert import (
    as_tensor,
    element_for,
    number_for,
    operand_of,
    promoted,
    result_dtype,
    result_dtype_of,
)
from lenetc.tensors.dtypes import finfo

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "copysign",
    "fmax",
    "fmin",
    "heaviside",
    "maximum",
    "minimum",
    "nan_to_num",
    "signbit",
    "where",
]


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger one, broadcast, NaN where one is; equal ones share the gradient."""
    t.require_tensors("maximum", input, other)
    return binary("MaximumBackward0", "maximum", ops.maximum, input, other)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller one, broadcast, NaN where one is; equal ones share the gradient."""
    t.require_tensors("minimum", input, other)
    return binary("MinimumBackward0", "minimum", ops.minimum, input, other)


@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor: ...
def where(
    condition: Tensor, input: Tensor | Number | None = None, other: Tensor | Number | None = None
) -> Any:
    """Elements of input where condition holds, of other elsewhere, broadcast; of a condition alone where it holds, as
    nonzero(as_tuple=True) (torch.where)."""
    t.require_tensors("where", condition)
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if condition.dtype not in (bool_, u8):
        raise DTypeError(f"where: the condition must be bool, but it is {condition.type_text()}").at(here())
    x, y = operand_of("where", input), operand_of("where", other)
    x, y = (v if isinstance(v, t.Tensor) else _beside(v, w) for v, w in ((x, y), (y, x)))
    dtype = result_dtype(x, y)
    return t.apply(
        "WhereBackward0", lambda c, a, b: ops.where(truth(c), a, b), condition, to(x, dtype), to(y, dtype)
    )


def where_of(input: Tensor, condition: Tensor, other: Tensor | Number) -> Tensor:
    """where(condition, input, other): the method."""
    return where(condition, input, other)


def _beside(value: Number, other: Any) -> Tensor:
    """A number as a tensor of the dtype that it and the other one have together."""
    if not isinstance(other, t.Tensor):
        return as_tensor(value)
    dtype = result_dtype(other, value)
    return as_tensor(number_for(dtype, value), dtype)


def clamp(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
    """input limited to [min, max], numbers or tensors, broadcast; the gradient passes where min <= input <= max.

    The dtype is that of input promoted with the limits. Raises LenetcError without a limit, DTypeError for a number
    and a tensor that has dimensions.
    """
    t.require_tensors("clamp", input)
    limits = [None if limit is None else operand_of("clamp", limit) for limit in (min, max)]
    given = [limit for limit in limits if limit is not None]
    if not given:
        raise LenetcError("clamp: at least one of 'min' or 'max' must not be None").at(here())
    if len({isinstance(limit, t.Tensor) for limit in given}) == 2:
        if any(isinstance(limit, t.Tensor) and limit.ndim for limit in given):
            raise DTypeError("clamp: min and max must be two numbers or two tensors").at(here())
        # A tensor without dimensions stands for a number, as in PyTorch.
        limits = given = [as_tensor(limit) for limit in given]
    if isinstance(given[0], t.Tensor):
        return _between(input, *limits)
    return _within(input, *limits)


def _between(input: Tensor, low: Tensor | None, high: Tensor | None) -> Tensor:
    """input limited by tensors; NaN in any of them is NaN."""
    given = [input, *(limit for limit in (low, high) if limit is not None)]
    dtype = result_dtype_of(*given)
    if dtype is bool_:
        if low is None or high is None:
            return maximum(input, low) if low is not None else minimum(input, given[1])
        refuse_bools("clamp", input)

    def build(*nodes: Node) -> Node:
        x, *rest = (cast(node, dtype) for node in nodes)
        if low is not None:
            least = rest.pop(0)
            if rest and dtype.is_float:  # of two equal limits neither has the gradient
                least = ops.where(ops.less(least, rest[0]), least, ops.stop_gradient(least))
            x = ops.where(_yields(ops.less(x, least), least), least, x)
        if high is not None:
            most = rest.pop(0)
            x = ops.where(_yields(ops.greater(x, most), most), most, x)
        # NaN has no gradient.
        return ops.where(ops.equal(x, x), x, ops.stop_gradient(x)) if dtype.is_float else x

    return t.apply("ClampBackward0", build, *given)


def _yields(beyond: Node, limit: Node) -> Node:
    return ops.logical_or(beyond, ops.is_nan(limit)) if limit.dtype.is_float else beyond


def _within(x: Tensor, low: Number | None, high: Number | None) -> Tensor:
    dtype = x.dtype
    for limit in (low, high):
        dtype = dtype if limit is None else promoted(dtype, result_dtype(x, limit))
    dtype = i64 if dtype is bool_ else dtype
    low, high = (None if limit is None else element_for(dtype, limit) for limit in (low, high))

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


def clamp_min(input: Tensor, min: Tensor | Number) -> Tensor:
    """clamp with a lower limit; of bools the larger one."""
    if isinstance(min, t.Tensor) and result_dtype_of(input, min) is bool_:
        return maximum(input, min)
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Tensor | Number) -> Tensor:
    """clamp with an upper limit; of bools the smaller one."""
    if isinstance(max, t.Tensor) and result_dtype_of(input, max) is bool_:
        return minimum(input, max)
    return clamp(input, max=max)


clip = clamp


def _fmax(x: Node, y: Node) -> Node:
    if not x.dtype.is_float:
        return of_bools(ops.maximum)(x, y) if x.dtype is bool_ else ops.maximum(x, y)
    first = ops.logical_or(ops.logical_not(ops.less(x, y)), ops.is_nan(y))
    return ops.where(ops.logical_and(first, ops.logical_or(ops.equal(x, x), ops.is_nan(y))), x, y)


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger one, broadcast, and what is no NaN of two."""
    t.require_tensors("fmax", input, other)
    return binary("FmaxBackward0", "fmax", _fmax, input, other)


def _fmin(x: Node, y: Node) -> Node:
    if not x.dtype.is_float:
        return of_bools(ops.minimum)(x, y) if x.dtype is bool_ else ops.minimum(x, y)
    first = ops.logical_or(ops.logical_not(ops.greater(x, y)), ops.is_nan(y))
    return ops.where(ops.logical_and(first, ops.logical_or(ops.equal(x, x), ops.is_nan(y))), x, y)


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller one, broadcast, and what is no NaN of two."""
    t.require_tensors("fmin", input, other)
    return binary("FminBackward0", "fmin", _fmin, input, other)


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, `values` at 0, broadcast. Raises DTypeError for different dtypes."""
    t.require_tensors("heaviside", input, values)
    if input.dtype is not values.dtype:
        raise DTypeError(
            "heaviside: input and values must have one dtype, but they are "
            f"{input.type_text()} and {values.type_text()}"
        ).at(here())

    def build(x: Node, v: Node) -> Node:
        zero = ops.logical_not(x) if x.dtype is bool_ else ops.equal(x, 0)
        above = x if x.dtype is bool_ else ops.greater(x, 0)
        return ops.stop_gradient(ops.where(zero, v, cast(above, v.dtype)))

    return t.apply("", build, input, values)


def copysign(input: Tensor, other: Tensor | Number) -> Tensor:
    """The size of input with the sign of other, -0 included, broadcast; a float."""
    t.require_tensors("copysign", input)

    def build(x: Node, y: Node) -> Node:
        size = ops.abs(x)
        found = ops.where(is_negative(y), -size, size)
        zero = ops.equal(x, 0.0)
        slope = ops.where(zero, filled(0.0, x), found / ops.where(zero, filled(1.0, x), x))
        return graded(found, (x, slope), (y, filled(0.0, y)))

    return binary("CopysignBackward0", "copysign", build, input, other, to_float=True)


def signbit(input: Tensor) -> Tensor:
    """Whether an element has a minus sign, -0 included."""
    t.require_tensors("signbit", input)
    return ne(input, input) if input.dtype is bool_ else t.apply("", is_negative, input)


def nan_to_num(
    input: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """input with numbers for NaN and infinities: the largest and the smallest of its dtype, unless they are given."""
    t.require_tensors("nan_to_num", input)
    for name, value in (("nan", nan), ("posinf", posinf), ("neginf", neginf)):
        if value is not None:
            need_number("nan_to_num", name, value)

    def build(a: Node) -> Node:
        if not a.dtype.is_float:
            return a
        most = finfo(a.dtype).max
        a = ops.where(ops.is_nan(a), filled(0.0 if nan is None else nan, a), a)
        a = ops.where(ops.equal(a, math.inf), filled(most if posinf is None else posinf, a), a)
        return ops.where(ops.equal(a, -math.inf), filled(-most if neginf is None else neginf, a), a)

    return t.apply("NanToNumBackward0", build, input)
