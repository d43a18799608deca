"""Why a strategy cannot compute a node for a target; "" where it can. What several backends ask is here."""

from __future__ import annotations

from ir import ops
from ir.node import Node
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


def end_padding(node: Node) -> list[tuple[int, int]]:
    """By how much the last windows reach over the end, and the kernel size, for both axes."""
    how = node.attrs
    backward = node.op in (ops.max_pool2d_grad, ops.avg_pool2d_grad)
    pooled, image = (node.inputs[0], node) if backward else (node, node.inputs[-1])
    parts = zip(
        *(pooled.shape[2:], image.shape[2:]),
        *(how.get(key, (1, 1)) for key in ("kernel", "stride", "padding", "dilation")),
        strict=True,
    )
    return [(int((o - 1) * s + (k - 1) * d + 1 - p - n), k) for o, n, k, s, p, d in parts]
