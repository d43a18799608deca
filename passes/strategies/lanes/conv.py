"""Convolutions and their gradients by the runtime's direct convolutions, which take images with their channels in lanes
(ir.ops.lanes).

Each one puts its operands in lanes and its result back. Where one follows another, `passes.kernels.lanes` leaves
images in lanes all the way.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ir import ops
from ir.node import Node
from ir.types import Array, f32
from passes.layouts.batch_last import place, reshape, swap
from passes.layouts.indices import count, flat, permuted


def _rows(
    x: Node, shape: tuple[int, ...], perm: tuple[int, ...], lanes: int, turned: int | None = None
) -> Node:
    """x, as an array of `shape` whose last axis is lanes, with the axes before that permuted; the axis `turned` of
    the result in reverse. Rows of lanes are gathered, in a third of the time of such a Transpose."""
    order = permuted(shape[:-1], perm, turned=turned)
    return ops.gather(reshape(x, (order.ty.size, lanes)), flat(order), axis=0)


def conv2d(lanes: int, node: Node, x: Node, w: Node, *bias: Node) -> Node:
    """conv2d(x, w) => from_lanes(conv2d_lanes(to_lanes(x), w in lanes))"""
    how = {key: node.attrs[key] for key in ("stride", "padding", "dilation")}
    outputs, inputs, kh, kw = map(int, w.shape)
    turned = swap(reshape(w, (outputs, inputs * kh * kw)))
    if inputs < lanes:
        image, split, perm = x, (inputs, kh, kw, outputs // lanes, lanes), (3, 0, 1, 2)
        shape: tuple[int, ...] = (outputs // lanes, inputs, kh, kw, lanes)
    else:
        image = ops.to_lanes(x, lanes=lanes)
        split, perm = (inputs // lanes, lanes, kh * kw, outputs // lanes, lanes), (3, 0, 2, 1)
        shape = (outputs // lanes, inputs // lanes, kh, kw, lanes, lanes)
    weight = reshape(_rows(turned, split, perm, lanes), shape)
    return ops.from_lanes(ops.conv2d_lanes(image, weight, *bias, **how), lanes=lanes)


def conv2d_input_grad(lanes: int, node: Node, g: Node, w: Node) -> Node:
    """conv2d_input_grad(g, w) => conv2d(g, w turned by 180 degrees, its channels swapped) in lanes"""
    if node.attrs["stride"] != (1, 1):
        return _by_phases(lanes, node, g, w)
    outputs, inputs, kh, kw = map(int, w.shape)
    split = (kh * kw, outputs // lanes, lanes, inputs // lanes, lanes)
    weight = _rows(swap(reshape(w, (outputs * inputs, kh * kw))), split, (3, 1, 0, 2), lanes, turned=2)
    weight = reshape(weight, (inputs // lanes, outputs // lanes, kh, kw, lanes, lanes))
    padding = tuple(k - 1 - p for k, p in zip((kh, kw), node.attrs["padding"], strict=True))
    return ops.from_lanes(
        ops.conv2d_lanes(ops.to_lanes(g, lanes=lanes), weight, padding=padding), lanes=lanes
    )


def _by_phases(lanes: int, node: Node, g: Node, w: Node) -> Node:
    """conv2d_input_grad(g, w) => a convolution whose outputs are the S*T phases of the pixels, for strides (S, T)

    Pixels that are strides apart see the same kernel positions. Each phase is a convolution of g of its own; all
    of them are done as one, over the union of their windows, and their pixels put in order.
    """
    outputs, inputs, kh, kw = map(int, w.shape)
    n, _, height, width = node.shape
    how = node.attrs
    axes = [_phases(*axis) for axis in zip((kh, kw), how["stride"], how["padding"], strict=True)]
    begins, (rows, columns) = [begin for begin, _ in axes], [table for _, table in axes]
    taps = rows[:, None, :, None] * kw + columns[None, :, None, :]
    taps = np.where((rows < kh)[:, None, :, None] & (columns < kw)[None, :, None, :], taps, kh * kw)
    phases, windows = taps.shape[0] * taps.shape[1], taps.shape[2:]
    # Rows of L inputs for each kernel position and output; below them zeros for the positions that a phase lacks.
    table = swap(reshape(w, (outputs * inputs, kh * kw)))
    table = reshape(
        ops.pad(table, low=(0, 0), high=(1, 0)), ((kh * kw + 1) * outputs * inputs // lanes, lanes)
    )
    each = outputs * inputs // lanes
    first = ops.literal(taps.astype(np.int32).reshape(phases, 1, 1, -1, 1) * each)
    by_input = permuted((outputs // lanes, lanes, inputs // lanes), (2, 0, 1))
    by_input = ops.reshape(by_input, shape=(1, inputs // lanes, outputs // lanes, 1, lanes))
    weight = ops.gather(table, flat(first + by_input), axis=0)
    weight = reshape(weight, (phases * inputs // lanes, outputs // lanes, *windows, lanes, lanes))
    spans = zip(begins, windows, node.shape[2:], how["stride"], g.shape[2:], strict=True)
    padding = tuple(max(-b, (int(size) - 1) // s + b + k - int(o), 0) for b, k, size, s, o in spans)
    found = ops.conv2d_lanes(ops.to_lanes(g, lanes=lanes), weight, padding=padding)
    # Pixel h is the one of phase h % S at h // S, and those lie behind what padding put before them.
    y, x = count(int(height), 1, 3), count(int(width), 2, 3)
    (s, t), (ph, pw), group = how["stride"], map(int, found.shape[2:]), inputs // lanes
    order = place(y, s, t * group * ph * pw, pw) + place(x, t, group * ph * pw, 1)
    order = order + count(group, 0, 3, ph * pw, (padding[0] + begins[0]) * pw + padding[1] + begins[1])
    found = ops.gather(reshape(found, (n, phases * group * ph * pw, lanes)), flat(order), axis=1)
    return ops.from_lanes(reshape(found, node.shape), lanes=lanes)


def _phases(kernel: int, stride: int, padding: int) -> tuple[int, Array]:
    """Along one axis, for each phase the kernel position at each window position, i64[stride, window], `kernel` where
    there is none; and where windows begin: window position k of pixel q*stride + a sees g at q + begin + k."""
    reach = [
        (a + padding - i) // stride
        for a in range(stride)
        for i in range(kernel)
        if (a + padding - i) % stride == 0
    ]
    begin = min(reach)
    table = np.full((stride, max(reach) - begin + 1), kernel)
    for a in range(stride):
        for i in range(kernel):
            if (a + padding - i) % stride == 0:
                table[a, (a + padding - i) // stride - begin] = i
    return begin, table


def conv2d_weight_grad(lanes: int, node: Node, x: Node, g: Node) -> Node:
    """conv2d_weight_grad(x, g) => a convolution in lanes with samples for channels, and lanes beside the columns

    As `conv2d_weight_grad_dilated` of `passes.strategies.nchw.conv`, one image for each L channels of x, whose rows
    are W*L long: window (i, j*L + l) of it sees what kernel position (i, j) sees of lane l.
    """
    how = node.attrs
    n = x.shape[0]
    c, h, w = map(int, x.shape[1:])
    outputs, oh, ow = map(int, g.shape[1:])
    kh, kw = how["kernel"]
    images, (top, side) = c // lanes, how["padding"]
    whole = isinstance(n, int) and n % lanes == 0
    rows = ops.to_lanes(x, lanes=lanes)
    if side and whole:
        # Rather than by the convolution, which takes pixels one by one where they may reach over the side.
        ones, zeros = (ops.broadcast_to(ops.scalar(value, f32), shape=(c,)) for value in (1, 0))
        rows = ops.affine_lanes(rows, ones, zeros, lanes=lanes, side=side)
        w += 2 * side
    if images > 1:
        rows = ops.transpose(reshape(rows, (n, images, h, w * lanes)), perm=(1, 0, 2, 3))
    rows = reshape(rows, (images, n, h, w * lanes))
    moves: dict[str, Any] = {
        "stride": (how["dilation"][0], 1),
        "dilation": (how["stride"][0], how["stride"][1] * lanes),
    }
    gradient = ops.to_lanes(g, lanes=lanes)
    groups = 1
    if whole:
        # With one image there are three rows of windows only, too few to share among threads: the samples in groups.
        groups = int(n) // lanes if images == 1 else 1
        blocks = int(n) // lanes // groups
        windows = _rows(
            gradient,
            (groups, blocks, lanes, outputs // lanes, oh * ow, lanes),
            (0, 3, 1, 4, 2),
            lanes,
        )
        windows = reshape(windows, (groups * outputs // lanes, blocks, oh, ow, lanes, lanes))
        rows = ops.to_lanes(rows, lanes=lanes)
        found = ops.conv2d_lanes(rows, windows, padding=(top, 0), groups=groups, **moves)
    else:
        padding = (top, side * lanes)
        found = ops.conv2d_samples_lanes(rows, gradient, lanes=lanes, padding=padding, **moves)
    if groups > 1:
        _, _, *size = found.shape
        found = ops.sum(reshape(found, (groups, outputs * size[0] * size[1])), axes=(0,))
        found = reshape(found, (1, outputs, *size))
    _, _, height, width = map(int, found.shape)
    split = (images, outputs // lanes, height, width // lanes, lanes, lanes)
    # Rows of outputs for each channel and kernel position.
    order = permuted(split[:-1], (0, 4, 2, 3, 1), kept=(images, outputs // lanes, kh, kw, lanes))
    table = ops.gather(reshape(found, (math.prod(split[:-1]), lanes)), flat(order), axis=0)
    return reshape(swap(reshape(table, (c * kh * kw, outputs))), node.shape)
