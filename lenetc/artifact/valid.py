"""The result that says whether the labels and indices of a run were in range: a host looks at it before it goes on."""

from __future__ import annotations

from functools import reduce

import numpy as np

from ir import ops
from ir.node import Graph, Node
from ir.op import literal
from lenetc.compiler.structure import ArgumentError
from lenetc.compiler.traces.records import INVALID, Capture
from lenetc.evaluation.ranges import misses

VALID = "valid"


def with_valid(captured: Capture) -> Graph:
    """The traced graph with the result `valid`, bool[], in the place of counts, where there is anything to count.

    Raises ArgumentError where the function has an input or a result of that name.
    """
    graph = captured.graph
    counts = [ops.sum(node, axes=(0,)) for key, node in graph.results if key == INVALID]
    for name, wanted in captured.ranges:
        counts.append(misses(graph.input_named(name), wanted))
    results = [(key, node) for key, node in graph.results if key != INVALID]
    named = {key for key, _ in results} | ({node.attrs["name"] for node in graph.inputs} if counts else set())
    if VALID in named:
        raise ArgumentError(
            f"export: {VALID!r} is the result of a file that says whether labels and indices are in range; call the "
            "function's own input or result otherwise"
        )
    if counts:
        total: Node = reduce(ops.add, counts)
        results.append((VALID, ops.equal(total, literal(np.int64(0)))))
    return Graph.make(graph.name, graph.inputs, results, graph.updates)
