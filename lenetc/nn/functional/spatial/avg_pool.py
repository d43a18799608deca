"""Means, and other norms, of windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.ops.windows import Window
from ir.types import Array, i64
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.spatial import integers
from lenetc.nn.functional.spatial.max_pool import (
    checked_window,
    is_whole,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    need_images,
)
from lenetc.nn.functional.spatial.sizes import (
    Sizes,
    image_attributes,
    over_batch,
    plane_and_depth_attributes,
    spread,
)
from lenetc.operations import elementwise, reductions
from lenetc.operations.autocast import autocasts
from lenetc.operations.out import with_out
from lenetc.tensors.arrays import index_of, need_number
from lenetc.tensors.tensor import Tensor, apply, require_tensors
from passes.autodiff import means

_NAMES = {1: "SqueezeBackward1", 2: "AvgPool2DBackward0", 3: "AvgPool3DBackward0"}


def averages(x: Node, how: dict[str, Any], divisor: int | None = None) -> Node:
    """The mean of each window over the axes behind x[N,C,...]; or the sum, divided by `divisor`."""
    if x.dtype is i64:
        counts = _counts([int(size) for size in x.shape[2:]], how) if divisor is None else np.asarray(divisor)
        return ops.div(_averaged(x, how, True), ops.literal(counts.astype(np.int64)))
    y = _averaged(means.widened(x), how, divisor is not None)
    return means.narrowed(y if divisor is None else y / float(divisor), x.dtype)


def _averaged(x: Node, how: dict[str, Any], is_sum: bool) -> Node:
    dims = x.rank - 2
    if dims == 3:  # the number of elements is a product, too
        n, c, depth, *image = x.shape
        planes, through = plane_and_depth_attributes(how)
        y = _averaged(ops.reshape(x, shape=(n, c * depth, *image)), planes, is_sum)
        height, width = y.shape[2:]
        y = _averaged(ops.reshape(y, shape=(n, c, depth, height * width)), through, is_sum)
        return ops.reshape(y, shape=(n, c, y.shape[2], height, width))
    if dims == 1:
        x, how = ops.reshape(x, shape=(*x.shape[:2], 1, x.shape[2])), image_attributes(how, 1)
    if x.dtype is i64:
        y = integers.sums(x, how)
    else:
        y = ops.avg_pool2d(x, **how)
        if is_sum:
            y = y * ops.literal(_counts([int(size) for size in x.shape[2:]], how), x.dtype)
    return y if dims == 2 else ops.reshape(y, shape=(*y.shape[:2], y.shape[3]))


def _counts(sizes: list[int], how: dict[str, Any]) -> Array:
    """How many elements each window counts, over axes of `sizes`."""
    counts = np.ones((), np.int64)
    for i, size in enumerate(sizes):
        moves = {"kernel": (how["kernel"][i], 1), "stride": (how["stride"][i], 1)}
        window = Window(**moves, padding=(how["padding"][i], 0), ceil_mode=how["ceil_mode"])
        counts = np.multiply.outer(counts, window.counts((size, 1), how["count_include_pad"])[:, 0])
    return counts


def _avg_pool(
    dims: int,
    input: Tensor,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    **window: Any,
) -> Tensor:
    what = f"avg_pool{dims}d"
    require_tensors(what, input)
    if dims == 1 and is_whole(input, window):
        return reductions.mean(input, -1, keepdim=True)
    how: dict[str, Any] = {
        **checked_window(what, dims, window),
        "ceil_mode": bool(ceil_mode),
        "count_include_pad": bool(count_include_pad),
    }
    if divisor_override is not None and index_of(f"{what}: divisor_override", divisor_override) == 0:
        raise LenetcError(f"{what}: the divisor must be not zero").at(here())
    batched = need_images(what, input, dims)
    if not input.dtype.is_float and input.dtype is not i64:
        raise DTypeError(
            f"{what} takes floating point tensors and i64, not {input.type_text()}; use .float()"
        ).at(here())
    if dims == 3 and any(
        isinstance(n, int) and n < k for n, k in zip(input.shape[-3:], how["kernel"], strict=True)
    ):
        raise ShapeError(
            f"avg_pool3d: the input {input.type_text()} is smaller than the kernel {how['kernel']}"
        ).at(here())
    build = over_batch(lambda x: averages(x, how, divisor_override), batched)
    return apply(_NAMES[dims], build, input)


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window: [N,C,L], or [C,L] -> [N,C,OL]; as avg_pool2d (torch.nn.functional.avg_pool1d)."""
    return _avg_pool(
        1,
        input,
        ceil_mode,
        count_include_pad,
        None,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
    )


@with_out
def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window: [N,C,H,W], or [C,H,W] -> [N,C,OH,OW] (torch.nn.functional.avg_pool2d).

    count_include_pad: whether padding counts as elements of value zero. divisor_override: what sums are divided by
    instead of the number of elements. Raises ShapeError where no window fits, LenetcError for a divisor of 0,
    DTypeError for integers.
    """
    return _avg_pool(
        2,
        input,
        ceil_mode,
        count_include_pad,
        divisor_override,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
    )


@autocasts
@with_out
def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window: [N,C,D,H,W], or [C,D,H,W] -> [N,C,OD,OH,OW]; as avg_pool2d
    (torch.nn.functional.avg_pool3d)."""
    return _avg_pool(
        3,
        input,
        ceil_mode,
        count_include_pad,
        divisor_override,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
    )


def _lp_pool(
    dims: int,
    input: Tensor,
    norm_type: int | float,
    kernel_size: Sizes,
    stride: Sizes | None,
    ceil_mode: bool,
) -> Tensor:
    what = f"lp_pool{dims}d"
    require_tensors(what, input)
    need_number(what, "norm_type", norm_type)
    if norm_type in (math.inf, -math.inf):
        largest = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}[dims]
        sign = 1 if norm_type > 0 else -1
        found: Tensor = largest(elementwise.abs(input) * sign, kernel_size, stride, ceil_mode=ceil_mode)
        return found * sign
    count = 1
    for size in spread(kernel_size, dims, "kernel_size"):
        count *= size
    mean = _avg_pool(
        dims,
        elementwise.pow(input, norm_type),
        ceil_mode,
        True,
        None,
        kernel_size=kernel_size,
        stride=stride,
        padding=0,
    )
    kept = elementwise.sign(mean) * elementwise.relu(elementwise.abs(mean))
    return elementwise.pow(kept * count, 1.0 / norm_type)


def lp_pool1d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm of each window of [N,C,L], or [C,L]; as lp_pool2d (torch.nn.functional.lp_pool1d)."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The sum of the elements to the power `norm_type` of each window of [N,C,H,W], or [C,H,W], to the power
    1 / norm_type; of an infinite one the largest, or smallest, absolute value (torch.nn.functional.lp_pool2d)."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: int | float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The norm of each window of [N,C,D,H,W], or [C,D,H,W]; as lp_pool2d (torch.nn.functional.lp_pool3d)."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
