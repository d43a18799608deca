"""Average pooling and its gradient in the IR's own layout NCHW."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache, reduce
from typing import Any

import numpy as np

from ir import ops
from ir.node import Node
from ir.ops.windows import Pair, Window
from ir.types import Array, DType
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


@lru_cache(maxsize=64)
def _pool_matrix(size: Pair, **how: Any) -> Array:
    """Average pooling as a matrix, f64[H*W,OH*OW]: pooled[N*C,OH*OW] = x[N*C,H*W] @ matrix."""
    area = size[0] * size[1]
    pixels = np.eye(area).reshape(area, 1, *size)  # an image for each pixel
    matrix: Array = ops.avg_pool2d.reference(pixels, **how).reshape(area, -1)
    return matrix


def _matrix_of_pool(size: Sequence[Any], how: Mapping[str, Any], dtype: DType) -> Node:
    """`_pool_matrix` for the attributes of avg_pool2d or of its gradient."""
    moves = {key: value for key, value in how.items() if key != "size"}
    return ops.literal(_pool_matrix((int(size[0]), int(size[1])), **moves), dtype)


def avg_pool2d_grad_matrix(node: Node, g: Node) -> Node:
    """avg_pool2d_grad(g) => g @ matrixᵀ, whose zeros would spread what is not finite"""
    n, c, h, w = node.shape

    def product(g: Node) -> tuple[Node, ...]:
        rows = ops.reshape(g, shape=(n * c, g.shape[2] * g.shape[3]))
        matrix = _matrix_of_pool((h, w), node.attrs, g.dtype)
        return (ops.reshape(rows @ ops.transpose(matrix, perm=(1, 0)), shape=node.shape),)

    return ops.get(if_finite(g, product, lambda g: (avg_pool2d_grad(node, g),)), index=0)


def avg_pool2d_grad_transposed(node: Node, g: Node) -> Node:
    """avg_pool2d_grad(g) => conv2d_input_grad(g, weights that are all 1 / number of elements), by channel"""
    how = node.attrs
    share = shares(how, how["size"], g)
    weights = np.ones((int(g.shape[1]), 1, *how["kernel"]))
    if share.op is ops.const and share.rank == 0:
        weights *= share.attrs["value"].array
    else:
        g = g * share
    return ops.conv2d_input_grad(
        g,
        ops.literal(weights, g.dtype),
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
    counts = Window.of(how).counts((int(size[0]), int(size[1])), how["count_include_pad"])
    value = 1 / counts
    return (
        ops.scalar(float(value.flat[0]), pooled.dtype)
        if np.all(counts == counts.flat[0])
        else ops.literal(value, pooled.dtype)
    )
