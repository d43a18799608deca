"""Sums, means and products."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import product
from ir.errors import ShapeError
from ir.node import Node
from ir.op import scalar
from ir.types import DType, bool_, f32, i64, u8
from lenetc.evaluation.tracing import here
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import cast
from lenetc.operations.reductions.comparisons import all, any
from lenetc.operations.reductions.dims import (
    Axes,
    axes_of,
    axis_in,
    cut,
    need_dim,
    need_float,
    numpy_names,
    without,
)
from lenetc.operations.shaping.viewing import given, whole
from lenetc.tensors.dtypes import need_dtype
from passes.autodiff import means

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["logsumexp", "mean", "nanmean", "nansum", "prod", "sum"]


@autocasts
@numpy_names
def sum(input: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Sum over `dim` (all if None), as `dtype`. Integers and bools are summed as i64, halves in f32."""
    dtype = None if dtype is None else need_dtype("sum", dtype)
    t.require_tensors("sum", input)
    if dtype is bool_:
        return any(input.to(bool_), dim or None, keepdim)
    axes = axes_of(input, dim, "sum")
    target = dtype or (input.dtype if input.dtype.is_float else i64)
    name = "SumBackward0" if dim is None else "SumBackward1"
    return t.apply(name, lambda a: total(cast(a, target), axes, keepdim), input, saves=False)


def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """Summed over what broadcasting from `size` would repeat (torch.Tensor.sum_to_size). Raises ShapeError where a
    tensor of that size does not broadcast to this one."""
    t.require_tensors("sum_to_size", input)
    wanted = tuple(whole("sum_to_size", given("sum_to_size", size, None)))
    added = input.ndim - len(wanted)
    if added < 0 or [w for w, s in zip(wanted, input.shape[added:], strict=True) if w not in (1, s)]:
        raise ShapeError(f"sum_to_size: size {list(wanted)} is not expandable to {input.type_text()}").at(
            here()
        )
    repeated = [added + i for i, w in enumerate(wanted) if w == 1 and input.shape[added + i] != 1]
    axes = (*range(added), *repeated)
    return sum(input, axes, True).reshape(wanted) if axes else input


def total(a: Node, axes: tuple[int, ...], keepdim: bool = False) -> Node:
    """The sum in a's dtype: of halves computed in f32, of narrow integers in i64, wrapped around by hand."""
    bits = 8 * a.dtype.itemsize
    if a.dtype.is_float or bits >= 32:
        return cast(ops.sum(means.widened(a), axes=axes, keepdims=keepdim), a.dtype)
    least = 0 if a.dtype is u8 else -(1 << (bits - 1))
    added = ops.sum(cast(a, i64), axes=axes, keepdims=keepdim)
    return cast(ops.mod(added - least, 1 << bits) + least, a.dtype)


@numpy_names
def nansum(input: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The sum of what is not NaN, as `sum`."""
    dtype = None if dtype is None else need_dtype("nansum", dtype)
    t.require_tensors("nansum", input)
    if not input.dtype.is_float:
        return sum(input, dim, keepdim, dtype=dtype)
    axes = axes_of(input, dim, "nansum")
    target = dtype or input.dtype

    def build(a: Node) -> Node:
        return total(cast(_numbers(a, ops.is_nan(a)), target), axes, keepdim)

    return t.apply("NansumBackward0", build, input)


def _numbers(a: Node, missing: Node) -> Node:
    """a with 0 where it is NaN, and a gradient of 0 times what arrives there, as PyTorch's."""
    present = ops.cast(ops.logical_not(missing), dtype=a.dtype)
    return ops.with_gradient(ops.where(missing, scalar(0, a.dtype), a), a * present)


@autocasts
@numpy_names
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Product over `dim` (all if None), as `dtype`. Integers and bools are multiplied as i64.

    Raises SymbolicDimError for a dimension whose size is not known.
    """
    dtype = None if dtype is None else need_dtype("prod", dtype)
    t.require_tensors("prod", input)
    need_dim("prod", dim, keepdim)
    target = dtype or (input.dtype if input.dtype.is_float else i64)
    if target is bool_:
        return all(input.to(bool_), dim, keepdim)
    axes = tuple(range(input.ndim)) if dim is None else (axis_in(input, dim, "prod"),)
    axes = axes if input.ndim else ()

    def build(a: Node) -> Node:
        kept = [axis for axis in range(a.rank) if axis not in axes]
        count = int(product(tuple(a.shape[axis] for axis in axes)))
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(a.shape))
        a = means.widened(cast(a, target))
        rows = ops.reshape(ops.transpose(a, perm=(*axes, *kept)), shape=(count, *(a.shape[i] for i in kept)))
        made = cast(product_of_rows(rows, count), target)
        return ops.reshape(made, shape=shape if keepdim else made.shape[1:])

    return t.apply("ProdBackward0" if dim is None else "ProdBackward1", build, input)


def product_of_rows(rows: Node, count: int) -> Node:
    """One row, the product of all: half of them times the other half, so that no gradient divides by an element."""
    if not count:  # their sum, 0, keeps the gradient
        return ops.sum(rows, axes=(0,), keepdims=True) + scalar(1, rows.dtype)
    while count > 1:
        half, rest = divmod(count, 2)
        paired = cut(rows, 0, 0, half) * cut(rows, 0, half, 2 * half)
        rows = ops.concat(paired, cut(rows, 0, 2 * half, count), axis=0) if rest else paired
        count = half + rest
    return rows


@numpy_names
def mean(input: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """Mean over `dim` (all if None), of x as `dtype`. Raises DTypeError for a dtype that is not float."""
    t.require_tensors("mean", input)
    x = input if dtype is None else input.to(dtype)
    need_float("mean", x)
    axes = axes_of(x, dim, "mean")
    name = "MeanBackward0" if dim is None else "MeanBackward1"
    return t.apply(name, lambda a: means.mean(a, axes, keepdim), x, saves=False)


@numpy_names
def nanmean(input: Tensor, dim: Axes = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The mean of what is not NaN; NaN where there is nothing else. Raises DTypeError as `mean`."""
    need_float("nanmean", input)
    axes = axes_of(input, dim, "nanmean")
    target = dtype or input.dtype

    def build(a: Node) -> Node:
        missing = ops.is_nan(a)
        numbers = means.widened(cast(_numbers(a, missing), target))
        count = ops.sum(cast(ops.logical_not(missing), numbers.dtype), axes=axes, keepdims=keepdim)
        return means.narrowed(ops.sum(numbers, axes=axes, keepdims=keepdim) / count, target)

    return t.apply("NanmeanBackward0", build, input)


@autocasts
@numpy_names
def logsumexp(input: Tensor, dim: Axes, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) over `dim`, which overflows nowhere; of integers in f32."""
    t.require_tensors("logsumexp", input)
    axes = axes_of(input, dim, "logsumexp")

    def build(a: Node) -> Node:
        target = a.dtype if a.dtype.is_float else f32
        a = means.widened(cast(a, target))
        if _is_empty(a, axes):
            return cast(ops.log(ops.sum(a, axes=axes, keepdims=keepdim)), target)
        largest = ops.stop_gradient(ops.reduce_max(a, axes=axes, keepdims=True))
        largest = ops.where(ops.equal(ops.abs(largest), math.inf), scalar(0, a.dtype), largest)
        found = ops.log(ops.sum(ops.exp(a - largest), axes=axes, keepdims=keepdim))
        back = largest if keepdim else ops.reshape(largest, shape=without(a.shape, axes))
        return cast(found + back, target)

    return t.apply("LogsumexpBackward0", build, input)


def _is_empty(a: Node, axes: tuple[int, ...]) -> bool:
    """Whether there are no elements along `axes`."""
    return 0 in [a.shape[axis] for axis in axes]
