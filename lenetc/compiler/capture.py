"""Trace a function once: its IR graph, the state it keeps, and what must stay true for the graph to stay right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from ir import ops
from ir.errors import LenetcError
from ir.node import Graph, Node, topological
from ir.op import leaf
from ir.types import Type, f32
from lenetc.compiler.structure import Arguments, flatten, is_array, rebuild, result_names
from lenetc.compiler.variables import Variables
from lenetc.evaluation.cell import Cell, Context
from lenetc.evaluation.random import default_generator
from lenetc.evaluation.ranges import Range
from lenetc.evaluation.tracing import Trace, traced_leaves, tracing
from lenetc.nn.modules.module import attributes_of
from lenetc.tensors.tensor import Tensor
from passes.rewrite.driver import substitute

if TYPE_CHECKING:
    from lenetc.nn.modules.module import Module
    from lenetc.optim.optimizer import Optimizer


# An option that a trace took for a constant: the optimizer, the number of its param group, the name, the value.
Baked: TypeAlias = "tuple[Optimizer, int, str, Any]"


@dataclass
class Hyper:
    """A scalar input read from an optimizer's param group at every call."""

    input: str
    optimizer: Optimizer
    group: int
    key: str


@dataclass
class Capture:
    """A traced function.

    graph: (inputs, hyperparameters, state) -> (results, new state). cells: the state inputs, by name, in order;
    updated: names of those that the graph replaces. result: what the function returned, with tensors in it, which
    `result_leaves` numbers among the graph's results (None for what is not a tensor).
    """

    graph: Graph
    cells: dict[str, Cell]
    updated: list[str]
    hypers: list[Hyper]
    scalars: list[str]
    ranges: list[
        tuple[str, Range]
    ]  # inputs, and state that is not replaced, each with what its values must be
    result: Any
    result_leaves: list[int | None]
    grads: list[
        tuple[Tensor, str]
    ]  # tensors whose .grad the function leaves behind, with the result that holds it
    lost_grads: list[Tensor]  # ... and those whose .grad stays inside
    # State that is the .grad of a tensor: a new object whenever gradients are computed anew, so looked up at each run.
    grad_inputs: dict[str, Tensor]
    guard: Guard


class Guard:
    """What a trace took for granted beyond its arguments. `holds` is cheap while nothing has changed."""

    def __init__(self, trace: Trace, variables: Variables) -> None:
        self.variables = variables
        variables.keep_unchanged()
        # Without what forward() itself assigns, e.g. a count of its calls.
        self.modules = {
            module: [name for name, state in attributes_of(module).items() if before.get(name) == state]
            for module, before in trace.modules.items()
        }
        self.optimizers = dict(trace.optimizers)
        self.baked = list(trace.baked)
        self.options = _options(self.baked)
        self.parts = [entry for entry in self.baked if entry[2] in entry[0]._parts]
        self.grads = [(tensor, _kind(trace.grads[tensor])) for tensor in trace.grads_read]
        self.epoch = Context.epoch
        self.is_stale = False
        self.snapshot = self._snapshot()

    def _snapshot(self) -> tuple[Any, ...]:
        """Modes and other plain attributes, children, parameters and what requires grad, buffers, groups, optimizer
        state. Of tensors and modules identity, not value, is what a program depends on."""
        modes = tuple(
            tuple((name, type(value := getattr(m, name, None)), value) for name in names)
            for m, names in self.modules.items()
        )
        children = tuple(id(child) for m in self.modules for child in m._modules.values())
        buffers = tuple(id(b._cell) for m in self.modules for b in m._buffers.values() if b is not None)
        parameters = tuple(
            (id(p._cell), p.requires_grad)
            for m in self.modules
            for p in m._parameters.values()
            if p is not None
        )
        groups = tuple(
            tuple(id(p._cell) for p in g["params"]) for o in self.optimizers for g in o.param_groups
        )
        state = tuple(
            id(value._cell)
            for optimizer in self.optimizers
            for values in optimizer.state.values()
            for value in values.values()
            if isinstance(value, Tensor)
        )
        return modes, children, parameters, buffers, groups, state

    def holds(self) -> bool:
        if self.epoch != Context.epoch:
            self.epoch = Context.epoch
            self.is_stale = self._snapshot() != self.snapshot
        if self.is_stale:
            return False
        for tensor, kind in self.grads:
            if _kind(tensor._grad) is not kind:
                return False
        if not self.variables.hold():
            return False
        for optimizer, index, get, values in self.options:
            if get(optimizer.param_groups[index]) != values:
                return False
        return not self.parts or not self._changed(self.parts)

    def promote(self) -> None:
        """Make hyperparameters that have changed since the trace inputs of the next one."""
        for optimizer, group, key, value in self._changed(self.baked):
            if isinstance(value, float):
                optimizer._dynamic.add((group, key))

    @staticmethod
    def _changed(baked: Sequence[Baked]) -> list[Baked]:
        """Those of the options whose values are others now."""
        return [entry for entry in baked if entry[0].option(entry[1], entry[2]) != entry[3]]


def _options(baked: Sequence[Baked]) -> list[tuple[Optimizer, int, Callable[[Any], Any], Any]]:
    """For each optimizer and param group: what reads the options that are built in, all in one go, and what it
    gave. Without numbers inside of options (betas)."""
    wanted: dict[tuple[Optimizer, int], dict[str, Any]] = {}
    for optimizer, index, key, value in baked:
        if key not in optimizer._parts:
            wanted.setdefault((optimizer, index), {})[key] = value
    return [
        (
            optimizer,
            index,
            itemgetter(*values),
            (*values.values(),) if len(values) > 1 else next(iter(values.values())),
        )
        for (optimizer, index), values in wanted.items()
    ]


def _kind(grad: Tensor | None) -> type | None:
    """What a program that reads a `.grad` depends on: whether there is one, and whether it has a value."""
    return None if grad is None else type(grad)


def capture(
    function: Callable[..., Any], arguments: Arguments, values: dict[str, Any], types: Mapping[str, Type]
) -> Capture:
    """Trace `function` called with `values`, whose arrays are replaced by inputs of `types`.

    Raises what the function raises; nothing of the user's is changed then.
    """
    Context.evaluate_pending()
    trace = Trace()
    variables = Variables(function)
    name = getattr(function, "__name__", "step")
    inputs: list[Node] = []
    scalars: list[str] = []
    with tracing(trace):
        traced: dict[str, Any] = {}
        for key, value in values.items():
            leaves = []
            for path, item in flatten(value, key):
                if is_array(item):
                    inputs.append(leaf(path, types[path]))
                    leaves.append(Tensor._from_node(inputs[-1]))
                elif isinstance(item, float):
                    inputs.append(leaf(path, Type(f32, ()), "hyper"))
                    scalars.append(path)
                    leaves.append(Tensor._from_node(inputs[-1]))
                else:
                    leaves.append(item)
            traced[key] = rebuild(value, iter(leaves))
        traced_leaves.update(inputs)
        try:
            result = arguments.call(function, traced)
            return _finish(name, function, trace, inputs, scalars, result, variables)
        finally:
            for tensor, before in trace.grads.items():
                tensor._grad = before


def _finish(
    name: str,
    function: Callable[..., Any],
    trace: Trace,
    inputs: list[Node],
    scalars: list[str],
    result: Any,
    variables: Variables,
) -> Capture:
    names = result_names(function, result)
    results: list[tuple[str, Node]] = []
    result_leaves: list[int | None] = []
    taken = {node.attrs["name"] for node in inputs}
    for label, (_, item) in zip(names, flatten(result, ""), strict=True):
        if isinstance(item, Tensor):
            result_leaves.append(len(results))
            results.append((_free(label, taken), item.node))
            taken.add(results[-1][0])
        else:
            result_leaves.append(None)
    grads, lost, carried = _gradients_left(trace, results, taken)
    results += carried
    labels = state_names(function, trace)
    updates = {cell: node for cell, node in trace.current.items() if node is not trace.captured[cell]}
    used = _leaves([node for _, node in results] + list(updates.values()))
    leaves: dict[Node, Node] = {node: node for node in inputs}
    hypers = []
    for optimizer, group, key, node in trace.hypers.values():
        if node in used:
            leaves[node] = node
            hypers.append(Hyper(node.attrs["name"], optimizer, group, key))
    cells = {}
    for cell, node in trace.captured.items():
        if node in used or cell in updates:
            label = _free(labels.get(cell, "tensor"), taken)
            taken.add(label)
            cells[label] = cell
            leaves[node] = leaf(label, node.ty, "state")
    stray = [node for node in used if node not in leaves]
    if stray:
        raise LenetcError(
            f"the compiled function {name} uses a tensor from an earlier compiled function, whose intermediate values "
            "are never stored; return it there and pass it in here"
        )
    by_cell = {cell: label for label, cell in cells.items()}
    changed = [(by_cell[cell], node) for cell, node in updates.items()]
    graph = substitute(name if name.isidentifier() else "step", results, leaves, changed)
    ranges = [(leaves[node].attrs["name"], wanted) for node, wanted in trace.ranges if node in leaves]
    return Capture(
        graph=graph,
        cells=cells,
        updated=[label for label, _ in changed],
        hypers=hypers,
        scalars=scalars,
        ranges=ranges,
        result=result,
        result_leaves=result_leaves,
        grads=grads,
        lost_grads=lost,
        grad_inputs={
            by_cell[b._cell]: t for t, b in trace.grads.items() if b is not None and b._cell in by_cell
        },
        guard=Guard(trace, variables),
    )


def _leaves(nodes: Sequence[Node]) -> set[Node]:
    return {node for node in topological((), nodes) if node.op is ops.input}


def _gradients_left(
    trace: Trace, results: list[tuple[str, Node]], taken: set[str]
) -> tuple[list[tuple[Tensor, str]], list[Tensor], list[tuple[str, Node]]]:
    """What becomes of each `.grad` that the function touched.

    One that is also returned is seen from outside. One that the function read before it wrote accumulates over
    calls, so it must come out as well. Any other stays inside.
    """
    by_node = {node: label for label, node in results}
    grads, lost, carried = [], [], []
    for tensor, before in trace.grads.items():
        after = tensor._grad
        if after is before or after is None:
            if after is None and before is not None:
                grads.append((tensor, ""))
            continue
        node = after.node
        if node in by_node:
            grads.append((tensor, by_node[node]))
        elif tensor in trace.grads_read:
            label = _free("grad", taken)
            taken.add(label)
            carried.append((label, node))
            grads.append((tensor, label))
        else:
            lost.append(tensor)
    return grads, lost, carried


def _free(name: str, taken: set[str]) -> str:
    candidate, n = name, 1
    while candidate in taken:
        candidate, n = f"{name}_{n}", n + 1
    return candidate


def state_names(function: Callable[..., Any], trace: Trace) -> dict[Cell, str]:
    """Names of the state a trace may have met: PyTorch's dotted names for parameters and buffers, the name of
    the parameter and of the quantity for optimizer state, variable names for other tensors."""
    names: dict[Cell, str] = {}
    variables = _variables(function)
    inner = {child for module in trace.modules for child in module.modules() if child is not module}
    roots: list[Module] = [module for module in trace.modules if module not in inner]
    for root in roots:
        prefix = ""
        if len(roots) > 1:
            prefix = (
                next((key for key, value in variables.items() if value is root), type(root).__name__.lower())
                + "."
            )
        for label, tensor in (*root.named_parameters(), *root.named_buffers()):
            names.setdefault(tensor._cell, prefix + label)
            if isinstance(tensor._grad, Tensor):
                names.setdefault(tensor._grad._cell, f"{prefix}{label}.grad")
    for key, value in variables.items():
        if isinstance(value, Tensor):
            names.setdefault(value._cell, key)
    for optimizer in trace.optimizers:
        for parameter, state in optimizer.state.items():
            owner = names.get(parameter._cell, "parameter")
            for key, value in state.items():
                if isinstance(value, Tensor):
                    names.setdefault(value._cell, "optimizer.step" if key == "step" else f"{owner}.{key}")
    names.update({cell: label for label, cell in default_generator.cells().items()})
    return names


def _variables(function: Callable[..., Any]) -> dict[str, Any]:
    """The function's closure and the globals that it names."""
    code = getattr(function, "__code__", None)
    if code is None:
        return {}
    found = {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # a variable that is assigned later
            continue
    return found
