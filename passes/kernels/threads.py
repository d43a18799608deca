"""How many threads a program runs on: they meet after every operator, which small ones do not repay."""

from __future__ import annotations

from ir import ops
from ir.dims import Dim, evaluate, symbols
from ir.node import Graph, Node
from ir.types import Type
from passes.kernels.constants import constants
from passes.strategies.costs import ELEMENT

# µs of arithmetic that one thread does alone. LeNet's step took, on one thread and on two: 232 and 254 µs for one
# sample (of which the estimate is 60), 610 and 690 for 8 (230), and the same 900 for 16 (400).
_ALONE = 300.0
_MAC = 1 / 165e3  # µs, a multiply-add in a product, as it was then


def threads(graph: Graph, available: int) -> int:
    """The number of threads for a lowered graph: one, or all that are `available`."""
    return 1 if compute_time(graph) < _ALONE else available


def compute_time(graph: Graph) -> float:
    """What the arithmetic of a lowered graph takes on one thread, in µs; of a scan one step counts, of a cond what is
    for finite numbers, and symbolic dims count as 1."""
    fixed = constants(graph)
    return sum(_compute_time(node) for node in graph.operations() if node not in fixed)


def _compute_time(node: Node) -> float:
    if node.op is ops.scan:
        return compute_time(node.attrs["body"])
    if node.op is ops.cond:
        return compute_time(node.attrs["then"])
    if node.op in (ops.reshape, ops.get):
        return 0.0
    types = [node.type] if isinstance(node.type, Type) else node.type.items
    return _multiply_adds(node) * _MAC + sum(_number(t.size) for t in types) * ELEMENT


def _multiply_adds(node: Node) -> int:
    if node.op in (ops.matmul, ops.gemm):
        depth = node.inputs[0].shape[-2 if node.attrs.get("trans_a") else -1]
        return _number(node.ty.size) * _number(depth)
    if node.op in (ops.conv2d, ops.conv2d_input_grad):
        windows = node if node.op is ops.conv2d else node.inputs[0]
        return _number(windows.ty.size) * _number(node.inputs[1].ty.size) // _number(node.inputs[1].shape[0])
    return 0


def _number(size: Dim) -> int:
    return int(evaluate(size, dict.fromkeys(symbols(size), 1)))
