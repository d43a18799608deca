"""Numbers in a row: arange, linspace, logspace."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ir import ops
from ir.dims import Dim, Poly
from ir.errors import LenetcError
from ir.node import Node
from ir.types import Array, DType, f32, f64, i64
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.operations import elementwise
from lenetc.operations.creation.arguments import checked, finished, of_out, sizes_of
from lenetc.tensors.convert import as_tensor as to_tensor
from lenetc.tensors.convert import operand_of
from lenetc.tensors.dtypes import get_default_dtype
from lenetc.tensors.tensor import Tensor, apply

__all__ = ["arange", "linspace", "logspace", "range"]


def _number(what: str, value: Any) -> Any:
    operand = operand_of(what, value)
    return operand.item() if isinstance(operand, Tensor) else operand


def _whole(kind: DType, *numbers: Any) -> Any:
    """The numbers as those that a range of `kind` is made of: integers for integers, as in PyTorch."""
    return numbers if kind.is_float else tuple(map(int, numbers))


def _checked_range(what: str, first: Any, last: Any, by: Any) -> None:
    if not all(math.isfinite(value) for value in (first, last, by)):
        raise LenetcError(f"{what}: from {first} to {last} by {by} there is no end of numbers").at(here())
    if by == 0:
        raise LenetcError(f"{what}: the step must not be zero").at(here())
    if (last - first) * by < 0:
        raise LenetcError(f"{what}: from {first} to {last} no step of {by} leads").at(here())


def _is_computed(*limits: Any) -> bool:
    """Whether a limit is a tensor whose value is not known, in a compiled function."""
    return Context.trace is not None and any(isinstance(limit, Tensor) for limit in limits)


def _between(start: Any, end: Any, count: int, kind: DType) -> Tensor:
    """Numbers at equal distances in f64: counted from the nearer end, so that both are met."""
    first, last = (to_tensor(_whole_tensor(kind, limit), f64).to(f64) for limit in (start, end))
    step = (last - first) / max(count - 1, 1)
    index = Tensor._from_array(np.arange(count, dtype=np.float64))
    return elementwise.where(
        elementwise.lt(index, count / 2), first + index * step, last - (count - 1 - index) * step
    )


def _whole_tensor(kind: DType, limit: Any) -> Any:
    if isinstance(limit, Tensor):
        return limit.detach() if kind.is_float else limit.detach().to(i64)
    return limit if kind.is_float else int(limit)


def arange(
    *limits: Any,
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """start, start + step, ... before end: arange(end), arange(start, end) or arange(start, end, step).

    i64, or the default dtype where one of them is a float. Raises LenetcError for a step of 0, and for one
    that leads away.
    """
    if len(limits) == 1 and end is None:
        (end,) = limits
    elif limits:
        start, end, step = (*limits, *(end, step)[len(limits) - 1 :])
    if any(isinstance(limit, Poly) for limit in (start, end, step)):
        kind = checked("arange", of_out(dtype, out, i64))
        made = _symbolic(start, end, step).to(kind)
        return finished("arange", made, requires_grad, device, out, idle)
    first, last, by = (_number("arange", limit) for limit in (start, end, step))
    _checked_range("arange", first, last, by)
    has_float = any(isinstance(value, float) for value in (first, last, by))
    kind = checked("arange", of_out(dtype, out, get_default_dtype() if has_float else i64))
    if kind is i64:
        first, last, by = _whole(kind, first, last, by)
        _checked_range("arange", first, last, by)
    # Of other integers too by the numbers as they were given.
    count = math.ceil((last - first) / by) if has_float and kind is not i64 else -((first - last) // by)
    if kind.kind == "int":
        first, by = _whole(kind, first, by)
    with np.errstate(over="ignore"):  # halves take infinity
        made = Tensor._from_array((first + np.arange(count) * by).astype(kind.numpy)).to(kind)
    return finished("arange", made, requires_grad, device, out, idle)


def _symbolic(first: Dim, last: Dim, by: Dim) -> Tensor:
    """arange for sizes that are not known, i64. Raises SymbolicDimError where its length is no size."""
    length = last - first
    if by == 0 or not (length >= 0 if by > 0 else length <= 0):
        raise LenetcError(f"arange: from {first} to {last} no step of {by} leads").at(here())
    count = length if by == 1 else length // by

    def build() -> Node:
        number: Node = ops.iota(size=count)
        number = number if by == 1 else number * ops.dim(size=by)
        return number if first == 0 else number + ops.dim(size=first)

    return apply("", build)


def range(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """start, start + step, ... up to end, which is among them where a step meets it. PyTorch will drop it."""
    if end is None:
        start, end = 0, start
    first, last, by = (_number("range", limit) for limit in (start, end, step))
    _checked_range("range", first, last, by)
    kind = checked("range", of_out(dtype, out, get_default_dtype()))
    count = math.floor((last - first) / by) + 1
    made = Tensor._from_array((first + np.arange(count) * by).astype(kind.numpy)).to(kind)
    return finished("range", made, requires_grad, device, out, idle)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """`steps` numbers from start to end, both included, at equal distances."""
    (count,) = sizes_of("linspace", (steps,))
    kind = checked("linspace", of_out(dtype, out, get_default_dtype()))
    if _is_computed(start, end):
        made = _between(start, end, int(count), kind).to(kind)
        return finished("linspace", made, requires_grad, device, out, idle)
    first, last = (float(_number("linspace", limit)) for limit in (start, end))
    first, last = _whole(kind, first, last)
    made = Tensor._from_array(evenly(first, last, int(count), kind)).to(kind)
    return finished("linspace", made, requires_grad, device, out, idle)


def evenly(first: float, last: float, count: int, dtype: DType) -> Array:
    """`count` numbers from first to last, in f32 and f64 rounded as PyTorch's: by a rounded step, from both ends, each
    multiplied and added in one rounding."""
    kind = dtype.numpy.type
    if dtype not in (f32, f64) or count < 2:
        with np.errstate(over="ignore"):  # halves take infinity
            return np.linspace(first, last, count).astype(kind)
    first, last = float(kind(first)), float(kind(last))
    i, step = np.arange(count), float(kind(last - first) / kind(count - 1))
    return np.where(i < count // 2, first + step * i, last - step * i[::-1]).astype(kind)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    **idle: Any,
) -> Tensor:
    """`base` to the power of `steps` numbers from start to end at equal distances."""
    (count,) = sizes_of("logspace", (steps,))
    kind = checked("logspace", of_out(dtype, out, get_default_dtype()))
    if _is_computed(start, end):
        made = elementwise.pow(float(base), _between(start, end, int(count), kind)).to(kind)
        return finished("logspace", made, requires_grad, device, out, idle)
    first, last = (float(_number("logspace", limit)) for limit in (start, end))
    first, last = _whole(kind, first, last)
    powers = np.linspace(first, last, int(count))
    with np.errstate(all="ignore"):
        made = Tensor._from_array(np.power(float(base), powers).astype(kind.numpy)).to(kind)
    return finished("logspace", made, requires_grad, device, out, idle)
