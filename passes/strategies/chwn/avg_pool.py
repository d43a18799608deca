"""Average pooling and its gradient batch-last."""

from __future__ import annotations

from functools import reduce
from typing import Any

from ir import ops
from ir.node import Node
from passes.layouts.batch_last import Block, Stored, reshape
from passes.layouts.windows import windows_of
from passes.strategies.chwn.taps import like, pooled, unviews, views
from passes.strategies.nchw.avg_pool import shares


def _share(node: Node, size: Any, pooled: Node) -> Node:
    share = shares(node.attrs, size, pooled)
    return share if share.rank == 0 else reshape(share, (1, share.shape[0] * share.shape[1], 1))


def avg_pool2d(node: Node, block: Block, x: Stored) -> Stored:
    """avg_pool2d(x) => sum of what the kernel positions see / number of elements counted"""
    total = reduce(ops.add, views(x, windows_of(node), 0.0))
    return pooled(node, total * _share(node, x.shape[2:], node), block)


def avg_pool2d_grad(node: Node, block: Block, g: Stored) -> Stored:
    """avg_pool2d_grad(g) => g / number of elements counted, to every kernel position"""
    windows = windows_of(node)
    shared = like(g) * _share(node, node.attrs["size"], g.node)
    return unviews(node, [shared] * (windows.kernel[0] * windows.kernel[1]), windows, block)
