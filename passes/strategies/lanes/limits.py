"""Why a strategy in lanes cannot compute a node; "" where it can."""

from __future__ import annotations

from ir import ops
from ir.dims import evaluate, symbols
from ir.node import Node
from ir.types import f32
from passes.strategies.limits import on_cpu
from passes.target import Target


def in_lanes(node: Node, target: Target) -> str:
    """Whether the runtime has kernels of this machine's lanes for a convolution, or for a gradient as one."""
    how, lanes = node.attrs, target.lanes
    if not lanes:
        return "made for this machine's runtime alone"
    if why := on_cpu(node, target):
        return why
    if node.dtype is not f32 or how["groups"] != 1:
        return "made for f32 without groups"
    return (
        ""
        if _fill_lanes(node, target)
        else f"sizes do not fill lanes of {lanes}, or windows do not suit them"
    )


def _fill_lanes(node: Node, target: Target) -> bool:
    how, lanes = node.attrs, target.lanes
    if node.op is ops.conv2d_weight_grad:
        # Samples are channels there: where their number is symbolic, the one that costs assume.
        n, *size = node.inputs[0].shape
        if not all(isinstance(dim, int) for dim in (*size, *node.inputs[1].shape[2:])):
            return False
        samples = evaluate(n, {name: target.size(name) for name in symbols(n)})
        whole = int(samples) % lanes == int(node.shape[1]) % lanes == int(node.shape[0]) % lanes == 0
        return whole and bool(how["dilation"][1] == 1)
    outputs, inputs, *kernel = map(int, node.inputs[1].shape)
    if node.op is ops.conv2d:
        return fits(inputs, outputs, lanes)
    whole = outputs % lanes == inputs % lanes == 0 and how["dilation"] == (1, 1)
    if how["stride"] != (1, 1):
        return whole
    return whole and all(p < k for p, k in zip(how["padding"], kernel, strict=True))


def fits(inputs: int, outputs: int, lanes: int) -> bool:
    """Whether the kernel takes so many channels: whole lanes of outputs, and whole or less than one of inputs."""
    return lanes > 0 and outputs % lanes == 0 and (inputs % lanes == 0 or inputs < lanes)
