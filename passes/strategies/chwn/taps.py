"""What windows see, batch-last: gathers of rows.

Every index table depends on sizes of images and kernels alone, never on the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ir import ops
from ir.node import Node
from ir.ops.windows import Pair
from ir.types import Array
from passes.layouts.batch_last import PIXEL, Block, Stored, reshape, store
from passes.layouts.windows import Windows, offsets, planes_of


def seen_by(windows: Windows, block: Block, size: Pair) -> Array:
    """The pixel at each offset of each block's window, i64[R, P]; H*W outside of the image."""
    axes = []
    parts = (windows.out, block, windows.stride, windows.padding, offsets(windows, block))
    for o, b, s, p, reach in zip(*parts, strict=True):
        axes.append(reach[:, None] + np.arange(0, o, b) * s - p)
    rows, columns = axes[0][:, None, :, None], axes[1][None, :, None, :]
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    pixels = np.where(inside, rows * size[1] + columns, size[0] * size[1])
    return pixels.reshape(axes[0].shape[0] * axes[1].shape[0], -1)


def sources_of(seen: Array, area: int) -> Array:
    """The transpose of what windows see: for each pixel the places in `seen` that see it, i64[M, H*W], filled
    with `seen.size` where there are fewer than M."""
    flat = seen.reshape(-1)
    numbers = np.flatnonzero(flat < area)
    by_pixel = np.argsort(flat[numbers], kind="stable")
    numbers = numbers[by_pixel]
    pixels = flat[numbers]
    rank = np.arange(len(pixels)) - np.searchsorted(pixels, pixels)
    table = np.full((int(rank.max(initial=0)) + 1, area), flat.size)
    table[rank, pixels] = numbers
    return table


def add_up(parts: Node, sources: Array, count: int, image: Stored) -> Node:
    """Rows of parts [C*count, N] added up into an image; `sources` [M,H*W] says where (`count`: nowhere)."""
    channels = image.places().shape[0]
    table = np.arange(channels)[:, None] * count + sources[:, None, :]
    table = np.where(sources[:, None, :] == count, channels * count, table)
    order = np.empty((len(sources), image.places().size), np.int64)
    order[:, image.places().reshape(-1)] = table.reshape(len(sources), -1)
    if order.max() >= parts.shape[0]:
        parts = ops.pad(parts, low=(0, 0), high=(1, 0))
    gathered = ops.gather(parts, ops.literal(order.reshape(-1)), axis=0)
    if len(sources) == 1:
        return gathered
    # A product with ones is the runtime's fastest sum over a leading axis.
    stacked = reshape(gathered, (len(sources), order.shape[1] * parts.shape[1]))
    return ops.literal(np.ones((1, len(sources))), parts.dtype) @ stacked


def views(x: Stored, windows: Windows, fill: float) -> list[Node]:
    """What each kernel position sees: nodes [C, OH*OW, N], or [1, C, OH*OW, N] where each is a plane of x."""
    if x.block == planes_of(windows, x.pixels):
        planes = range(windows.kernel[0] * windows.kernel[1])
        stop = x.node.shape[1:]
        return [ops.slice(x.node, starts=(t, 0, 0, 0), stops=(t + 1, *stop), steps=(1,) * 4) for t in planes]
    pixels = reshape(x.natural(), (x.shape[1], x.pixels[0] * x.pixels[1], x.batch))
    seen = seen_by(windows, PIXEL, x.pixels)
    if seen.max() == pixels.shape[1]:
        pixels = ops.pad(pixels, low=(0, 0, 0), high=(0, 1, 0), value=fill)
    return [ops.gather(pixels, ops.literal(row), axis=1) for row in seen]


def unviews(node: Node, pieces: Sequence[Node], windows: Windows, block: Block) -> Stored:
    """The transpose of `views`: a piece for each kernel position, added up into [N,C,H,W]."""
    image = Stored(node.shape, node, block)
    channels, area, n = pieces[0].shape[-3:]
    if block == planes_of(windows, image.pixels):
        planes = [reshape(piece, (1, channels, area, n)) for piece in pieces]
        return store(node.shape, ops.concat(*planes, axis=0), block)
    pieces = [reshape(piece, (channels, area, n)) for piece in pieces]
    seen = seen_by(windows, PIXEL, image.pixels)
    sources = sources_of(seen, image.pixels[0] * image.pixels[1])
    if all(piece is pieces[0] for piece in pieces):
        stacked, count = pieces[0], seen.shape[1]
        sources = np.where(sources == seen.size, count, sources % count)
    else:
        stacked, count = ops.concat(*pieces, axis=1), seen.size
    return store(node.shape, add_up(reshape(stacked, (channels * count, n)), sources, count, image), block)


def like(x: Stored, view: Node | None = None) -> Node:
    """A pooled value as [C, H*W, N], or in the shape of one of the views."""
    plain = (x.shape[1], x.pixels[0] * x.pixels[1], x.batch)
    return reshape(x.natural(), plain if view is None else view.shape)


def pooled(node: Node, y: Node, block: Block) -> Stored:
    return Stored(node.shape, store(node.shape, y).in_blocks(block), block)
