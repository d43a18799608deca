"""Expansions that work batch-last (see `passes.batch_last`): gathers of rows, and matrix products.

Every index table depends on sizes of images and kernels alone, never on the batch. A convolution whose output
is stored in blocks reads for each block one window, the union of its pixels' windows, and multiplies it with
weights that hold the kernel once for each pixel, at its offset, in zeros: 5x5 kernels over 2x2 blocks gather
36 rows where 4 * 25 were, for products half as large again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any, NamedTuple

import numpy as np

from ir import ops
from ir.node import Node
from ir.types import Array
from passes import knockout
from passes.batch_last import PIXEL, Block, Stored, fits, reshape, store, swap
from passes.expand_nchw import constant, outside, shares

Pair = tuple[int, int]


class Windows(NamedTuple):
    """A sliding window: sizes of its output and kernel, and how it moves."""

    out: Pair
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair


def windows_of(node: Node) -> Windows:
    """The windows of a convolution or a pool, or of a gradient of one."""
    how = node.attrs
    if node.op in (ops.conv2d_weight_grad,):
        out = node.inputs[1].shape[2:]
    elif node.op in (ops.conv2d_input_grad, ops.max_pool2d_grad, ops.avg_pool2d_grad):
        out = node.inputs[0].shape[2:]
    else:
        out = node.shape[2:]
    kernel = how["kernel"] if "kernel" in how else node.inputs[1].shape[2:]
    return Windows(tuple(out), tuple(kernel), how["stride"], how["padding"], how.get("dilation", (1, 1)))  # type: ignore[arg-type]


def offsets(windows: Windows, block: Block) -> list[Array]:
    """For both axes the offsets, from a block's first window, of the pixels that its windows see."""
    reach = zip(block, windows.stride, windows.kernel, windows.dilation, strict=True)
    return [np.unique(np.arange(b)[:, None] * s + np.arange(k) * d) for b, s, k, d in reach]


def _seen(windows: Windows, block: Block, size: Pair) -> Array:
    """The pixel at each offset of each block's window, i64[R, P]; H*W outside of the image."""
    axes = []
    parts = (windows.out, block, windows.stride, windows.padding, offsets(windows, block))
    for o, b, s, p, reach in zip(*parts, strict=True):
        axes.append(reach[:, None] + np.arange(0, o, b) * s - p)
    rows, columns = axes[0][:, None, :, None], axes[1][None, :, None, :]
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    pixels = np.where(inside, rows * size[1] + columns, size[0] * size[1])
    return pixels.reshape(axes[0].shape[0] * axes[1].shape[0], -1)


@lru_cache(maxsize=256)
def _column_table(windows: Windows, block: Block, image: Pair, channels: int, stored: Block) -> Array:
    """For each row of im2col, [C,R,P] flat, the row of x that it copies; C*H*W for padding."""
    places = Stored((1, channels, *image), None, stored).places()  # type: ignore[arg-type]
    padded = np.concatenate([places, np.full((channels, 1), places.size)], axis=1)
    return np.asarray(padded[:, _seen(windows, block, image)].reshape(-1))


def columns(x: Stored, windows: Windows, block: Block) -> Node:
    """im2col of x[N,C,H,W] for an output in blocks: [C*R, P*N]."""
    channels = int(x.shape[1])
    table = _column_table(windows, block, x.pixels, channels, x.block)
    rows = x.rows()
    if not np.array_equal(table, np.arange(int(rows.shape[0]))):
        if table.max() == rows.shape[0]:
            rows = ops.pad(rows, low=(0, 0), high=(1, 0))
        rows = ops.gather(rows, ops.literal(table), axis=0)
    depth = channels * _reach(windows, block)
    return reshape(rows, (depth, len(table) // depth * x.batch))


def _reach(windows: Windows, block: Block) -> int:
    rows, columns = offsets(windows, block)
    return len(rows) * len(columns)


def _spread(windows: Windows, block: Block, dtype: Any) -> Array:
    """Where the kernel of each pixel of a block lies in the block's window: 0/1 [BH*BW, KH*KW, R]."""
    axes = []
    for b, s, k, d, reach in zip(
        block, windows.stride, windows.kernel, windows.dilation, offsets(windows, block), strict=True
    ):
        at = np.arange(b)[:, None] * s + np.arange(k) * d
        axes.append((at[..., None] == reach).astype(dtype))
    joint = np.einsum("aiq,bjr->abijqr", *axes)
    planes, taps = block[0] * block[1], windows.kernel[0] * windows.kernel[1]
    return np.ascontiguousarray(joint.reshape(planes, taps, -1))


def _weights(w: Node, windows: Windows, block: Block, groups: int) -> Node:
    """[O,C/G,KH,KW] as [BH*BW*O, (C/G)*R], or [G, BH*BW*(O/G), (C/G)*R]: the kernel once for each pixel."""
    outputs, depth, *kernel = w.shape
    taps = kernel[0] * kernel[1]
    planes, reach = block[0] * block[1], _reach(windows, block)
    if block == PIXEL:
        return reshape(
            w, (outputs, depth * taps) if groups == 1 else (groups, outputs // groups, depth * taps)
        )
    spread = constant(_spread(windows, block, w.dtype.numpy), w.dtype)
    if groups == 1:
        return reshape(reshape(w, (outputs * depth, taps)) @ spread, (planes * outputs, depth * reach))
    wide = reshape(w, (groups, 1, outputs // groups * depth, taps)) @ spread
    return reshape(wide, (groups, planes * outputs // groups, depth * reach))


def _by_group(x: Stored, groups: int) -> Node:
    """`x.matrix()` as [BH*BW*C, P*N], or by groups of channels [G, BH*BW*(C/G), P*N]."""
    matrix = x.matrix()
    if groups == 1:
        return matrix
    planes, channels, flat = x.block[0] * x.block[1], x.shape[1], matrix.shape[1]
    if planes > 1:
        matrix = reshape(matrix, (planes, groups, channels // groups * flat))
        matrix = ops.transpose(matrix, perm=(1, 0, 2))
    return reshape(matrix, (groups, planes * channels // groups, flat))


def _from_groups(y: Node, planes: int, channels: Any) -> Node:
    """The inverse of `_by_group`: [BH*BW*C, P*N] in that order, of any shape."""
    if y.rank == 2 or planes == 1:
        return y
    groups, _, flat = y.shape
    split = reshape(y, (groups, planes, channels // groups * flat))
    return ops.transpose(split, perm=(1, 0, 2))


def _split(x: Node, groups: int) -> Node:
    return x if groups == 1 else reshape(x, (groups, x.shape[0] // groups, x.shape[1]))


def conv2d(node: Node, block: Block, x: Stored, w: Node, *bias: Node) -> Stored:
    """conv2d(x, w) => w @ gather(x)"""
    groups, windows, planes = node.attrs["groups"], windows_of(node), block[0] * block[1]
    y = _weights(w, windows, block, groups) @ _split(columns(x, windows, block), groups)
    y = _from_groups(y, planes, node.shape[1])
    if bias and planes == 1:
        y = reshape(y, (node.shape[1], node.shape[2] * node.shape[3] * x.batch))
        y = y + reshape(bias[0], (node.shape[1], 1))
    elif bias:
        y = store(node.shape, y, block).matrix()
        repeated = ops.concat(*[bias[0]] * planes, axis=0)
        y = y + reshape(repeated, (repeated.shape[0], 1))
    return store(node.shape, y, block)


def conv2d_weight_grad(node: Node, block: Block, x: Stored, g: Stored) -> Node:
    """conv2d_weight_grad(x, g) => g @ gather(x)ᵀ, over the very columns that the forward convolution made"""
    groups, windows = node.attrs["groups"], windows_of(node)
    outputs, depth, *_ = map(int, node.shape)
    planes, reach = g.block[0] * g.block[1], _reach(windows, g.block)
    cols = _split(columns(x, windows, g.block), groups)
    rows = _by_group(g, groups)
    if groups == 1 and depth * reach > planes * outputs:
        # The runtime packs its second factor, so that should be the smaller one.
        turned = reshape(cols @ swap(rows), (depth * reach, planes, outputs))
        wide = ops.transpose(turned, perm=(1, 2, 0))
    else:
        wide = rows @ swap(cols)
    if g.block == PIXEL:
        return reshape(wide, node.shape)
    spread = constant(_spread(windows, g.block, node.dtype.numpy).transpose(0, 2, 1), node.dtype)
    wide = reshape(wide, (groups, planes, outputs // groups * depth, reach))
    return reshape(ops.sum(wide @ spread, axes=(1,)), node.shape)


def conv2d_input_grad(node: Node, block: Block, g: Stored, w: Node) -> Stored:
    """conv2d_input_grad(g, w) => col2im(wᵀ @ g), col2im as a gather and a sum"""
    groups, windows = node.attrs["groups"], windows_of(node)
    image = Stored(node.shape, node, block)
    seen = _seen(windows, g.block, image.pixels)
    sources = _sources(seen, image.pixels[0] * image.pixels[1])
    weights = _weights(w, windows, g.block, groups)
    if groups == 1 and (sources == seen.size).any():
        # Rows of zeros for pixels that fewer windows see: one more column of weights makes them on the way.
        weights = ops.pad(weights, low=(0, 0), high=(0, 1))
    cols = swap(weights) @ _by_group(g, groups)
    cols = reshape(cols, (cols.ty.size // cols.shape[-1] * seen.shape[1], g.batch))
    return store(node.shape, _add_up(cols, sources, seen.size, image), block)


def _sources(seen: Array, area: int) -> Array:
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


def _add_up(parts: Node, sources: Array, count: int, image: Stored) -> Node:
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
    return constant(np.ones((1, len(sources))), parts.dtype) @ stacked


def conv2d_input_grad_dilated(node: Node, block: Block, g: Stored, w: Node) -> Stored:
    """conv2d_input_grad(g, w) => the same on one image [1,O,OH,OW*N], whose pixels are N apart"""
    n, how = int(g.batch), node.attrs
    wide = ops.conv2d_input_grad(
        reshape(g.natural(), (1, g.shape[1], g.shape[2], g.shape[3] * n)),
        w,
        size=(how["size"][0], how["size"][1] * n),
        stride=how["stride"],
        padding=(how["padding"][0], how["padding"][1] * n),
        dilation=(how["dilation"][0], how["dilation"][1] * n),
        groups=how["groups"],
    )
    return Stored(node.shape, store(node.shape, wide).in_blocks(block), block)


def planes_of(windows: Windows, size: Any) -> Block | None:
    """The block whose planes are what the kernel positions see: of pools whose windows tile the image."""
    tiled = (
        windows.kernel == windows.stride != PIXEL and windows.padding == (0, 0) and windows.dilation == (1, 1)
    )
    return windows.kernel if tiled and fits(size, windows.kernel) else None


def views(x: Stored, windows: Windows, fill: float) -> list[Node]:
    """What each kernel position sees: nodes [C, OH*OW, N], or [1, C, OH*OW, N] where each is a plane of x."""
    if x.block == planes_of(windows, x.pixels):
        planes = range(windows.kernel[0] * windows.kernel[1])
        stop = x.node.shape[1:]
        return [ops.slice(x.node, starts=(t, 0, 0, 0), stops=(t + 1, *stop), steps=(1,) * 4) for t in planes]
    pixels = reshape(x.natural(), (x.shape[1], x.pixels[0] * x.pixels[1], x.batch))
    seen = _seen(windows, PIXEL, x.pixels)
    if seen.max() == pixels.shape[1]:
        pixels = ops.pad(pixels, low=(0, 0, 0), high=(0, 1, 0), value=fill)
    return [ops.gather(pixels, ops.literal(row), axis=1) for row in seen]


def _unviews(node: Node, pieces: Sequence[Node], windows: Windows, block: Block) -> Stored:
    """The transpose of `views`: a piece for each kernel position, added up into [N,C,H,W]."""
    image = Stored(node.shape, node, block)
    channels, area, n = pieces[0].shape[-3:]
    if block == planes_of(windows, image.pixels):
        planes = [reshape(piece, (1, channels, area, n)) for piece in pieces]
        return store(node.shape, ops.concat(*planes, axis=0), block)
    pieces = [reshape(piece, (channels, area, n)) for piece in pieces]
    seen = _seen(windows, PIXEL, image.pixels)
    sources = _sources(seen, image.pixels[0] * image.pixels[1])
    if all(piece is pieces[0] for piece in pieces):
        stacked, count = pieces[0], seen.shape[1]
        sources = np.where(sources == seen.size, count, sources % count)
    else:
        stacked, count = ops.concat(*pieces, axis=1), seen.size
    return store(node.shape, _add_up(reshape(stacked, (channels * count, n)), sources, count, image), block)


def _like(x: Stored, view: Node | None = None) -> Node:
    """A pooled value as [C, H*W, N], or in the shape of one of the views."""
    plain = (x.shape[1], x.pixels[0] * x.pixels[1], x.batch)
    return reshape(x.natural(), plain if view is None else view.shape)


def _pooled(node: Node, y: Node, block: Block) -> Stored:
    return Stored(node.shape, store(node.shape, y).in_blocks(block), block)


def max_pool2d(node: Node, block: Block, x: Stored) -> Stored:
    """max_pool2d(x) => a knockout among what the kernel positions see"""
    return _pooled(node, knockout.best(views(x, windows_of(node), -np.inf)), block)


def max_pool2d_grad(node: Node, block: Block, g: Stored, x: Stored) -> Stored:
    """max_pool2d_grad(g, x) => g handed back along the knockout, to the first maximum"""
    windows = windows_of(node)
    seen = views(x, windows, -np.inf)
    return _unviews(node, knockout.hand_back(_like(g, seen[0]), seen, _outside(x, windows)), windows, block)


def max_pool2d_pick(node: Node, block: Block, v: Stored, x: Stored) -> Stored:
    """max_pool2d_pick(v, x) => the knockout of x, carrying v along"""
    windows = windows_of(node)
    seen = views(x, windows, -np.inf)
    return _pooled(node, knockout.pick(views(v, windows, 0.0), seen, _outside(x, windows)), block)


def _outside(x: Stored, windows: Windows) -> list[Array]:
    """Where views of x are padding, in a shape that broadcasts to [C, OH*OW, N]."""
    return [mask.reshape(1, -1, 1) for mask in outside(x.pixels, *windows)]


def _share(node: Node, size: Any, pooled: Node) -> Node:
    share = shares(node.attrs, size, pooled)
    return share if share.rank == 0 else reshape(share, (1, share.shape[0] * share.shape[1], 1))


def avg_pool2d(node: Node, block: Block, x: Stored) -> Stored:
    """avg_pool2d(x) => sum of what the kernel positions see / number of elements counted"""
    total = reduce(ops.add, views(x, windows_of(node), 0.0))
    return _pooled(node, total * _share(node, x.shape[2:], node), block)


def avg_pool2d_grad(node: Node, block: Block, g: Stored) -> Stored:
    """avg_pool2d_grad(g) => g / number of elements counted, to every kernel position"""
    windows = windows_of(node)
    shared = _like(g) * _share(node, node.attrs["size"], g.node)
    return _unviews(node, [shared] * (windows.kernel[0] * windows.kernel[1]), windows, block)
