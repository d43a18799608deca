"""Pools: windows that slide over images, and whole images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import lenetc.nn.functional as F
from ir.dims import Dim, product
from ir.errors import ShapeError, UnsupportedError
from lenetc.importer.operators.windows.moves import around, paddings, spread
from lenetc.importer.registry import operator
from lenetc.operations import elementwise
from lenetc.operations.creation import arange, ones, ones_like
from lenetc.tensors.tensor import Tensor

_MAX: dict[int, Callable[..., Any]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


@dataclass(frozen=True)
class Pool:
    """How windows move. before, after: what the file adds to each axis; beyond: what the last window, which only has to
    begin inside of the image or of what is before it, sees behind that. is_ceil: whether the sizes are not known, so
    that this is left to PyTorch's pools, whose rule it is as well."""

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    before: list[int]
    after: list[int]
    beyond: list[int]
    is_ceil: bool

    @property
    def is_even(self) -> bool:
        """Whether PyTorch's pools take this padding."""
        total = [a + b for a, b in zip(self.after, self.beyond, strict=True)]
        return self.before == total and all(2 * p <= k for p, k in zip(self.before, self.kernel, strict=True))


def _pool(
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    auto_pad: str,
    pads: Sequence[int] | None,
    ceil_mode: int,
) -> Pool:
    rank = x.ndim - 2
    if rank not in _MAX:
        raise ShapeError(f"images have 1 to 3 axes, not {rank}: {x.type_text()}")
    kernel = spread(kernel, rank, "kernel_shape")
    strides, dilations = spread(strides, rank, "strides"), spread(dilations, rank, "dilations")
    sizes = x.shape[2:]
    before, after = paddings(auto_pad, pads, sizes, kernel, strides, dilations)
    beyond = [0] * rank
    is_ceil = bool(ceil_mode) and not auto_pad.startswith("SAME") and max(strides) > 1
    if is_ceil and all(isinstance(size, int) for size in sizes):
        each = zip(sizes, kernel, strides, dilations, before, after, strict=True)
        beyond = [_beyond(*axis) for axis in each]
        is_ceil = False
    if is_ceil and before != after:
        raise UnsupportedError(
            f"ceil_mode with pads {before} and {after} that differ needs images of sizes that are known, not "
            f"{x.type_text()}"
        )
    return Pool(kernel, strides, dilations, before, after, beyond, is_ceil)


def _beyond(size: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> int:
    span = (kernel - 1) * dilation + 1
    count = -(-(size + before + after - span) // stride) + 1
    if (count - 1) * stride >= size + before:
        count -= 1
    return max((count - 1) * stride + span - size - before - after, 0)


@operator
def MaxPool(
    x: Tensor,
    /,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    storage_order: int = 0,
    strides: Sequence[int] | None = None,
    count: int,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest element of each window, and its place in all of x, counted row by row, or with storage_order 1 column
    by column within each image."""
    how = _pool(x, kernel_shape, strides, dilations, auto_pad, pads, ceil_mode)
    sizes, rank = x.shape[2:], x.ndim - 2
    padding, before = how.before, [0] * rank
    if not how.is_even and not how.is_ceil:
        least = -math.inf if x.dtype.is_float else int(np.iinfo(str(x.dtype.numpy)).min)
        after = [a + b for a, b in zip(how.after, how.beyond, strict=True)]
        x, padding, before = F.pad(x, around(how.before, after), value=least), [0] * rank, how.before
    moves = (how.kernel, how.strides, padding, how.dilations, how.is_ceil)
    if count < 2:
        return _MAX[rank](x, *moves)  # type: ignore[no-any-return]
    y, places = _MAX[rank](x, *moves, return_indices=True)
    return y, _in_all(places, list(x.shape[2:]), before, list(sizes), storage_order)


def _in_all(
    places: Tensor, padded: Sequence[Dim], before: Sequence[int], sizes: Sequence[Dim], storage_order: int
) -> Tensor:
    """The places of an image [N,C,*padded] as those in [N,C,*sizes], which begins at `before` in it."""
    if storage_order or list(padded) != list(sizes):
        along = []
        for size, start in zip(reversed(padded), reversed(before), strict=True):
            rest = places // int(size)
            along.append(places - rest * int(size) - start)
            places = rest
        axes = list(zip(along, reversed(sizes), strict=True))  # the last first
        places = axes[-1][0]
        for at, size in axes[-2::-1] if not storage_order else ():
            places = places * int(size) + at
        if storage_order:
            step: Dim = sizes[0]
            for at, size in axes[-2::-1]:
                places, step = places + at * step, step * size
    n, c = places.shape[:2]
    images = arange(n * c).reshape([n, c, *[1] * len(sizes)])
    return images * product(tuple(sizes)) + places


@operator
def AveragePool(
    x: Tensor,
    /,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """The mean of each window. count_include_pad: whether the file's padding counts as elements; what a last window
    sees beyond it never does."""
    how = _pool(x, kernel_shape, strides, dilations, auto_pad, pads, ceil_mode)
    if max(how.dilations) == 1 and (how.is_ceil or (how.is_even and not any(how.beyond))):
        moves = (how.kernel, how.strides, how.before, how.is_ceil, bool(count_include_pad))
        return _MEAN[x.ndim - 2](x, *moves)
    if how.is_ceil:
        raise UnsupportedError(
            f"ceil_mode with dilations needs images of sizes that are known, not {x.type_text()}"
        )
    total = _means(
        F.pad(x, around(how.before, [a + b for a, b in zip(how.after, how.beyond, strict=True)])), how
    )
    counted = ones((1, 1, *x.shape[2:]), dtype=x.dtype)
    counted = F.pad(counted, around(how.before, how.after), value=float(bool(count_include_pad)))
    return total / _means(F.pad(counted, around([0] * len(how.beyond), how.beyond)), how)


def _means(x: Tensor, how: Pool) -> Tensor:
    """The mean of each window of a padded image."""
    if max(how.dilations) == 1:
        return _MEAN[x.ndim - 2](x, how.kernel, how.strides)
    for axis, (kernel, stride, dilation) in enumerate(
        zip(how.kernel, how.strides, how.dilations, strict=True), start=2
    ):
        count = (x.shape[axis] - (kernel - 1) * dilation - 1) // stride + 1
        taps = []
        for start in range(0, kernel * dilation, dilation):
            window = slice(start, start + (count - 1) * stride + 1, stride)
            taps.append(x[(slice(None),) * axis + (window,)])
        total = taps[0]
        for tap in taps[1:]:
            total = total + tap
        x = total / kernel
    return x


@operator
def LpPool(
    x: Tensor,
    /,
    *,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    p: float = 2,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """The p-norm of each window; its gradient where all are zero is zero."""
    how = _pool(x, kernel_shape, strides, dilations, auto_pad, pads, ceil_mode)
    if how.is_ceil:
        raise UnsupportedError(f"ceil_mode needs images of sizes that are known, not {x.type_text()}")
    after = [a + b for a, b in zip(how.after, how.beyond, strict=True)]
    powers = x * x if p == 2 else x.abs() ** p
    total = _means(F.pad(powers, around(how.before, after)), how) * float(math.prod(how.kernel))
    return _root(total, p)


def _root(total: Tensor, p: float) -> Tensor:
    none = total == 0
    return elementwise.where(none, total, elementwise.where(none, ones_like(total), total) ** (1 / p))


def _axes(x: Tensor) -> tuple[int, ...]:
    if x.ndim < 3:
        raise ShapeError(f"{x.type_text()} has no axes behind the channels")
    return tuple(range(2, x.ndim))


@operator
def GlobalAveragePool(x: Tensor, /) -> Tensor:
    return x.mean(dim=_axes(x), keepdim=True)


@operator
def GlobalMaxPool(x: Tensor, /) -> Tensor:
    return x.amax(_axes(x), keepdim=True)


@operator
def GlobalLpPool(x: Tensor, /, *, p: float = 2) -> Tensor:
    return x.norm(p, _axes(x), keepdim=True)
