"""What a file gives: what the function returns, under the names that it has there, and the gradients that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ir.node import Graph, Node
from lenetc.compiler.structure import ArgumentError, flatten, result_names
from lenetc.compiler.traces.naming import free_name
from lenetc.compiler.traces.records import INVALID, AliasOf, Capture, GradOf, Result
from lenetc.tensors.tensor import Tensor


def returned(captured: Capture, function: Callable[..., Any]) -> Graph:
    """The traced graph with these results alone, and those that count or that files are cut by.

    State that is returned is its new value, an argument itself; a tensor that is returned twice is two results. The
    `.grad` of a parameter that the function leaves is called after it. Raises ArgumentError for a tensor that the
    function returns and neither computes nor reads.
    """
    graph = captured.graph
    nodes = dict(graph.results)
    leaves = {node.attrs["name"]: node for node in graph.inputs}
    values = {**leaves, **dict(graph.updates)}
    states = {cell: name for name, cell in captured.cells.items()}
    found: dict[str, Node] = {}

    def add(name: str, node: Node) -> None:
        found[free_name(name, {*found, *leaves})] = node

    names = result_names(function, captured.result)
    left: dict[Any, str] = dict(captured.grads)
    for name, leaf, (_, item) in zip(names, captured.leaves, flatten(captured.result, ""), strict=True):
        what = leaf.of if isinstance(leaf, AliasOf) else leaf
        if isinstance(what, Result):
            add(name, nodes[what.name])
        elif isinstance(what, str):
            add(name, leaves[what])
        elif isinstance(item, Tensor):
            cell = item._cell
            if isinstance(what, GradOf) and (label := left.get(what.tensor)):
                add(name, nodes[label])
            elif cell in states:
                add(name, values[states[cell]])
            else:
                raise ArgumentError(
                    f"export: the result {name}, {item.type_text()}, is neither computed by the function nor state "
                    "that it reads; return what is computed"
                )
    for tensor, label in captured.grads:
        if label and tensor._cell in states and nodes[label] not in found.values():
            add(f"{states[tensor._cell]}.grad", nodes[label])
    for argument, label in captured.argument_grads.items():
        if label and nodes[label] not in found.values():
            add(f"{argument}.grad", nodes[label])
    for result in captured.changed.values():
        add(result.name, nodes[result.name])
    kept = {INVALID} | {label for _, label in (captured.exported.gradients if captured.exported else ())}
    found |= {name: node for name, node in graph.results if name in kept}
    return Graph.make(graph.name, graph.inputs, found.items(), graph.updates)
