"""What windows see, batch-last: gathers of rows.

Every index table depends on sizes of images and kernels alone, never on the batch; and each is a sum of a part for
rows of pixels, one for columns, and one for channels (`passes.layouts.indices`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from ir import ops
from ir.node import Node
from ir.ops.windows import Pair
from ir.types import Array, i32
from passes.layouts.batch_last import PIXEL, Block, Stored, place, reshape, store
from passes.layouts.indices import along, below, count, counts_all, flat, grid, value
from passes.layouts.windows import Windows, offsets, planes_of


class Axis(NamedTuple):
    """Windows along one axis, those of each block of the output as one.

    reach: the offsets, from a block's first window, of the pixels that its windows see. step: pixels from block to
    block. out: how many blocks there are. size: pixels of the image.
    """

    reach: Array
    step: int
    padding: int
    out: int
    size: int

    @property
    def over(self) -> int:
        """By how many pixels the last windows reach over the end."""
        return max(int(self.reach[-1]) + (self.out - 1) * self.step - self.padding - self.size + 1, 0)


def axes_of(windows: Windows, block: Block, size: Pair) -> tuple[Axis, Axis]:
    """Both axes of windows over an image of `size` whose output is in blocks."""
    rows, columns = (
        Axis(reach, b * s, p, int(o) // b, int(n))
        for reach, b, s, p, o, n in zip(
            offsets(windows, block), block, windows.stride, windows.padding, windows.out, size, strict=True
        )
    )
    return rows, columns


def seen_by(x: Stored, windows: Windows, block: Block) -> tuple[Node, Node]:
    """The elements of x with zeros around them, as rows [C*H'*W', N]; and of these what the window of each block
    sees: i32[C, R*P], R offsets of P blocks."""
    axes, channels = axes_of(windows, block, x.pixels), int(x.shape[1])
    lows = [math.ceil(axis.padding / b) for axis, b in zip(axes, x.block, strict=True)]  # in blocks
    highs = [math.ceil(axis.over / b) for axis, b in zip(axes, x.block, strict=True)]
    inner = [axis.size // b for axis, b in zip(axes, x.block, strict=True)]
    image = x.node
    if any(lows) or any(highs):
        planes = () if x.block == PIXEL else (x.block[0] * x.block[1],)
        image = reshape(image, (*planes, channels, *inner, x.batch))
        before = (0,) * (image.rank - 3)
        image = ops.pad(image, low=(*before, *lows, 0), high=(*before, *highs, 0))
    sizes = [low + n + high for low, n, high in zip(lows, inner, highs, strict=True)]
    area = sizes[0] * sizes[1]
    plane = channels * area
    rows, columns = (
        along(axis.reach, i, 4) + count(axis.out, i + 2, 4, axis.step, low * b - axis.padding)
        for i, (axis, low, b) in enumerate(zip(axes, lows, x.block, strict=True))
    )
    places = place(rows, x.block[0], x.block[1] * plane, sizes[1])
    places = places + place(columns, x.block[1], plane, 1)
    places = ops.reshape(places, shape=(1, places.ty.size)) + count(channels, 0, 2, area)
    return reshape(image, (x.block[0] * x.block[1] * plane, x.batch)), places


class Seers(NamedTuple):
    """For each element of an image, in the order stored, the places that see it: i32[M*.., C, ..].

    most: M. nowhere: what stands where there are fewer than M; None where there never are.
    """

    places: Node
    most: int
    nowhere: int | None


def seers(
    windows: Windows, block: Block, image: Stored, weights: tuple[Pair, Pair], channel: int, nowhere: int
) -> Seers:
    """The transpose of what windows see. A place is the sum of offset * weights[0] + block of the output * weights[1]
    of both axes, and of `channel` for each channel; `nowhere` is more than all of them."""
    (rows, m, all_rows), (columns, k, all_columns) = (
        _along(axis, b, w, nowhere)
        for axis, b, w in zip(axes_of(windows, block, image.pixels), image.block, weights, strict=True)
    )
    (_, b, h), (_, d, w) = rows.shape, columns.shape
    places = ops.reshape(rows, shape=(m, 1, b, 1, h, 1)) + ops.reshape(columns, shape=(1, k, 1, d, 1, w))
    places = ops.reshape(places, shape=(m * k * b * d, 1, h * w))
    places = places + count(int(image.shape[1]), 1, 3, channel)
    if all_rows and all_columns:
        return Seers(places, m * k, None)
    return Seers(ops.minimum(places, nowhere), m * k, nowhere)


def _along(axis: Axis, block: int, weights: Pair, nowhere: int) -> tuple[Node, int, bool]:
    """What sees the pixels along one axis, by their place in a block and their block: i32[M,block,size/block]; M, and
    whether all pixels are seen M times."""
    pixel = count(block, 1, 3, start=axis.padding) + count(axis.size // block, 2, 3, block)
    steps = np.diff(axis.reach)
    reach, step, apart = len(axis.reach), axis.step, int(steps[0]) if len(steps) else 1
    is_even = bool((steps == apart).all())
    if is_even and apart == 1 and math.ceil(reach / step) <= axis.out:
        # The offsets that see a pixel are those of its remainder.
        nth = count(math.ceil(reach / step), 0, 3)
        offset = nth if step == 1 else ops.mod(pixel, step) + nth * step
        out = (pixel if step == 1 else ops.div(pixel, step)) - nth
        conditions = [below(offset, reach), below(out, axis.out)]
    elif is_even and axis.out <= reach:
        out = count(axis.out, 0, 3)
        offset, conditions = _quotient(pixel - out * step, apart)
        conditions.append(below(offset, reach))
    else:
        offset = count(reach, 0, 3)
        out, conditions = _quotient(pixel - along(axis.reach, 0, 3), step)
        conditions.append(below(out, axis.out))
    found = offset * weights[0] + out * weights[1]
    is_there = reduce(ops.logical_and, conditions)
    is_always = bool(value(is_there).all())
    found = found if is_always else ops.where(is_there, found, ops.scalar(nowhere, i32))
    return found, int(found.shape[0]), is_always


def _quotient(numbers: Node, divisor: int) -> tuple[Node, list[Node]]:
    """numbers / divisor, and where that is a whole number from 0 up."""
    if divisor == 1:
        return numbers, []
    whole = ops.equal(ops.mod(numbers, divisor), 0)
    return ops.div(numbers, divisor), [whole, ops.greater(numbers, -1)]


def add_up(parts: Node, seen: Seers) -> Node:
    """Rows of parts [.., N] added up into an image."""
    if seen.most == 1 and counts_all(seen.places, int(parts.shape[0])):
        return parts
    if seen.nowhere is not None and seen.nowhere >= parts.shape[0]:
        parts = ops.pad(parts, low=(0, 0), high=(1, 0))
    gathered = ops.gather(parts, seen.places, axis=0)
    if seen.most == 1:
        return gathered
    # A product with ones is the runtime's fastest sum over a leading axis.
    stacked = reshape(gathered, (seen.most, seen.places.ty.size // seen.most * parts.shape[1]))
    return ops.broadcast_to(ops.scalar(1, parts.dtype), shape=(1, seen.most)) @ stacked


def views(x: Stored, windows: Windows, fill: float) -> list[Node]:
    """What each kernel position sees: nodes [C, OH*OW, N], or [1, C, OH*OW, N] where each is a plane of x."""
    if x.block == planes_of(windows, x.pixels):
        planes = range(windows.kernel[0] * windows.kernel[1])
        stop = x.node.shape[1:]
        return [ops.slice(x.node, starts=(t, 0, 0, 0), stops=(t + 1, *stop), steps=(1,) * 4) for t in planes]
    axes = axes_of(windows, PIXEL, x.pixels)
    image = reshape(x.natural(), (x.shape[1], *x.pixels, x.batch))
    low, high = [axis.padding for axis in axes], [axis.over for axis in axes]
    if any(low) or any(high):
        image = ops.pad(image, low=(0, *low, 0), high=(0, *high, 0), value=fill)
    height, width = map(int, image.shape[1:3])
    pixels = reshape(image, (x.shape[1], height * width, x.batch))
    out, steps = [axis.out for axis in axes], (axes[0].step * int(width), axes[1].step)
    starts = [i * int(width) + j for i in axes[0].reach.tolist() for j in axes[1].reach.tolist()]
    return [ops.gather(pixels, flat(grid(out, steps, start)), axis=1) for start in starts]


def unviews(node: Node, pieces: Sequence[Node], windows: Windows, block: Block) -> Stored:
    """The transpose of `views`: a piece for each kernel position, added up into [N,C,H,W]."""
    image = Stored(node.shape, node, block)
    channels, area, n = *map(int, pieces[0].shape[-3:-1]), pieces[0].shape[-1]
    if block == planes_of(windows, image.pixels):
        planes = [reshape(piece, (1, channels, area, n)) for piece in pieces]
        return store(node.shape, ops.concat(*planes, axis=0), block)
    pieces = [reshape(piece, (channels, area, n)) for piece in pieces]
    are_same = all(piece is pieces[0] for piece in pieces)
    each = area if are_same else area * len(pieces)
    stacked = pieces[0] if are_same else ops.concat(*pieces, axis=1)
    taps = (0, 0) if are_same else (windows.kernel[1] * int(area), int(area))
    weights = ((taps[0], int(windows.out[1])), (taps[1], 1))
    nowhere = channels * each
    seen = seers(windows, PIXEL, image, weights, each, nowhere)
    return store(node.shape, add_up(reshape(stacked, (nowhere, n)), seen), block)


def like(x: Stored, view: Node | None = None) -> Node:
    """A pooled value as [C, H*W, N], or in the shape of one of the views."""
    plain = (x.shape[1], x.pixels[0] * x.pixels[1], x.batch)
    return reshape(x.natural(), plain if view is None else view.shape)


def pooled(node: Node, y: Node, block: Block) -> Stored:
    return Stored(node.shape, store(node.shape, y).in_blocks(block), block)
