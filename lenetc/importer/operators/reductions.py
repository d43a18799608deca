"""Sums, means, norms and extremes over axes.

Before opset 13 (ReduceSum) or 18 (the others) the axes are an attribute, then an input. None means all of them; with
`noop_with_empty_axes` none, so that only what is done to single elements happens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ir.types import bool_, f32
from lenetc.importer.registry import operator
from lenetc.importer.values import Host, Sizes, numbers
from lenetc.operations.creation import full
from lenetc.tensors.tensor import Tensor

Axes = tuple[int, ...]


def _given(axes_: Host | None, axes: Sequence[int] | None) -> list[int]:
    return [int(axis) for axis in (numbers(axes_) if axes_ is not None else axes or ())]


def _reduced(
    over: Callable[[Tensor, Axes, bool], Tensor],
    x: Tensor,
    axes: list[int],
    keepdims: int,
    noop: int,
    *,
    of_none: float | None = None,
) -> Tensor:
    """`over` of x and the axes. of_none: what it gives where there are no elements, if it does not know it."""
    if not x.ndim or (not axes and noop):  # over an axis of its own, as no axes would be all
        return over(x.unsqueeze(0), (0,), False)
    which = tuple(sorted(axis % x.ndim for axis in axes)) or tuple(range(x.ndim))
    if of_none is not None and any(x.shape[axis] == 0 for axis in which):
        sizes = [
            1 if axis in which else size for axis, size in enumerate(x.shape) if keepdims or axis not in which
        ]
        return _filled(sizes, of_none, x)
    return over(x, which, bool(keepdims))


def _filled(sizes: Sequence[Any], value: float, x: Tensor) -> Tensor:
    """`value`, or of the numbers of x's dtype that which is nearest to it."""
    if x.dtype is bool_:
        return full(sizes, value > 0, dtype=bool_)
    if not x.dtype.is_float and math.isinf(value):
        bounds = np.iinfo(str(x.dtype.numpy))
        return full(sizes, int(bounds.max if value > 0 else bounds.min), dtype=x.dtype)
    return full(sizes, value, dtype=x.dtype)


def _by_floats(over: Callable[[Tensor, Axes, bool], Tensor]) -> Callable[[Tensor, Axes, bool], Tensor]:
    """`over`, of integers computed with floats and cut off, as C's casts do."""

    def made(x: Tensor, axes: Axes, keepdim: bool) -> Tensor:
        wide = x if x.dtype.is_float else x.to(f32)
        return over(wide, axes, keepdim).to(x.dtype)

    return made


def _sum(x: Tensor, axes: Axes, keepdim: bool) -> Tensor:
    return x.sum(dim=axes, keepdim=keepdim, dtype=x.dtype)


def _product(x: Tensor, axes: Axes, keepdim: bool) -> Tensor:
    for axis in reversed(axes):
        x = x.prod(axis, keepdim=keepdim, dtype=x.dtype)
    return x


def _mean(x: Tensor, axes: Axes, keepdim: bool) -> Tensor:
    if x.dtype.is_float:
        return x.mean(dim=axes, keepdim=keepdim)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return x.sum(dim=axes, keepdim=keepdim).div(count, rounding_mode="trunc").to(x.dtype)


@operator
def ReduceSum(
    x: Tensor,
    axes_: Sizes | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    return _reduced(_sum, x, _given(axes_, axes), keepdims, noop_with_empty_axes)


@operator
def ReduceMean(
    x: Tensor,
    axes_: Sizes | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    """Of integers the quotient towards zero."""
    return _reduced(_mean, x, _given(axes_, axes), keepdims, noop_with_empty_axes)


@operator
def ReduceMax(
    x: Tensor,
    axes_: Sizes | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    """Equal extremes share the gradient."""
    given = _given(axes_, axes)
    return _reduced(Tensor.amax, x, given, keepdims, noop_with_empty_axes, of_none=-math.inf)


@operator
def ReduceMin(
    x: Tensor,
    axes_: Sizes | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    given = _given(axes_, axes)
    return _reduced(Tensor.amin, x, given, keepdims, noop_with_empty_axes, of_none=math.inf)


@operator
def ReduceProd(
    x: Tensor,
    axes_: Sizes | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    return _reduced(_product, x, _given(axes_, axes), keepdims, noop_with_empty_axes)


@operator
def ReduceL1(
    x: Tensor,
    axes_: Sizes | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    return _reduced(
        lambda x, axes, keepdim: _sum(x.abs(), axes, keepdim),
        x,
        _given(axes_, axes),
        keepdims,
        noop_with_empty_axes,
    )


@operator
def ReduceL2(
    x: Tensor,
    axes_: Sizes | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    """The gradient where all are zero is zero."""
    over = _by_floats(lambda x, axes, keepdim: x.norm(2, axes, keepdim))
    return _reduced(over, x, _given(axes_, axes), keepdims, noop_with_empty_axes)


@operator
def ReduceSumSquare(
    x: Tensor,
    axes_: Sizes | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    return _reduced(
        lambda x, axes, keepdim: _sum(x * x, axes, keepdim),
        x,
        _given(axes_, axes),
        keepdims,
        noop_with_empty_axes,
    )


@operator
def ReduceLogSum(
    x: Tensor,
    axes_: Sizes | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    over = _by_floats(lambda x, axes, keepdim: _sum(x, axes, keepdim).log())
    return _reduced(over, x, _given(axes_, axes), keepdims, noop_with_empty_axes)


@operator
def ReduceLogSumExp(
    x: Tensor,
    axes_: Sizes | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    over = _by_floats(lambda x, axes, keepdim: x.logsumexp(axes, keepdim))
    return _reduced(over, x, _given(axes_, axes), keepdims, noop_with_empty_axes)
