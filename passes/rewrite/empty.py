"""Rules for values without elements, which no kernel then has to know about: most were never tried on them."""

from __future__ import annotations

import numpy as np

from ir import ops
from ir.node import Node
from ir.types import Type
from passes.rewrite.match import Rules, with_shape

RULES = Rules()

# Sums of products and of updates: of none of them the sum is 0.
_SUMS = ("sum", "matmul", "conv2d_input_grad", "conv2d_weight_grad", "scatter_add", "put_along_axis")


def is_empty(node: Node) -> bool:
    """Whether `node` is known to have no elements."""
    return isinstance(node.type, Type) and 0 in node.type.shape and node.type.is_static


@RULES.on("*")
def empty_constant(node: Node) -> Node | None:
    """exp(x[0,3]) => an empty constant"""
    if not is_empty(node) or node.op is ops.const:
        return None
    if node.dtype.name != "bf16":
        return ops.literal(np.zeros([int(dim) for dim in node.shape], node.dtype.numpy))
    if node.op is ops.cast and node.inputs[0].op is ops.const:  # NumPy has no bf16
        return None
    return ops.cast(ops.literal(np.zeros([int(dim) for dim in node.shape], np.float32)), dtype=node.dtype)


@RULES.on(*_SUMS)
def sum_of_nothing(node: Node) -> Node | None:
    """sum(x[2,0], (1,)) => 0; so for products of matrices and for what is scattered"""
    if not is_empty(node.inputs[0]) and not (node.op.name == "matmul" and is_empty(node.inputs[1])):
        return None
    return with_shape(ops.scalar(0, node.dtype), node.shape)


@RULES.on("scatter")
def scatter_of_nothing(node: Node) -> Node | None:
    """scatter(x, i[0,3], u[0,3]) => x"""
    return node.inputs[0] if is_empty(node.inputs[1]) else None


@RULES.on("pad")
def pad_of_nothing(node: Node) -> Node | None:
    """pad(x[0,3]) => the value that it is padded with"""
    if not is_empty(node.inputs[0]):
        return None
    filler = np.asarray(node.attrs["value"], node.dtype.numpy).item()
    return with_shape(ops.scalar(filler, node.dtype), node.shape)


@RULES.on("concat")
def concat_of_nothing(node: Node) -> Node | None:
    """concat(x, y[0,3]) => concat(x)"""
    kept = [x for x in node.inputs if not is_empty(x)]
    return ops.concat(*kept, axis=node.attrs["axis"]) if 0 < len(kept) < len(node.inputs) else None
