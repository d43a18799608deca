"""Average pooling and its gradient in the IR's own layout NCHW."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from ir import ops
from ir.node import Node
from ir.ops.windows import Window
from passes.layouts.indices import below, count
from passes.strategies.finite import if_finite
from passes.strategies.nchw.taps import taps, untaps


def avg_pool2d(node: Node, x: Node) -> Node:
    """avg_pool2d(x) => sum of the taps / number of elements counted"""
    how = node.attrs
    windows = taps(x, node.shape[2:], how["kernel"], how["stride"], how["padding"], (1, 1))
    return reduce(ops.add, windows) * shares(how, x.shape[2:], node)


def avg_pool2d_grad(node: Node, g: Node) -> Node:
    """avg_pool2d_grad(g) => g / number of elements counted, to every tap"""
    how = node.attrs
    shared = g * shares(how, how["size"], g)
    return untaps(
        [shared] * math.prod(how["kernel"]), how["size"], how["kernel"], how["stride"], how["padding"], (1, 1)
    )


def _matrix_of_pool(node: Node, g: Node) -> Node:
    """Average pooling as a matrix [H*W,OH*OW]: pooled[N*C,OH*OW] = x[N*C,H*W] @ matrix."""
    how, (height, width), (down, across) = node.attrs, map(int, node.shape[2:]), map(int, g.shape[2:])
    seen = []
    for i, (size, out) in enumerate(((height, down), (width, across))):
        starts = count(out, i + 2, 4, how["stride"][i], -how["padding"][i])
        seen.append(ops.cast(below(count(size, i, 4) - starts, how["kernel"][i]), dtype=g.dtype))
    matrix = seen[0] * seen[1] * shares(how, how["size"], g)
    return ops.reshape(matrix, shape=(height * width, down * across))


def avg_pool2d_grad_matrix(node: Node, g: Node) -> Node:
    """avg_pool2d_grad(g) => g @ matrixᵀ, whose zeros would spread what is not finite"""
    n, c = node.shape[:2]

    def product(g: Node) -> tuple[Node, ...]:
        rows = ops.reshape(g, shape=(n * c, g.shape[2] * g.shape[3]))
        matrix = _matrix_of_pool(node, g)
        return (ops.reshape(rows @ ops.transpose(matrix, perm=(1, 0)), shape=node.shape),)

    return ops.get(if_finite(g, product, lambda g: (avg_pool2d_grad(node, g),)), index=0)


def avg_pool2d_grad_transposed(node: Node, g: Node) -> Node:
    """avg_pool2d_grad(g) => conv2d_input_grad(g, weights that are all 1 / number of elements), by channel"""
    how = node.attrs
    share = shares(how, how["size"], g)
    if share.rank:
        g, share = g * share, ops.scalar(1, g.dtype)
    weights = ops.broadcast_to(share, shape=(int(g.shape[1]), 1, *how["kernel"]))
    return ops.conv2d_input_grad(
        g,
        weights,
        size=how["size"],
        stride=how["stride"],
        padding=how["padding"],
        groups=int(g.shape[1]),
    )


def shares(how: Any, size: Sequence[Any], pooled: Node) -> Node:
    """1 / number of elements that each window counts: a scalar where all count the same, else [OH,OW]."""
    is_known = all(isinstance(dim, int) for dim in size)
    if not is_known and how["padding"] == (0, 0) and not how["ceil_mode"]:
        return ops.scalar(1 / math.prod(how["kernel"]), pooled.dtype)
    window, include_pad = Window.of(how), how["count_include_pad"]
    counts = window.counts((int(size[0]), int(size[1])), include_pad)
    if np.all(counts == counts.flat[0]):
        return ops.scalar(1 / float(counts.flat[0]), pooled.dtype)
    axes = []
    moves = zip(size, counts.shape, window.kernel, window.stride, window.padding, strict=True)
    for i, (n, o, k, s, p) in enumerate(moves):
        start = count(o, i, 2, s, -p)
        stop = ops.minimum(start + k, int(n) + p)
        inside = stop - start if include_pad else ops.minimum(stop, int(n)) - ops.maximum(start, 0)
        axes.append(ops.cast(inside, dtype=pooled.dtype))
    return ops.div(ops.scalar(1, pooled.dtype), axes[0] * axes[1])
