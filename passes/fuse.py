"""Fusion: towards what the runtime computes in one kernel.

Each ONNX node costs about 1.5 µs before it computes anything, so that at small batches fewer nodes are
faster. Convolution with bias is joined in `simplify`; the runtime itself fuses Conv and Relu.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ir import ops
from ir.node import Graph, Node
from ir.ops.rules import broadcast_shapes
from ir.types import f32
from passes import simplify
from passes.match import Rules, is_const, is_positive_mask, value_of
from passes.rewrite import used_once

if TYPE_CHECKING:
    from passes.pipeline import Target

RULES = Rules()


def fuse(graph: Graph, target: Target) -> tuple[Graph, list[str]]:
    """`graph` over the runtime's kernels, simplified again after the strategies. Notes count the rules."""
    fired: Counter[str] = Counter()
    return simplify.to_rest(graph, Rules((*simplify.RULES, *RULES)), fired), simplify.counts(fired)


def _as_gemm(node: Node) -> tuple[list[Node], dict[str, object]] | None:
    """Operands and attributes of `node` as a gemm, if it is a product of two matrices."""
    if node.op is ops.gemm:
        return list(node.inputs), dict(node.attrs)
    if node.op is ops.matmul and node.rank == 2 and all(x.rank == 2 for x in node.inputs):
        return list(node.inputs), {"trans_a": False, "trans_b": False, "alpha": 1.0, "beta": 1.0}
    return None


@RULES.on("matmul", "gemm")
def gemm_takes_transpose(node: Node) -> Node | None:
    """matmul(transpose(x), y) => gemm(x, y, trans_a=True); so for the second operand"""
    found = _as_gemm(node)
    if found is None:
        return None
    operands, attrs = found
    turned = False
    for i, key in enumerate(("trans_a", "trans_b")):
        if operands[i].op is ops.transpose:
            operands[i], attrs[key], turned = operands[i].inputs[0], not attrs[key], True
    return ops.gemm(*operands, **attrs) if turned else None


@RULES.on("matmul", "gemm")
def gemm_takes_factor(node: Node) -> Node | None:
    """matmul(mul(x, 2), y) => gemm(x, y, alpha=2); so for neg"""
    found = _as_gemm(node)
    if found is None:
        return None
    operands, attrs = found
    for i in range(2):
        x, factor = _factor(operands[i])
        if factor is not None and used_once(operands[i]):
            operands[i], attrs["alpha"] = x, attrs["alpha"] * factor  # type: ignore[operator]
            return ops.gemm(*operands, **attrs)
    return None


def _factor(node: Node) -> tuple[Node, float | None]:
    """(x, number) where `node` is x times a number; (node, None) elsewhere."""
    if node.op is ops.neg:
        return node.inputs[0], -1.0
    if node.op is ops.mul and is_const(node.inputs[1]) and node.inputs[0].type == node.type:
        value = value_of(node.inputs[1])
        return (node, None) if value is None else (node.inputs[0], float(value))
    return node, None


@RULES.on("transpose")
def transpose_of_gemm(node: Node) -> Node | None:
    """transpose(matmul(x, y)) => gemm(y, x, trans_a=True, trans_b=True)"""
    product = node.inputs[0]
    found = _as_gemm(product)
    if found is None or not used_once(product):
        return None
    (x, y, *c), attrs = found
    if c:
        return None
    return ops.gemm(y, x, **{**attrs, "trans_a": not attrs["trans_b"], "trans_b": not attrs["trans_a"]})


@RULES.on("mul", "neg")
def factor_into_gemm(node: Node) -> Node | None:
    """mul(matmul(x, y), 2) => gemm(x, y, alpha=2); so for neg"""
    product, factor = _factor(node)
    found = _as_gemm(product)
    if found is None or factor is None or not used_once(product):
        return None
    operands, attrs = found
    return ops.gemm(*operands, **{**attrs, "alpha": attrs["alpha"] * factor, "beta": attrs["beta"] * factor})  # type: ignore[operator]


@RULES.on("add", "sub")
def gemm_takes_bias(node: Node) -> Node | None:
    """add(matmul(x, y), c) => gemm(x, y, c); so for sub, and a factor of c becomes beta"""
    for i, product in enumerate(node.inputs):
        found = _as_gemm(product)
        if found is None or len(found[0]) > 2 or not used_once(product) or product.type != node.type:
            continue
        operands, attrs = found
        c, sign = node.inputs[1 - i], -1.0 if node.op is ops.sub else 1.0
        scaled, factor = _factor(c)
        if factor is not None and used_once(c):
            c, beta = scaled, factor
        else:
            beta = 1.0
        if c.rank > 2 or broadcast_shapes("gemm", c.shape, node.shape) != node.shape:
            continue
        attrs["alpha"], attrs["beta"] = (attrs["alpha"] * sign, beta) if i else (attrs["alpha"], beta * sign)  # type: ignore[operator]
        return ops.gemm(*operands, c, **attrs)
    return None


@RULES.on("cast")
def mask_of_positive(node: Node) -> Node | None:
    """cast(greater(x, 0)) => positive(x): one kernel for two, and none of bool"""
    x = is_positive_mask(node)
    return ops.positive(x) if x is not None and x.dtype is f32 and node.dtype is f32 else None
