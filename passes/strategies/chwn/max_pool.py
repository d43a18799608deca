"""Max-pooling and its gradient batch-last."""

from __future__ import annotations

import math

from ir import ops
from ir.node import Node
from passes.layouts.batch_last import Block, Stored, reshape
from passes.layouts.windows import Windows, windows_of
from passes.strategies import knockout
from passes.strategies.chwn.taps import like, pooled, unviews, views
from passes.strategies.nchw.taps import outside


def max_pool2d(node: Node, block: Block, x: Stored) -> Stored:
    """max_pool2d(x) => a knockout among what the kernel positions see"""
    return pooled(node, knockout.best(views(x, windows_of(node), -math.inf)), block)


def max_pool2d_grad(node: Node, block: Block, g: Stored, x: Stored) -> Stored:
    """max_pool2d_grad(g, x) => g handed back along the knockout, to the first maximum"""
    windows = windows_of(node)
    seen = views(x, windows, -math.inf)
    parts = ops.sum(g.natural(), axes=(1, 2, 3))  # which the gradient of a bias is as well
    pieces = knockout.hand_back_if_finite(like(g, seen[0]), parts, seen, _outside(x, windows))
    return unviews(node, pieces, windows, block)


def max_pool2d_pick(node: Node, block: Block, v: Stored, x: Stored) -> Stored:
    """max_pool2d_pick(v, x) => the knockout of x, carrying v along"""
    windows = windows_of(node)
    seen = views(x, windows, -math.inf)
    return pooled(node, knockout.pick(views(v, windows, 0.0), seen, _outside(x, windows)), block)


def _outside(x: Stored, windows: Windows) -> list[Node | None]:
    """Where views of x are padding, in a shape that broadcasts to [C, OH*OW, N]."""
    masks = outside(x.pixels, *windows)
    return [None if mask is None else reshape(mask, (1, mask.ty.size, 1)) for mask in masks]
