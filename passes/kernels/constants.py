"""What a graph computes of no input: index tables, masks of padding. A runtime folds it when it loads a model; sessions
here do not ask it to, which takes longer than to fold it beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir import ops
from ir.dims import Poly
from ir.interpret import evaluate_node
from ir.node import Graph, Node
from ir.types import Array, TupleType, i32
from passes.rewrite.driver import rebuilt

_FOLDED = 65536  # elements; larger results are computed in every run, so that no model swells
_LARGEST_TABLE = 1 << 25  # the same of indices, which are i32


def constants(graph: Graph) -> set[Node]:
    """The nodes of fixed sizes that read no input, and nothing that is too large to be computed here."""
    found: set[Node] = set()
    for node in graph.nodes():
        if (
            found.issuperset(node.inputs)
            and node.op is not ops.input
            and node.op is not ops.custom
            and not isinstance(node.type, TupleType)
            and node.ty.is_static
            and int(node.ty.size) <= _LARGEST_TABLE
            and node.dtype.name != "bf16"  # NumPy has none
            and not any(isinstance(value, (Graph, Poly)) for value in node.attrs.values())
        ):
            found.add(node)
    return found


def folded(graph: Graph) -> Graph:
    """`graph` with what reads no input computed, in bodies too."""
    fixed = constants(graph)
    values: dict[Node, Array] = {}
    new: dict[Node, Node] = {}
    read = {x for node in graph.nodes() if node not in fixed for x in node.inputs} | set(graph.outputs)
    for node in graph.nodes():
        if node in fixed:
            most = _LARGEST_TABLE if node.dtype is i32 else _FOLDED
            is_kept = node.op is ops.const or node.ty.size > most
            new[node] = node if is_kept or node not in read else ops.literal(_value(node, values))
            continue
        attrs = node.attrs
        if node.op in (ops.scan, ops.cond):
            attrs = {key: folded(v) if isinstance(v, Graph) else v for key, v in attrs.items()}
        new[node] = rebuilt(node, tuple([new[x] for x in node.inputs]), attrs)
    if all(new[node] is node for node in new):
        return graph
    order = None if graph.order is None else [new[node] for node in graph.nodes()]
    return graph.with_outputs([new[node] for node in graph.outputs], order=order)


def _value(node: Node, values: dict[Node, Array]) -> Array:
    """What `node`, which reads no input, comes to; `values` are those known."""
    stack: list[Any] = [node]
    with np.errstate(all="ignore"):
        while stack:
            x = stack[-1]
            waiting = [y for y in x.inputs if y not in values]
            if x in values or waiting:
                stack.extend(waiting) if x not in values else stack.pop()
                continue
            values[stack.pop()] = evaluate_node(x, [values[y] for y in x.inputs], {})
    return values[node]
