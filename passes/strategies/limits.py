"""Why a strategy cannot compute a node for a target; "" where it can. What several backends ask is here."""

from __future__ import annotations

from ir import ops
from ir.node import Node
from ir.ops.windows import Window
from passes.layouts.lowering import POOLS
from passes.target import Target

# Dtypes for which the runtime has kernels of Conv and ConvTranspose; others go through MatMul.
CONVOLVED = ("f32", "f16")


def convolved(node: Node, target: Target) -> str:
    if node.dtype.name in CONVOLVED or (target.device == "cuda" and node.dtype.name == "bf16"):
        return ""  # CUDA computes bf16 as f32 (passes.legal_cuda), faster than by slices
    return f"the runtime has no kernel for {node.dtype}"


def static_image(node: Node, target: Target) -> str:
    shapes = [x.shape[2:] for x in (node, *node.inputs) if x.rank == 4]
    if all(isinstance(size, int) for shape in shapes for size in shape):
        return ""
    return "height and width are not fixed"


def on_cpu(node: Node, target: Target) -> str:
    return "made for CPUs" if target.device != "cpu" else static_image(node, target)


def ends(node: Node) -> tuple[Node, Node]:
    """The image of a heavy node, and what its windows give."""
    if node.op in (ops.conv2d, *POOLS):
        return node.inputs[0], node
    if node.op is ops.conv2d_weight_grad:
        return node.inputs[0], node.inputs[1]
    return node, node.inputs[0]


def end_padding(node: Node) -> list[tuple[int, int]]:
    """By how much the last windows reach over the end, and the kernel size, for both axes."""
    window = Window.of(node.attrs)
    backward = node.op in (ops.max_pool2d_grad, ops.avg_pool2d_grad)
    pooled, image = (node.inputs[0], node) if backward else (node, node.inputs[-1])
    reach = window.reach(pooled.shape[2:])
    axes = zip(reach, image.shape[2:], window.padding, window.kernel, strict=True)
    return [(int(r - n - p), k) for r, n, p, k in axes]
