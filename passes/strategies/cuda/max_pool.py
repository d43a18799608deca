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
    """max_pool2d_grad(g, x) => g where x equals its window's maximum, for the first such position, or the last NaN

    For windows side by side. With e the positions that equal the maximum, e[i] - e[0] - ... - e[i-1] is 1 at the first
    of them and less elsewhere: a product with a triangular matrix of ones, exact in any precision. In windows with NaN
    nothing equals it, and the same is done with the positions of NaN from the other end.
    """
    kernel, out = node.attrs["kernel"], g.shape[2:]
    size = math.prod(kernel)
    pooled = ops.reshape(ops.max_pool2d(x, **node.attrs), shape=(1, g.ty.size))
    pixels = _apart(x, kernel, out)
    found = ops.concat(ops.equal(pixels, pooled), ops.is_nan(pixels), axis=0)
    first = np.eye(size) - np.tri(size, k=-1)
    ends = ops.literal(np.concatenate([first, first.T], axis=1), node.dtype)
    wins = ops.greater(ends @ ops.cast(found, dtype=node.dtype), 0.0)
    return _together(
        ops.where(wins, ops.reshape(g, shape=(1, g.ty.size)), ops.scalar(0, g.dtype)), x, kernel, out
    )
