"""Max-pooling and its gradient batch-last."""

from __future__ import annotations

import numpy as np

from ir.node import Node
from passes.layouts.batch_last import Block, Stored
from passes.layouts.windows import windows_of
from passes.strategies import knockout
from passes.strategies.chwn.taps import like, pooled, unviews, views


def max_pool2d(node: Node, block: Block, x: Stored) -> Stored:
    """max_pool2d(x) => a knockout among what the kernel positions see"""
    return pooled(node, knockout.best(views(x, windows_of(node), -np.inf)), block)


def max_pool2d_grad(node: Node, block: Block, g: Stored, x: Stored) -> Stored:
    """max_pool2d_grad(g, x) => g handed back along the knockout, to the first maximum"""
    windows = windows_of(node)
    seen = views(x, windows, -np.inf)
    return unviews(node, knockout.hand_back(like(g, seen[0]), seen), windows, block)


def max_pool2d_pick(node: Node, block: Block, v: Stored, x: Stored) -> Stored:
    """max_pool2d_pick(v, x) => the knockout of x, carrying v along"""
    windows = windows_of(node)
    return pooled(node, knockout.pick(views(v, windows, 0.0), views(x, windows, -np.inf)), block)
