"""The gradient of max-pooling for CUDA."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ir import ops
from ir.node import Node
from ir.ops.windows import Pair


def _apart(x: Node, kernel: Pair, out: Sequence[Any]) -> Node:
    """x[N,C,H,W] by its position in windows that lie side by side: [KH*KW, N*C*OH*OW]."""
    n, c = x.shape[:2]
    stops = (n, c, out[0] * kernel[0], out[1] * kernel[1])
    if x.shape != stops:  # rows and columns that no window reaches
        x = ops.slice(x, starts=(0,) * 4, stops=stops, steps=(1,) * 4)
    parts = ops.reshape(x, shape=(n, c, out[0], kernel[0], out[1], kernel[1]))
    phases = ops.transpose(parts, perm=(3, 5, 0, 1, 2, 4))
    return ops.reshape(phases, shape=(math.prod(kernel), n * c * out[0] * out[1]))


def _together(parts: Node, like: Node, kernel: Pair, out: Sequence[Any]) -> Node:
    """The inverse of `_apart`, zeros where no window reaches."""
    n, c, height, width = like.shape
    phases = ops.reshape(parts, shape=(*kernel, n, c, *out))
    covered = (out[0] * kernel[0], out[1] * kernel[1])
    x = ops.reshape(ops.transpose(phases, perm=(2, 3, 4, 0, 5, 1)), shape=(n, c, *covered))
    high = (0, 0, height - covered[0], width - covered[1])
    return ops.pad(x, low=(0,) * 4, high=high) if any(high) else x


def max_pool2d_grad(node: Node, g: Node, x: Node) -> Node:
    """max_pool2d_grad(g, x) => g where x equals its window's maximum, for the first such position

    For windows side by side. With e the positions that equal the maximum, relu(e[i] - e[0] - ... - e[i-1]) is 1 at
    the first of them and 0 elsewhere: a product with a triangular matrix of ones, exact in any precision.
    """
    kernel, out = node.attrs["kernel"], g.shape[2:]
    size = math.prod(kernel)
    pooled = ops.reshape(ops.max_pool2d(x, **node.attrs), shape=(1, g.ty.size))
    equal = ops.cast(ops.equal(_apart(x, kernel, out), pooled), dtype=node.dtype)
    first = ops.literal(np.eye(size) - np.tri(size, k=-1), node.dtype)
    mask = ops.relu(first @ equal)
    return _together(mask * ops.reshape(g, shape=(1, g.ty.size)), x, kernel, out)
