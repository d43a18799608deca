"""The gradient of average pooling for CUDA."""

from __future__ import annotations

import math

from ir import ops
from ir.node import Node


def avg_pool2d_grad(node: Node, g: Node) -> Node:
    """avg_pool2d_grad(g) => g / number of elements, repeated; for windows side by side"""
    kernel, (n, c, *out) = node.attrs["kernel"], g.shape
    shared = ops.reshape(g * (1 / math.prod(kernel)), shape=(n, c, out[0], 1, out[1], 1))
    spread = ops.broadcast_to(shared, shape=(n, c, out[0], kernel[0], out[1], kernel[1]))
    x = ops.reshape(spread, shape=(n, c, out[0] * kernel[0], out[1] * kernel[1]))
    high = (0, 0, node.shape[2] - x.shape[2], node.shape[3] - x.shape[3])
    return ops.pad(x, low=(0,) * 4, high=high) if any(high) else x
