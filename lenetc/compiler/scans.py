"""Many steps in one call: the graph that loops over them, and results put together where they run one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir import ops
from ir.dims import Dim
from ir.errors import ShapeError
from ir.node import Graph, Node
from ir.op import leaf
from ir.types import Type
from lenetc.compiler.program import compilation
from lenetc.compiler.structure import Arguments, flatten, is_array, rebuild, type_of
from lenetc.compiler.traces.records import Capture
from lenetc.evaluation.cell import known
from lenetc.tensors.tensor import Tensor
from passes.target import Target


def steps_of(leaves: list[tuple[str, Any]]) -> Any:
    """The leading axis that all arrays among `leaves` have. Raises ShapeError where they differ."""
    arrays = [(name, leaf) for name, leaf in leaves if is_array(leaf)]
    lengths = {type_of(leaf).shape[0] if type_of(leaf).rank else None for _, leaf in arrays}
    if len(lengths) != 1 or None in lengths:
        listed = ", ".join(f"{name} {type_of(leaf)}" for name, leaf in arrays)
        raise ShapeError(
            f"scan: every array needs the same leading axis, the number of steps; given: {listed}"
        )
    return next(iter(lengths))


def step_of(arguments: Arguments, values: dict[str, Any], k: int) -> dict[str, Any]:
    """The arguments of step k of a scan whose arguments are `values`: of a tensor a tensor, of an array an array."""

    def part(x: Any) -> Any:
        if isinstance(x, Tensor):
            return Tensor._from_array(x._cell.numpy()[k])
        return x[k] if is_array(x) else x

    return arguments.with_leaves(values, [part(leaf) for _, leaf in arguments.leaves(values)])


def is_one_run(captured: Capture, target: Target) -> bool:
    """Whether many steps can be one run: they leave nothing but results and state, and are not divided."""
    if captured.changed or captured.argument_grads or captured.grads or not captured.is_repeatable:
        return False
    if captured.schedules or captured.given_grads:
        return False
    return compilation(captured.graph, target).split is None


def stacked(results: list[Any]) -> Any:
    """Results of several calls, of one structure, as one result: tensors stacked, the rest as in the last."""
    columns = zip(*(flatten(result, "") for result in results), strict=True)
    leaves = (
        Tensor._from_cell(known(np.stack([item._cell.numpy() for _, item in column])))
        if isinstance(column[-1][1], Tensor)
        else column[-1][1]
        for column in columns
    )
    return rebuild(results[-1], leaves)


def scanned(graph: Graph, steps: Dim) -> Graph:
    """`graph` run `steps` times: state is carried, inputs are sequences, results are stacked."""
    by_name: dict[str, Node] = {node.attrs["name"]: node for node in graph.inputs}
    carried = [by_name[name] for name, _ in graph.updates]
    batches = [node for node in graph.inputs if node.attrs["kind"] == "input"]
    constant = [node for node in graph.inputs if node not in carried and node not in batches]
    body = Graph.make(f"{graph.name}_body", (*carried, *batches, *constant), (*graph.updates, *graph.results))
    sequences = {node: leaf(node.attrs["name"], Type(node.dtype, (steps, *node.shape))) for node in batches}
    operands = [*carried, *sequences.values(), *constant]
    run = ops.scan(*operands, body=body, carries=len(carried), sequences=len(batches), length=steps)
    outputs = [ops.get(run, index=i) for i in range(len(body.outputs))]
    inputs = [sequences.get(node, node) for node in graph.inputs]
    results = [(name, node) for (name, _), node in zip(graph.results, outputs[len(carried) :], strict=True)]
    updates = [(name, node) for (name, _), node in zip(graph.updates, outputs, strict=False)]
    return Graph.make(f"{graph.name}_scan", inputs, results, updates)
