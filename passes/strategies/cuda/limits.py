"""Why a strategy for CUDA cannot compute a node; "" where it can."""

from __future__ import annotations

from ir.node import Node
from passes.strategies.limits import static_image
from passes.target import Target


def on_cuda(node: Node, target: Target) -> str:
    return static_image(node, target) if target.device == "cuda" else "made for CUDA"


def side_by_side(node: Node, target: Target) -> str:
    """Whether windows touch and do not overlap, and none reaches over the end."""
    how, size = node.attrs, node.shape[2:]
    if why := on_cuda(node, target):
        return why
    if how["kernel"] != how["stride"] or any(how["padding"]) or how.get("dilation", (1, 1)) != (1, 1):
        return "windows are not side by side"
    covered = [o * k for o, k in zip(node.inputs[0].shape[2:], how["kernel"], strict=True)]
    return "" if all(c <= s for c, s in zip(covered, size, strict=True)) else "a window reaches over the end"
