"""What manifest.json says of the graphs of a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ir.node import Graph, next_name
from ir.types import Type
from lenetc.artifact.manifest import Hyperparameter, Model, Port, StateEntry
from lenetc.artifact.manifest import Range as RangeEntry
from lenetc.compiler.traces.records import Capture
from lenetc.evaluation import random
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.ranges import Probabilities, Range
from lenetc.nn.modules.module import Module


def port(name: str, type: Type) -> Port:
    """The entry of an input or a result."""
    shape = [dim if isinstance(dim, int) else str(dim) for dim in type.shape]
    return {"name": name, "dtype": type.dtype.long_name, "shape": shape}


def model(
    file: str,
    graph: Graph,
    ranges: Iterable[tuple[str, Range | Probabilities]] = (),
    gradients: Mapping[str, str] | None = None,
) -> Model:
    """The entry of a file. ranges: what the values of inputs must be; gradients: names of inputs or results, by
    state."""
    kinds: dict[str, list[str]] = {"input": [], "hyper": [], "state": []}
    passed = set((gradients or {}).values())
    types = {node.attrs["name"]: node.ty for node in graph.inputs}
    for node in graph.inputs:
        if node.attrs["name"] not in passed:
            kinds[node.attrs["kind"]].append(node.attrs["name"])
    inputs = [port(name, types[name]) for name in kinds["input"]]
    for entry in inputs:
        # One that depends on a symbolic size is looked at by the model alone.
        allowed: list[RangeEntry] = [
            {"low": r.low, "high": r.high, "ignore": r.ignore}
            for name, r in ranges
            if name == entry["name"] and isinstance(r, Range) and isinstance(r.high, int)
        ]
        if allowed:
            entry["ranges"] = allowed
    found: Model = {
        "file": file,
        "inputs": inputs,
        "hyperparameters": kinds["hyper"],
        "state": kinds["state"],
        "results": [port(name, node.ty) for name, node in graph.results if name not in passed],
        "updates": {name: next_name(name) for name, _ in graph.updates},
    }
    if gradients is not None:
        found["gradients"] = dict(gradients)
    return found


def hyperparameters(captured: Capture) -> list[Hyperparameter]:
    """The entries of a graph's scalar inputs, with the values that they had when it was traced."""
    defaults = {h.input: float(h.optimizer.option(h.group, h.key)) for h in captured.hypers}
    defaults |= {name: float(captured.floats[position]) for name, position in captured.scalars.items()}
    return [
        {"name": name, "dtype": node.dtype.long_name, "shape": [], "default": defaults[name]}
        for node in captured.graph.inputs
        if node.attrs["kind"] == "hyper" and (name := node.attrs["name"])
    ]


def kinds(cells: Mapping[str, Cell], captures: Iterable[Capture]) -> dict[str, str]:
    """What each state is: "parameter", "buffer", "optimizer" or "random"."""
    found: dict[Cell, str] = dict.fromkeys(random.generator_cells(), "random")
    for captured in captures:
        if captured.exported is not None:
            found.update(_of_modules(captured.exported.modules))
            found.update({captured.cells[name]: "optimizer" for name in captured.exported.started})
        for optimizer in captured.optimizers:
            for group in optimizer.param_groups:
                found.update(dict.fromkeys((param._cell for param in group["params"]), "parameter"))
    return {name: found.get(cell, "buffer") for name, cell in cells.items()}


def _of_modules(modules: Iterable[Module]) -> dict[Cell, str]:
    found = {}
    for module in modules:
        found.update({tensor._cell: "buffer" for tensor in module.buffers()})
        found.update({tensor._cell: "parameter" for tensor in module.parameters()})
    return found


def state_entry(name: str, cell: Cell, kind: str, *, trained: bool, initialized: bool) -> StateEntry:
    return {
        "name": name,
        "dtype": cell.type.dtype.long_name,
        "shape": [int(size) for size in cell.type.shape],
        "kind": kind,
        "trained": trained,
        "initialized": initialized,
    }
