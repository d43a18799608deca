"""What is found by order: medians, quantiles, the most frequent element."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, LenetcError
from ir.node import Node
from ir.op import scalar
from ir.types import bool_, f32, f64, i64, u8
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.operations import shaping
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise import ceil, floor, isnan, lerp, round, where
from lenetc.operations.elementwise.operands import cast
from lenetc.operations.reductions.comparisons import any
from lenetc.operations.reductions.cumulative import cummax
from lenetc.operations.reductions.dims import axis_in, need_dim, need_elements, numpy_names
from lenetc.operations.reductions.extremes import Extreme, argmax, masked, picked
from lenetc.operations.reductions.sums import sum
from lenetc.operations.sorting import argsort, sort
from lenetc.tensors.convert import as_tensor
from passes.autodiff import means

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["median", "mode", "nanmedian", "nanquantile", "quantile"]


@numpy_names
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element in order, the lower of two, NaN if one is: of all, or (values, indices) along a dim.

    Elements that equal the median of all share its gradient.
    """
    return _median("median", input, dim, keepdim)


@numpy_names
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of what is not NaN, as `median`; NaN where there is nothing else."""
    return _median("nanmedian", input, dim, keepdim)


def _median(what: str, x: Tensor, dim: int | None, keepdim: bool) -> Any:
    t.require_tensors(what, x)
    need_dim(what, dim, keepdim)
    if x.dtype is bool_:
        raise DTypeError(f"{what}: not implemented for bool, {x.type_text()}; use .to(lenetc.uint8)").at(
            here()
        )
    name = f"{what.capitalize()}Backward{0 if dim is None else 1}"
    if dim is None:
        flat = shaping.reshape(x.detach(), -1)
        if x.dtype.is_float and 0 in x.shape:
            return t.apply(name, lambda a: ops.sum(a, axes=tuple(range(a.rank))) * math.nan, x)
        need_elements(what, flat, (0,))
        value = picked("", flat, _middle(what, flat, 0), 0, False).values
        return t.apply(name, _shared, x, value) if x.dtype.is_float else value
    axis = axis_in(x, dim, what)
    if x.ndim:
        need_elements(what, x, (axis,))
    return picked(name, x, _middle(what, x.detach(), axis), axis, keepdim)


def _middle(what: str, x: Tensor, axis: int) -> Tensor:
    """Where the median along `axis` is, of size 1 there; of a scalar 0."""
    if not x.ndim:
        return t.apply("", lambda a: scalar(0, i64), x)
    places = argsort(x, axis)
    last = int(x.shape[axis]) - 1
    middle = places[(slice(None),) * axis + (slice(last // 2, last // 2 + 1),)]
    if not x.dtype.is_float:
        return middle
    missing = isnan(x)
    if what == "nanmedian":
        return places.gather(axis, (last - sum(missing, axis, True)).clamp(min=0) // 2)
    return where(any(missing, axis, True), argmax(x, axis, True), middle)


def _shared(a: Node, value: Node) -> Node:
    """`value`, one of the elements of a, with a gradient that those equal to it share."""
    equal = ops.logical_or(ops.equal(a, value), ops.logical_and(ops.is_nan(a), ops.is_nan(value)))
    wide = means.widened(masked(equal, a))
    axes = tuple(range(a.rank))
    mean = ops.sum(wide, axes=axes) / ops.sum(cast(equal, wide.dtype), axes=axes)
    return ops.with_gradient(value, means.narrowed(mean, a.dtype))


@numpy_names
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Extreme:
    """(values, indices): the most frequent element along `dim`, the smallest of several, and where it last is."""
    t.require_tensors("mode", input)
    axis = axis_in(input, dim, "mode")
    if not input.ndim:
        return picked("ModeBackward0", input, t.apply("", lambda a: scalar(0, i64), input), 0, keepdim)
    need_elements("mode", input, (axis,))
    x = input.detach()
    found = sort(x.to(u8) if x.dtype is bool_ else x, axis)

    def starts(a: Node) -> Node:
        """At each element in order its place if it differs from the one before it, else 0."""
        size = a.shape[axis]
        places = ops.reshape(
            ops.iota(size=size), shape=tuple(size if i == axis else 1 for i in range(a.rank))
        )
        before = ops.gather(a, ops.maximum(ops.iota(size=size) - 1, 0), axis=axis)
        return ops.where(ops.equal(a, before), scalar(0, i64), places)

    first = cummax(t.apply("", starts, found.values), axis).values
    size = [x.shape[axis] if i == axis else 1 for i in range(x.ndim)]
    places = t.apply("", lambda a: ops.reshape(ops.iota(size=a.shape[axis]), shape=tuple(size)), x)
    longest = argmax(places - first, axis, True)
    return picked("ModeBackward0", input, found.indices.gather(axis, longest), axis, keepdim)


@autocasts
@numpy_names
def quantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The elements that a share q of all others is below, along `dim` (all if None); NaN where one is.

    q: a number in [0, 1], or a vector of such, which is the first dimension of the result then. interpolation: between
    two elements "linear", "lower", "higher", "midpoint" or "nearest". Raises DTypeError for dtypes other than f32 and
    f64, LenetcError for a q outside of [0, 1] and another interpolation, ShapeError where there are no elements.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


@autocasts
@numpy_names
def nanquantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The quantile of what is not NaN, as `quantile`; NaN where there is nothing else."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


def _quantile(
    what: str, x: Tensor, q: float | Tensor, dim: int | None, keepdim: bool, interpolation: str
) -> Tensor:
    t.require_tensors(what, x)
    if x.dtype not in (f32, f64):
        raise DTypeError(f"{what}() input tensor must be either f32 or f64, but it is {x.type_text()}").at(
            here()
        )
    shares = q if isinstance(q, t.Tensor) else as_tensor(q, x.dtype)
    if shares.ndim > 1 or shares.dtype is not x.dtype:
        raise DTypeError(
            f"{what}() q must be a number or a vector of {x.dtype}, but it is {shares.type_text()}"
        ).at(here())
    known = Context.trace is None or not isinstance(q, t.Tensor)
    outside = known and bool(any((q < 0) | (q > 1)) if isinstance(q, t.Tensor) else not 0 <= q <= 1)
    if outside:
        raise LenetcError(f"{what}() q must be in the range [0, 1], but it is {q}").at(here())
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise LenetcError(
            f"{what}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        ).at(here())
    axis = None if dim is None else axis_in(x, dim, what)
    kept = [1 if axis in (None, i) else n for i, n in enumerate(x.shape)]
    if axis is None or not x.ndim:
        rows = shaping.reshape(x, -1)
    else:
        rows = shaping.permute(x, *[i for i in range(x.ndim) if i != axis], axis)
    need_elements(what, rows, (rows.ndim - 1,))
    missing = isnan(rows.detach())
    last = as_tensor(rows.shape[-1] - 1)
    shares = shares.reshape(-1)
    if what == "nanquantile":
        ranks = shares * (last - sum(missing, -1, True)).clamp(min=0).to(x.dtype)
    else:
        ranks = where(any(missing, -1, True), last.to(x.dtype), shares * last.to(x.dtype))
    ordered = sort(rows, -1).values
    found = _between(ordered, ranks, interpolation)  # [..., q]
    found = shaping.permute(found, found.ndim - 1, *range(found.ndim - 1))
    shape = kept if keepdim else [n for i, n in enumerate(x.shape) if i != axis and axis is not None]
    return found.reshape([*(q.shape if isinstance(q, t.Tensor) else ()), *shape])


def _between(ordered: Tensor, ranks: Tensor, interpolation: str) -> Tensor:
    """The elements of `ordered` at `ranks` along the last dimension, or between two."""
    below, above = (round(ranks),) * 2 if interpolation == "nearest" else (floor(ranks), ceil(ranks))
    low = ordered.gather(-1, below.detach().long())
    if interpolation in ("lower", "nearest"):
        return low
    high = ordered.gather(-1, above.detach().long())
    if interpolation == "higher":
        return high
    if interpolation == "midpoint":
        return lerp(low, high, 0.5)
    return lerp(low, high, ranks - below.detach())
