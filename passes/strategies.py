"""Choice of strategies: what stays one operator of the runtime, and what is expanded into primitive ops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ir import ops
from ir.node import Graph, Node
from passes import expand_nchw
from passes.rewrite import Rule, rewrite

# Dtypes for which the runtime has kernels of Conv and ConvTranspose; others go through MatMul.
CONVOLVED = ("f32", "f16")


def overruns(node: Node, size: tuple[Any, ...]) -> bool:
    """Whether a last window of a pool reaches over the padded input, where runtimes differ in what they count."""
    how = node.attrs
    pooled = node.shape if node.op is ops.avg_pool2d else node.inputs[0].shape
    windows = zip(size, pooled[2:], how["kernel"], how["stride"], how["padding"], strict=True)
    return any((o - 1) * s + k > n + 2 * p for n, o, k, s, p in windows)


def expansion(node: Node) -> Callable[..., Node] | None:
    """The function that expands `node`, or None where the runtime's own operator is right."""
    if node.op in (ops.conv2d, ops.conv2d_input_grad) and node.dtype.name in CONVOLVED:
        return None
    if node.op is ops.max_pool2d:
        return None
    if node.op is ops.avg_pool2d and not (
        node.attrs["ceil_mode"] and overruns(node, node.inputs[0].shape[2:])
    ):
        return None
    function: Callable[..., Node] = getattr(expand_nchw, node.op.name)
    return function


HEAVY = (
    *("conv2d", "conv2d_input_grad", "conv2d_weight_grad"),
    *("max_pool2d", "max_pool2d_grad", "max_pool2d_pick", "avg_pool2d", "avg_pool2d_grad"),
)


def lower(node: Node) -> Node | None:
    """A heavy op => its expansion"""
    expand = expansion(node)
    return None if expand is None else expand(node, *node.inputs)


def choose_strategies(graph: Graph, target: object) -> tuple[Graph, list[str]]:
    """`graph` with its heavy ops expanded into ops that have an emission, and a note for each."""
    rules: list[tuple[str, Rule]] = [(name, lower) for name in HEAVY]
    return rewrite(graph, rules, Counter()), []
