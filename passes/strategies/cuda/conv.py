"""The weight gradient of convolutions for CUDA."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ir import ops
from ir.node import Node
from ir.ops.windows import Pair, Window
from passes.layouts.indices import grid
from passes.strategies.nchw.conv import weight_grad_of_columns


def columns(
    x: Node, out: Sequence[Any], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Node:
    """im2col of x[N,C,H,W] by one Gather for all positions: [N,G,(C/G)*KH*KW,OH*OW], without G for one group."""
    n, c, height, width = x.shape
    reach = Window(kernel, stride, padding, dilation).reach((out[0], out[1]))
    high = [max(int(r - p - m), 0) for r, p, m in zip(reach, padding, (height, width), strict=True)]
    if any(padding) or any(high):
        x = ops.pad(x, low=(0, 0, *padding), high=(0, 0, *high))
    wide, area = int(x.shape[3]), int(out[0]) * int(out[1])
    shape, steps = (
        (*kernel, int(out[0]), int(out[1])),
        (dilation[0] * wide, dilation[1], stride[0] * wide, stride[1]),
    )
    places = ops.reshape(grid(shape, steps), shape=(math.prod(kernel), area))
    flat = ops.reshape(x, shape=(n, c, x.shape[2] * wide))
    taken = ops.gather(flat, places, axis=2)
    depth = c // groups * math.prod(kernel)
    return ops.reshape(taken, shape=(n, depth, area) if groups == 1 else (n, groups, depth, area))


def conv2d_weight_grad(node: Node, x: Node, g: Node) -> Node:
    """conv2d_weight_grad(x, g) => sum over samples of g @ im2col(x)ᵀ, im2col by Gather"""
    how = {key: node.attrs[key] for key in ("kernel", "stride", "padding", "dilation", "groups")}
    return weight_grad_of_columns(node, columns(x, g.shape[2:], **how), g)
