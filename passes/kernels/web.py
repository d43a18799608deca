"""Rules for browsers: what ONNX Runtime's WebGPU provider has no kernel for, as something that it has one for.

A node without a kernel runs on the CPU between two copies, for the second of which the page waits. The provider
(onnxruntime-web 1.30) computes with f32, f16 and 32-bit integers: i64 becomes i32 on its way in, and wraps around
beyond. A kernel has at most ten buffers, and no more than eight are sure to be there on every device.
"""

from __future__ import annotations

import numpy as np

from ir import ops
from ir.node import Node
from ir.types import TupleType, bool_, i32, i64
from passes.rewrite.algebra import drop_cast
from passes.rewrite.match import Rules, is_const

RULES = Rules()
PIECES = 7  # what Split gives at once: as many buffers, and that of its operand
_NARROWED = (
    *(
        "equal",
        "less",
        "greater",
        "add",
        "sub",
        "mul",
        "neg",
        "abs",
        "sign",
        "maximum",
        "minimum",
        "where",
        "relu",
    ),
    *(
        "reshape",
        "transpose",
        "broadcast_to",
        "slice",
        "reverse",
        "pad",
        "concat",
        "sum",
        "reduce_max",
        "cumsum",
    ),
    *("gather", "scatter_add", "take_along_axis", "put_along_axis", "scatter"),
)
_I32 = np.iinfo(np.int32)

RULES.on("cast")(drop_cast)


def _fits(x: Node) -> bool:
    """Whether x may be an i32: numbers of the program are looked at."""
    if not is_const(x):
        return True
    array = x.attrs["value"].array
    return array.size == 0 or bool(_I32.min <= array.min() and array.max() <= _I32.max)


def _narrow(x: Node) -> Node:
    if is_const(x):
        return ops.literal(x.attrs["value"].array.astype(np.int32))
    return ops.iota(size=x.attrs["size"], dtype=i32) if x.op is ops.iota else ops.cast(x, dtype=i32)


@RULES.on(*_NARROWED)
def in_32_bits(node: Node) -> Node | None:
    """equal(x: i64, y) => equal(cast(x, i32), cast(y, i32)); so for whatever has no kernel for i64"""
    wide = [x for x in node.inputs if not isinstance(x.type, TupleType) and x.dtype is i64]
    if not wide or not all(map(_fits, wide)):
        return None
    made = node.op(*(_narrow(x) if x in wide else x for x in node.inputs), **node.attrs)
    return ops.cast(made, dtype=i64) if node.dtype is i64 else made


@RULES.on("log_softmax")
def log_softmax_in_parts(node: Node) -> Node | None:
    """log_softmax(x) => x - m - log(sum(exp(x - m))) with m = reduce_max(x)"""
    (x,), axes = node.inputs, (node.attrs["axis"],)
    shifted = x - ops.reduce_max(x, axes=axes, keepdims=True)
    return shifted - ops.log(ops.sum(ops.exp(shifted), axes=axes, keepdims=True))


@RULES.on("is_nan")
def unequal_to_itself(node: Node) -> Node | None:
    """is_nan(x) => logical_not(equal(x, x))"""
    (x,) = node.inputs
    return ops.logical_not(ops.equal(x, x))


@RULES.on("logical_or")
def or_by_and(node: Node) -> Node | None:
    """logical_or(x, y) => logical_not(logical_and(logical_not(x), logical_not(y)))"""
    x, y = node.inputs
    return ops.logical_not(ops.logical_and(ops.logical_not(x), ops.logical_not(y)))


@RULES.on("where")
def where_of_bools(node: Node) -> Node | None:
    """where(c, x: bool, y) => logical_or(logical_and(c, x), logical_and(logical_not(c), y))"""
    condition, x, y = node.inputs
    if node.dtype is not bool_:
        return None
    return ops.logical_or(ops.logical_and(condition, x), ops.logical_and(ops.logical_not(condition), y))


@RULES.on("get")
def split_in_groups(node: Node) -> Node | None:
    """get(split(x, sizes=(1,) * 14), 8) => get(split(get(split(x, sizes=(7, 7)), 1), sizes=(1,) * 7), 1)"""
    parts, index = node.inputs[0], node.attrs["index"]
    if parts.op is not ops.split or len(parts.attrs["sizes"]) <= PIECES:
        return None
    sizes, axis = parts.attrs["sizes"], parts.attrs["axis"]
    width = -(-len(sizes) // PIECES)  # parts of a group, so that there are no more groups than that
    groups = [sizes[i : i + width] for i in range(0, len(sizes), width)]
    group, place = divmod(index, width)
    outer = ops.split(parts.inputs[0], axis=axis, sizes=tuple(map(sum, groups)))
    inside = ops.get(outer, index=group)
    if len(groups[group]) == 1:
        return inside
    return ops.get(ops.split(inside, axis=axis, sizes=groups[group]), index=place)
