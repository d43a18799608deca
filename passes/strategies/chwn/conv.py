"""Convolutions and their gradients batch-last (see `passes.layouts.batch_last`): gathers of rows, and matrix products.

A convolution whose output is stored in blocks reads for each block one window, the union of its pixels' windows, and
multiplies it with weights that hold the kernel once for each pixel, at its offset, in zeros: 5x5 kernels over 2x2
blocks gather 36 rows where 4 * 25 were, for products half as large again.
"""

from __future__ import annotations

from typing import Any

from ir import ops
from ir.node import Node
from ir.types import DType
from passes.layouts.batch_last import PIXEL, Block, Stored, reshape, store, swap
from passes.layouts.indices import along, count, counts_all
from passes.layouts.windows import Windows, offsets, windows_of
from passes.strategies.chwn.taps import add_up, seen_by, seers


def columns(x: Stored, windows: Windows, block: Block) -> Node:
    """im2col of x[N,C,H,W] for an output in blocks: [C*R, P*N]."""
    channels = int(x.shape[1])
    rows, places = seen_by(x, windows, block)
    if not counts_all(places, int(rows.shape[0])):
        rows = ops.gather(rows, places, axis=0)
    depth = channels * _reach(windows, block)
    return reshape(rows, (depth, places.ty.size // depth * x.batch))


def _reach(windows: Windows, block: Block) -> int:
    rows, columns = offsets(windows, block)
    return len(rows) * len(columns)


def _spread(windows: Windows, block: Block, dtype: DType) -> Node:
    """Where the kernel of each pixel of a block lies in the block's window: 0/1 [BH*BW, KH*KW, R]."""
    axes = []
    moves = zip(block, windows.stride, windows.kernel, windows.dilation, offsets(windows, block), strict=True)
    for i, (b, s, k, d, reach) in enumerate(moves):
        at = count(b, i, 6, s) + count(k, i + 2, 6, d)
        axes.append(ops.cast(ops.equal(at, along(reach, i + 4, 6)), dtype=dtype))
    planes, taps = block[0] * block[1], windows.kernel[0] * windows.kernel[1]
    return ops.reshape(axes[0] * axes[1], shape=(planes, taps, _reach(windows, block)))


def _weights(w: Node, windows: Windows, block: Block, groups: int) -> Node:
    """[O,C/G,KH,KW] as [BH*BW*O, (C/G)*R], or [G, BH*BW*(O/G), (C/G)*R]: the kernel once for each pixel."""
    outputs, depth, *kernel = w.shape
    taps = kernel[0] * kernel[1]
    planes, reach = block[0] * block[1], _reach(windows, block)
    if block == PIXEL:
        return reshape(
            w, (outputs, depth * taps) if groups == 1 else (groups, outputs // groups, depth * taps)
        )
    spread = _spread(windows, block, w.dtype)
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
    spread = swap(_spread(windows, g.block, node.dtype))
    wide = reshape(wide, (groups, planes, outputs // groups * depth, reach))
    return reshape(ops.sum(wide @ spread, axes=(1,)), node.shape)


def conv2d_input_grad(node: Node, block: Block, g: Stored, w: Node) -> Stored:
    """conv2d_input_grad(g, w) => col2im(wᵀ @ g), col2im as a gather and a sum"""
    groups, windows = node.attrs["groups"], windows_of(node)
    image = Stored(node.shape, node, block)
    down, across = (int(n) // b for n, b in zip(windows.out, g.block, strict=True))
    wide, blocks = len(offsets(windows, g.block)[1]), down * across
    each = _reach(windows, g.block) * blocks
    nowhere = int(node.shape[1]) * each
    seen = seers(windows, g.block, image, ((wide * blocks, across), (blocks, 1)), each, nowhere)
    weights = _weights(w, windows, g.block, groups)
    if groups == 1 and seen.nowhere is not None:
        # Rows of zeros for pixels that fewer windows see: one more column of weights makes them on the way.
        weights = ops.pad(weights, low=(0, 0), high=(0, 1))
    cols = swap(weights) @ _by_group(g, groups)
    cols = reshape(cols, (cols.ty.size // cols.shape[-1] * blocks, g.batch))
    return store(node.shape, add_up(cols, seen), block)


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
