"""Sorting, and what is found by order: PyTorch's functions of the same names.

Sorting is stable, and NaN is the largest number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim
from ir.errors import BoundsError, DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.types import bool_, i32, i64, u8
from lenetc.evaluation.tracing import here
from lenetc.operations import elementwise, indexing, shaping
from lenetc.operations.data_dependent import looked_at
from lenetc.tensors.arrays import axis_of, index_of
from lenetc.tensors.convert import as_tensor, operand_of, result_dtype

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "argsort",
    "bucketize",
    "isin",
    "kthvalue",
    "msort",
    "searchsorted",
    "sort",
    "topk",
    "unique",
    "unique_consecutive",
]


class Sorted(NamedTuple):
    """Elements in an order, and where they were (torch.return_types.sort, topk, kthvalue)."""

    values: Tensor
    indices: Tensor


def _places(x: Tensor, axis: int, count: Dim, descending: bool) -> Tensor:
    """Where the first `count` elements in order are along `axis`, i64."""

    def build(a: Node) -> Node:
        if not a.rank:
            return ops.iota(size=1) if count == 0 else ops.reshape(ops.iota(size=1), shape=())
        a = ops.cast(a, dtype=u8) if a.dtype is bool_ else a
        return ops.argsort(a, axis=axis, count=count, descending=descending)

    return t.apply("", build, x.detach())


def _sorted(name: str, x: Tensor, axis: int, count: Dim, descending: bool) -> Sorted:
    places = _places(x, axis, count, descending)
    if not x.ndim:
        return Sorted(t.apply(name, lambda a: a, x), places)
    return Sorted(t.apply(name, lambda a, i: ops.take_along_axis(a, i, axis=axis), x, places), places)


def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Sorted:
    """(values, indices): the elements in order along `dim`, and where each was (torch.sort). It is always stable."""
    t.require_tensors("sort", input)
    axis = axis_of(dim, input.ndim, "sort")
    return _sorted("SortBackward0", input, axis, input.shape[axis] if input.ndim else 1, bool(descending))


def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """Where the elements in order along `dim` are, i64 of the input's shape (torch.argsort)."""
    t.require_tensors("argsort", input)
    axis = axis_of(dim, input.ndim, "argsort")
    return _places(input, axis, input.shape[axis] if input.ndim else 1, bool(descending))


def msort(input: Tensor) -> Tensor:
    """The elements in order along the first dimension (torch.msort)."""
    return sort(input, 0).values


def _in_range(what: str, input: Tensor, dim: int, axis: int, k: Any, least: int) -> int:
    """k as an int. Raises BoundsError where there are not as many elements along the axis."""
    number: int = index_of(f"{what}: k", k)
    size = input.shape[axis] if input.ndim else 1
    if number < least or (isinstance(size, int) and number > size):
        raise BoundsError(
            f"{what}: k {number} is out of range for dimension {dim} of {input.type_text()}"
        ).at(here())
    return number


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Sorted:
    """(values, indices) of the `k` largest elements along `dim`, or of the smallest (torch.topk). They are in order.

    Raises BoundsError for a k that is negative or larger than the dimension.
    """
    t.require_tensors("topk", input)
    axis = axis_of(dim, input.ndim, "topk")
    k = _in_range("topk", input, dim, axis, k, 0)
    return _sorted("TopkBackward0", input, axis, k, bool(largest))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Sorted:
    """(values, indices) of the `k`-th smallest element along `dim`, counted from 1 (torch.kthvalue).

    Raises BoundsError for a k that is not in 1..size of the dimension.
    """
    t.require_tensors("kthvalue", input)
    axis = axis_of(dim, input.ndim, "kthvalue")
    k = _in_range("kthvalue", input, dim, axis, k, 1)
    if not input.ndim:
        return _sorted("KthvalueBackward0", input, axis, 1, False)
    indices = _places(input, axis, k, False)[(slice(None),) * axis + (slice(k - 1, k),)]
    values = t.apply("KthvalueBackward0", lambda a, i: ops.take_along_axis(a, i, axis=axis), input, indices)
    return Sorted(values, indices) if keepdim else Sorted(values.squeeze(axis), indices.squeeze(axis))


# What occurs.


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements, or slices along `dim`, in order; then where each element of the input stands among them,
    and how often each occurs, as far as asked for (torch.unique). Every NaN is one of its own.

    Raises UnsupportedError in a compiled function: the shape depends on values.
    """
    t.require_tensors("unique", input)
    axis = None if dim is None else axis_of(dim, input.ndim, "unique")
    array = looked_at("unique", input)
    if axis is not None and not array.ndim:
        axis = None
    values, inverse, counts = np.unique(
        array, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(array.shape if axis is None else -1)
    return _occurring(input, values, inverse if return_inverse else None, counts if return_counts else None)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The first of each run of equal elements, or slices along `dim`; the rest as in `unique`."""
    t.require_tensors("unique_consecutive", input)
    array = looked_at("unique_consecutive", input)
    axis = None if dim is None or not array.ndim else axis_of(dim, input.ndim, "unique_consecutive")
    along = array.reshape(-1) if axis is None else np.moveaxis(array, axis, 0)
    differs = (along[1:] != along[:-1]).any(tuple(range(1, along.ndim)))
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(along), 1), np.bool_), differs]))
    inverse = np.cumsum(np.concatenate([np.zeros(min(len(along), 1), np.int64), differs]), dtype=np.int64)
    counts = np.diff(np.append(starts, len(along)))
    values = along[starts] if axis is None else np.moveaxis(along[starts], 0, axis)
    inverse = inverse.reshape(array.shape) if axis is None else inverse
    return _occurring(input, values, inverse if return_inverse else None, counts if return_counts else None)


def _occurring(x: Tensor, values: Any, *others: Any) -> Any:
    """`values` as a tensor of x's dtype; with those of `others` that are there, a tuple."""
    found = t.Tensor._from_array(values)
    found = found if found.dtype is x.dtype else found.to(x.dtype)
    more = [t.Tensor._from_array(other.astype(np.int64)) for other in others if other is not None]
    return (found, *more) if more else found


# Where something belongs.


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | Number,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each element of `input` would be put into `sorted_sequence` along its last dimension to keep it sorted:
    before those that are equal, or behind them if `right` (torch.searchsorted). A sequence [..., D] goes with an input
    [..., M], one [D] with any.

    sorter: the order of a sequence that is not sorted, as argsort gives it. Raises ShapeError where leading dimensions
    differ.
    """
    t.require_tensors("searchsorted", sorted_sequence, optional=[sorter])
    value = operand_of("searchsorted", input)
    if side not in (None, "left", "right"):
        raise LenetcError(f"searchsorted: side is 'left' or 'right', not {side!r}").at(here())
    if side == "left" and right:
        raise LenetcError("searchsorted: side 'left' and right=True contradict each other").at(here())
    dtype = result_dtype(sorted_sequence, value)
    value = value.to(dtype) if isinstance(value, t.Tensor) else as_tensor(value, dtype)
    sorted_sequence = sorted_sequence.to(dtype)
    if sorter is not None:
        if sorter.dtype is not i64 or sorter.shape != sorted_sequence.shape:
            raise ShapeError(
                f"searchsorted: the sorter must be i64 of the shape of {sorted_sequence.type_text()}, but it is "
                f"{sorter.type_text()}"
            ).at(here())
        sorted_sequence = indexing.gather(sorted_sequence, -1, sorter)
    rank = sorted_sequence.ndim
    if rank == 0:
        raise ShapeError("searchsorted: the sequence must have at least one dimension").at(here())
    if rank > 1 and (value.ndim != rank or value.shape[:-1] != sorted_sequence.shape[:-1]):
        raise ShapeError(
            "searchsorted: the sequence must be a vector, or its dimensions but the last those of the input, but they "
            f"are {sorted_sequence.type_text()} and {value.type_text()}"
        ).at(here())
    is_right = bool(right) or side == "right"
    places = t.apply("", lambda s, v: _belongs(s, v, is_right), sorted_sequence.detach(), value.detach())
    return places.to(i32) if out_int32 else places


def _belongs(sequence: Node, values: Node, right: bool) -> Node:
    """By halves: as many steps as the size of the last axis has bits."""
    axis = sequence.rank - 1
    size = int(sequence.shape[axis])
    low = ops.broadcast_to(ops.scalar(0, i64), shape=values.shape)
    high = ops.broadcast_to(ops.scalar(size, i64), shape=values.shape)
    for _ in range(size.bit_length()):
        middle = ops.div(low + high, 2)
        at = ops.minimum(middle, size - 1)  # where low is high already
        found = (
            ops.gather(sequence, at, axis=0) if axis == 0 else ops.take_along_axis(sequence, at, axis=axis)
        )
        before = _is_before(found, values, right)
        is_open = ops.less(low, high)
        low = ops.where(ops.logical_and(is_open, before), middle + 1, low)
        high = ops.where(ops.logical_and(is_open, ops.logical_not(before)), middle, high)
    return low


def _is_before(found: Node, values: Node, right: bool) -> Node:
    """Whether `values` belong behind `found`: not found >= value, or not found > value; NaN is behind everything."""
    if found.dtype is bool_:
        found, values = ops.cast(found, dtype=u8), ops.cast(values, dtype=u8)
    reached = ops.greater(found, values)
    if not right:
        reached = ops.logical_or(reached, ops.equal(found, values))
    return ops.logical_not(reached)


def bucketize(
    input: Tensor | Number, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Which of the intervals between `boundaries` [D] each element lies in, 0 to D (torch.bucketize)."""
    t.require_tensors("bucketize", boundaries)
    if boundaries.ndim != 1:
        raise ShapeError(f"bucketize: the boundaries must be a vector, but are {boundaries.type_text()}").at(
            here()
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def isin(
    elements: Tensor | Number,
    test_elements: Tensor | Number,
    *,
    assume_unique: bool = False,
    invert: bool = False,
) -> Tensor:
    """Whether each of `elements` is among `test_elements`, bool (torch.isin); whether it is not if `invert`."""
    x, tests = operand_of("isin", elements), operand_of("isin", test_elements)
    if not isinstance(x, t.Tensor) and not isinstance(tests, t.Tensor):
        raise DTypeError("isin takes at least one tensor, not two numbers").at(here())
    for operand in (x, tests):
        if isinstance(operand, t.Tensor) and operand.dtype is bool_:
            raise DTypeError(f"isin does not take bools, {operand.type_text()}").at(here())
    dtype = result_dtype(x, tests) if isinstance(x, t.Tensor) else result_dtype(tests, x)
    x, tests = (v.detach().to(dtype) if isinstance(v, t.Tensor) else as_tensor(v, dtype) for v in (x, tests))
    count = tests.numel()
    if count == 0:
        found = elementwise.ne(x, x) if not dtype.is_float else elementwise.lt(x, -np.inf)
    else:
        among = sort(shaping.reshape(tests, count)).values
        place = elementwise.clamp(searchsorted(among, x), max=int(count) - 1)
        found = elementwise.eq(among[place], x)
    return elementwise.logical_not(found) if invert else found
