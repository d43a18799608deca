"""What a device has no kernel for in a narrow dtype, computed in a wider one and narrowed again.

An integer that does not fit any more wraps around when it is narrowed, as it does in PyTorch; a float is rounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ir import ops
from ir.node import Graph, Node
from ir.types import DType, TupleType, bf16, f16, f32, i16, i32
from passes.rewrite.driver import rewrite
from passes.rewrite.match import Rules

# By the name of a narrow dtype: the one to compute in, and the ops that have no kernel for the narrow one.
Wider = Mapping[str, tuple[DType, frozenset[str]]]

# What moves elements and does not look at them; the runtime has kernels for all dtypes.
_MOVES = frozenset(
    "input const cast reshape transpose slice concat split gather take_along_axis reverse get scan cond "
    "stop_gradient with_gradient with_slope alias custom iota dim".split()
)
_COMPUTES = frozenset(ops.OPS) - _MOVES
# For halves the runtime would do the same by itself, but leave out the rounding between two operations here and
# there: then of two equal numbers (an element and the largest one) one is rounded, the other not, and they differ.
ON_CPU: Wider = {
    "f16": (f32, _COMPUTES),
    "bf16": (f32, _COMPUTES),
    "i16": (i32, frozenset("maximum minimum where relu pad reduce_max argmax".split())),
}


def in_wider(node: Node, table: Wider) -> Node | None:
    """log(x: bf16) => cast(log(cast(x, f32)), bf16); so for whatever `table` has"""
    if isinstance(node.type, TupleType):
        return None
    for narrow in {x.dtype for x in node.inputs}:
        wide, names = table.get(narrow.name, (narrow, frozenset()))
        if node.op.name in names:
            operands = (ops.cast(x, dtype=wide) if x.dtype is narrow else x for x in node.inputs)
            made = node.op(*operands, **node.attrs)
            return ops.cast(made, dtype=narrow) if made.dtype is not node.dtype else made
    return None


RULES = Rules()
_NARROW = (f16, bf16, i16)


@RULES.on(*sorted(frozenset().union(*(names for _, names in ON_CPU.values()))))
def in_a_wider_dtype(node: Node) -> Node | None:
    """log(x: bf16) => cast(log(cast(x, f32)), bf16); maximum(x: i16, y) => cast(maximum(cast(x, i32), ...), i16)"""
    return in_wider(node, ON_CPU)


def widened(graph: Graph, device: str, fired: Counter[str]) -> Graph:
    """`graph` over the kernels of the CPU, if it is for that; CUDA's are seen to when all others rules have fired."""
    narrow = device == "cpu" and any(
        not isinstance(node.type, TupleType) and node.dtype in _NARROW for node in graph.nodes()
    )
    return rewrite(graph, RULES, fired) if narrow else graph
