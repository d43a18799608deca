"""Images read between pixels, and regions of them."""

from __future__ import annotations

import itertools
import math

from ir.dims import Dim
from ir.errors import UnsupportedError
from ir.types import i64
from lenetc.importer.registry import operator
from lenetc.importer.values import Buffer, to_host
from lenetc.operations import elementwise
from lenetc.operations.creation import arange, full
from lenetc.operations.shaping import stack
from lenetc.tensors.tensor import Tensor


def corners(
    images: Tensor, rows: Tensor, columns: Tensor, which: Tensor | None = None
) -> list[tuple[Tensor, Tensor]]:
    """The four pixels around each place of images[N,C,H,W]: their values [C,M*L], and their weights [M*L] for linear
    interpolation, zeros outside.

    rows, columns: [M,L]; which: the image that each of the M reads, [M], in order if None.
    """
    n, channels, height, width = images.shape
    m, count = rows.shape
    which = arange(n) if which is None else which
    first = (which * (height * width)).reshape([m, 1])
    flat = images.transpose(0, 1).reshape([channels, n * height * width])
    found = []
    low = [rows.floor().detach(), columns.floor().detach()]
    share = [rows - low[0], columns - low[1]]
    for ends in itertools.product((0, 1), (0, 1)):
        place, weight, inside = first, None, None
        for axis, (end, size, step) in enumerate(zip(ends, (height, width), (width, 1), strict=True)):
            at = low[axis] + end
            within = elementwise.logical_and(at >= 0, at <= size - 1)
            place = place + elementwise.where(within, at, at * 0).to(i64) * step
            part = share[axis] if end else 1 - share[axis]
            weight = part if weight is None else weight * part
            inside = within if inside is None else elementwise.logical_and(inside, within)
        assert weight is not None and inside is not None
        weight = elementwise.where(inside, weight, full((), 0, dtype=weight.dtype))
        values = flat.index_select(1, place.reshape([m * count]))
        found.append((values, weight.reshape([m * count])))
    return found


def sampled(images: Tensor, rows: Tensor, columns: Tensor, which: Tensor | None = None) -> Tensor:
    """images[N,C,H,W] read at [M,L] places by linear interpolation, zeros outside: [M,C,L]."""
    total = None
    for values, weight in corners(images, rows, columns, which):
        total = values * weight if total is None else total + values * weight
    assert total is not None
    return total.reshape([images.shape[1], *rows.shape]).transpose(0, 1)


@operator
def RoiAlign(
    x: Tensor,
    rois: Tensor,
    batch_indices: Tensor,
    /,
    *,
    coordinate_transformation_mode: str | None = None,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
    opset: int,
) -> Tensor:
    """The mean, or the largest, of samples of x[N,C,H,W] in each bin of rois[R,4] -> [R,C,OH,OW] (He et al. 2017).

    sampling_ratio: samples of a bin down and across; 0 for as many as it has pixels, which only rois whose values are
    known tell. mode "max" compares the four weighted pixels of each sample, as ONNX has it, and not samples.
    """
    default = "half_pixel" if opset >= 16 else "output_half_pixel"
    is_half = (coordinate_transformation_mode or default) == "half_pixel"
    if mode not in ("avg", "max"):
        raise UnsupportedError(f"mode is avg or max, not {mode!r}")
    count = rois.shape[0]
    left, top, right, bottom = (rois[:, i] * spatial_scale - (0.5 if is_half else 0.0) for i in range(4))
    axes = []
    for start, end, size, bins in (
        (top, bottom, x.shape[2], output_height),
        (left, right, x.shape[3], output_width),
    ):
        length = end - start if is_half else (end - start).clamp(min=1)
        axes.append(_samples(start, length / bins, bins, sampling_ratio, size))
    (rows, in_rows, rows_each), (columns, in_columns, columns_each) = axes
    down, across = rows.shape[-1], columns.shape[-1]
    shape = [count, output_height, output_width, down, across]
    length = output_height * output_width * down * across
    ys = rows.reshape([count, output_height, 1, down, 1]).expand(*shape).reshape([count, length])
    xs = columns.reshape([count, 1, output_width, 1, across]).expand(*shape).reshape([count, length])
    used = elementwise.logical_and(
        in_rows.reshape([count, 1, 1, down, 1]),
        in_columns.reshape([count, 1, 1, 1, across]),
    )
    which = batch_indices.to(i64)
    if mode == "avg":
        seen = sampled(x, ys, xs, which).reshape([count, x.shape[1], *shape[1:]])
        seen = elementwise.where(used.unsqueeze(1), seen, full((), 0, dtype=x.dtype)).sum((-2, -1))
        each = (rows_each * columns_each).clamp(min=1).to(x.dtype)
        return seen / each.reshape([count, 1, 1, 1])
    parts = [value * weight for value, weight in corners(x, ys, xs, which)]
    largest = stack(parts, dim=-1).amax(-1).reshape([x.shape[1], *shape]).transpose(0, 1)
    least = full((), -math.inf, dtype=x.dtype)
    return elementwise.where(used.unsqueeze(1), largest, least).amax((-2, -1))


def _samples(start: Tensor, bin: Tensor, bins: int, ratio: int, size: Dim) -> tuple[Tensor, Tensor, Tensor]:
    """Where bins of regions are read along an axis, [R,bins,samples]; whether that counts; and how many do, [R]."""
    if ratio > 0:
        most, each = ratio, full((bin.shape[0],), ratio, dtype=i64)
    else:
        each = bin.detach().ceil().to(i64)
        found = to_host(each)
        most = max(int(found.max()) if found.size else 1, 1)
    number = arange(most).reshape([1, 1, most])
    share = (number.to(bin.dtype) + 0.5) / each.clamp(min=1).to(bin.dtype).reshape([-1, 1, 1])
    first = start.reshape([-1, 1, 1]) + arange(bins).to(bin.dtype).reshape([1, bins, 1]) * bin.reshape(
        [-1, 1, 1]
    )
    at = first + share * bin.reshape([-1, 1, 1])
    near = elementwise.logical_and(at >= -1, at <= size)
    # What is a little outside is at the border, what is further gives zero, as all does two pixels away.
    inside = at.clamp(min=0)
    inside = elementwise.where(inside > size - 1, inside * 0 + (size - 1), inside)
    at = elementwise.where(near, inside, full((), -2, dtype=at.dtype))
    return at, number < each.reshape([-1, 1, 1]), each


@operator
def MaxRoiPool(
    x: Tensor, rois: Buffer, /, *, pooled_shape: tuple[int, int], spatial_scale: float = 1.0
) -> Tensor:
    """The largest element of x[N,C,H,W] in each bin of rois[R,5], (image, x1, y1, x2, y2) -> [R,C,*pooled_shape]; 0 of
    an empty one (Girshick 2015)."""
    images = x.index_select(0, rois[:, 0].to(i64))
    edges = _rounded(rois[:, 1:] * spatial_scale)
    least = full((), -math.inf, dtype=x.dtype)
    for axis, first in ((3, 0), (2, 1)):
        bins, size = pooled_shape[axis - 2], images.shape[axis]
        start, end = edges[:, first], edges[:, first + 2]
        each = (end - start + 1).clamp(min=1) / bins
        found = []
        for i in range(bins):
            low, high = (each * i).floor() + start, (each * (i + 1)).ceil() + start
            place = arange(size).to(x.dtype).reshape([1, size])
            seen = elementwise.logical_and(place >= low.unsqueeze(1), place < high.unsqueeze(1))
            seen = seen.reshape([-1, 1, 1, size] if axis == 3 else [-1, 1, size, 1])
            found.append(elementwise.where(seen, images, least).amax(axis))
        images = stack(found, dim=axis)
    return elementwise.where(images == -math.inf, full((), 0, dtype=x.dtype), images)


def _rounded(x: Tensor) -> Tensor:
    """Halves away from zero, as C's round."""
    return elementwise.where(x < 0, (x - 0.5).ceil(), (x + 0.5).floor())
