"""Why a batch-last strategy cannot compute a node; "" where it can."""

from __future__ import annotations

from ir.node import Node
from passes.strategies.limits import convolved, on_cpu
from passes.target import Target


def dilatable(node: Node, target: Target) -> str:
    """Pixels can be a batch apart only where the batch is a number and windows move by single pixels."""
    if why := on_cpu(node, target) or convolved(node, target):
        return why
    if not isinstance(node.shape[0], int):
        return "the batch is not fixed"
    if node.shape[0] == 1:
        return "the batch is 1"
    return "" if node.attrs["stride"][1] == 1 else "windows move by more than one pixel"
