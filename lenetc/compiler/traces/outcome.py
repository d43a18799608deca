"""What a traced function comes to: results, gradients, changed arguments and state, as one graph."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ir import ops
from ir.errors import LenetcError
from ir.node import Graph, Node, next_name
from ir.op import leaf
from ir.types import DType
from lenetc.compiler.reads.entries import is_plain
from lenetc.compiler.structure import containers, flatten, result_names
from lenetc.compiler.traces.arguments import Traced, first_name
from lenetc.compiler.traces.for_export import check_replaced, exported, keep_buffers
from lenetc.compiler.traces.history import History, Sources, history_of
from lenetc.compiler.traces.naming import free_name, state_names
from lenetc.compiler.traces.records import (
    INVALID,
    AliasOf,
    Capture,
    GradOf,
    Hyper,
    Result,
    kind_of,
)
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.scalars import Scalar
from lenetc.evaluation.tracing import Trace
from lenetc.tensors.size import Size
from lenetc.tensors.tensor import Tensor
from passes.pipeline import undisturbed
from passes.rewrite.driver import replaced, substitute

if TYPE_CHECKING:
    from lenetc.tensors.views import View


@undisturbed()
def outcome(
    function: Callable[..., Any],
    name: str,
    trace: Trace,
    traced: Traced,
    result: Any,
    error: BaseException | None,
    keeps: bool,
    again: bool,
    returns_gradients: bool,
) -> Capture:
    taken = set(traced.inputs) | set(traced.scalars)
    names = result_names(function, result)
    results: list[tuple[str, Node]] = []
    leaves: list[Result | GradOf | AliasOf | str | None] = []
    aliases = {id(alias()) for alias in trace.aliases}
    shared: dict[int, AliasOf] = {}
    by_tensor = {
        id(tensor): name for name, tensor in traced.tensors.items() if tensor._cell.trace is not trace
    }
    sharers = {id(tensor()) for tensor in trace.sharers} - by_tensor.keys()
    made: dict[Tensor, Result] = {}
    by_cell: dict[Cell, str] = {}
    is_constant = True

    def come_out(tensor: Tensor, label: str, history: History | None = None) -> Result:
        if tensor in made:
            return made[tensor]
        label = free_name(label, taken)
        taken.add(label)
        results.append((label, tensor.node))
        made[tensor] = Result(label, history or history_of(tensor, trace))
        made[tensor].same = by_cell.setdefault(tensor._cell, label)
        return made[tensor]

    for tensor in _bases(trace):  # before any history is taken off
        if tensor._cell.trace is trace:
            tensor._refresh()
    # Of gradients from outside alone, so that no tensor of the trace is held.
    by_grad = {
        id(grad): tensor
        for tensor in trace.grads
        if (grad := tensor._grad) is not None and grad._cell.trace is not trace
    }
    grad = None
    for label, (_, item) in zip(names, flatten(result, ""), strict=True):
        if id(item) in traced.arrays:
            leaves.append(traced.arrays[id(item)])
            continue
        if isinstance(item, Tensor) and (item._cell.trace is trace or id(item) in sharers):
            if item._requires_grad or item.__dict__ or type(item) is not Tensor:
                trace.effect("it returns a leaf that it has made, or one with attributes")
            elif id(item) in sharers - aliases:
                trace.effect("it returns a tensor that shows the storage of one from outside")
        if isinstance(item, Tensor) and item._cell.trace is trace:
            leaves.append(come_out(item, label))
        elif isinstance(item, Tensor) and id(item) in by_grad:
            owner = by_grad[id(item)]
            leaves.append(GradOf(by_tensor.get(id(owner), owner)))
        elif isinstance(item, Tensor) and id(item) not in by_tensor and item._cell in trace.arguments:
            if id(item) not in aliases:
                trace.effect("it returns a tensor that shows the storage of an argument")
            leaves.append(shared.setdefault(id(item), AliasOf(first_name(traced, item._cell))))
        elif isinstance(item, Tensor) and id(item) in aliases:
            leaves.append(shared.setdefault(id(item), AliasOf(item)))
        elif isinstance(item, Tensor):
            leaves.append(by_tensor.get(id(item)))
        else:
            if isinstance(item, Scalar):
                item.look()
            leaves.append(None)
            is_constant &= isinstance(item, Scalar) or _is_constant(item)
    given = {id(container) for container, _, _ in traced.containers}
    is_constant &= not any(id(container) in given for container in containers(result))
    shown = {node for _, node in results}
    item = None  # whoever still holds a tensor now has kept it
    grads, given_grads, lost, argument_grads = _gradients_left(
        trace, traced, shown, returns_gradients or error is not None, come_out
    )
    outer = [
        (by_tensor.get(id(tensor), tensor), come_out(gradient, "gradient"), retains)
        for tensor, gradient, retains in trace.outer
    ]
    trace.outer.clear()
    changed = _changed_arguments(trace, traced, results, taken)
    _check_changes(trace, traced)
    if keeps:
        keep_buffers(trace)
    sources = Sources(
        cells={node: cell for cell, node in trace.captured.items() if cell not in trace.arguments},
        arguments={node: key for key, node in reversed(traced.inputs.items())},
        numbers={
            **{
                node: node.attrs["name"]
                for scalar in traced.scalars.values()
                for node in scalar.nodes.values()
            },
            **{entry[3]: entry[3].attrs["name"] for entry in trace.hypers.values()},
        },
    )
    traced.let_go(trace)
    bases = {} if keeps or trace.exporting else _bases(trace)
    trace.bases.clear()
    trace.grads = {
        tensor: before for tensor, before in trace.grads.items() if tensor._cell.trace is not trace
    }
    trace.grads_read = {tensor for tensor in trace.grads_read if tensor._cell.trace is not trace}
    escaped, histories = _escaped(trace, made)
    if trace.exporting is not None:
        check_replaced(trace, escaped)
    for tensor in escaped:
        come_out(tensor, "kept", histories.get(id(tensor)))
    _note_views(trace, traced, made, bases, come_out)
    if any(tensor.__dict__ for tensor in made):
        trace.effect("a result is a tensor with attributes of its own")
    is_repeatable = (
        is_constant and not escaped and not any(r.history and r.history.functions for r in made.values())
    )
    invalid: Node | None = None
    if trace.checks:
        counts = [ops.reshape(count, shape=(1,)) for count, _ in trace.checks]
        taken.add(INVALID)
        invalid = counts[0] if len(counts) == 1 else ops.concat(*counts, axis=0)
        results.append((INVALID, invalid))
    gradients = []
    for parameter, node in trace.exporting.gradients if trace.exporting else ():
        label = free_name("gradient", taken)
        taken.add(label)
        results.append((label, node))
        gradients.append((parameter, label))
    graph, cells, changed_cells, hypers, at = _graph(function, name, trace, traced, results, taken, again)
    ranges = [(at[node], wanted) for node, wanted in trace.ranges if node in at]
    by_state = {cell: label for label, cell in cells.items()}
    places = {tensor._cell: traced.names.index(key) for key, tensor in reversed(traced.tensors.items())}

    def position_of(grad: Tensor | None) -> int | None:
        return None if grad is None else places.get(grad._cell)

    return Capture(
        graph=graph,
        feeds=[
            (key, i)
            for i, key in enumerate(traced.names)
            if key in traced.inputs and traced.inputs[key].attrs["name"] == key
        ],
        cells=cells,
        updated=changed_cells,
        hypers=hypers,
        scalars={
            node.attrs["name"]: traced.names.index(scalar.path)
            for scalar in traced.scalars.values()
            for node in scalar.nodes.values()
        },
        positions={key: i for i, key in enumerate(traced.names)},
        ranges=ranges,
        checks=[wanted for _, wanted in trace.checks],
        invalid=invalid,
        result=result,
        leaves=leaves,
        grads=grads,
        given_grads=given_grads,
        lost_grads=lost,
        argument_grads=argument_grads,
        gradients=[made[g] for t in trace.grads if (g := t._grad) is not None and g in made],
        changed=changed,
        grad_inputs={
            by_state[b._cell]: t for t, b in trace.grads.items() if b is not None and b._cell in by_state
        },
        grads_read=[
            (tensor, kind_of(grad), position_of(grad))
            for tensor in trace.grads_read
            if tensor in trace.grads
            for grad in (trace.grads[tensor],)
        ],
        laid=list(dict.fromkeys(trace.laid)),
        given_data=list(dict.fromkeys(trace.given_data)),
        optimizers=dict(trace.optimizers),
        baked=list(trace.baked),
        floats={traced.names.index(scalar.path): scalar.value for scalar in traced.scalars.values()},
        fixed={
            traced.names.index(scalar.path): scalar.value
            for scalar in traced.scalars.values()
            if scalar.is_looked_at
        }
        | {traced.names.index(key): value for key, value in traced.constants.items()},
        made=list(made.items()),
        outer=outer,
        histories=[
            (tensor, trace.altered[tensor])
            for key, tensor in traced.tensors.items()
            if key in changed and tensor in trace.altered
        ],
        argument_cells={traced.names.index(key): tensor._cell for key, tensor in traced.tensors.items()},
        argument_numbers={traced.names.index(key): id(tensor) for key, tensor in traced.tensors.items()},
        sources=sources,
        effects=trace.effects,
        schedules=trace.schedules,
        is_repeatable=is_repeatable,
        exported=exported(trace, gradients, by_state, at),
        error=error,
    )


def _bases(trace: Trace) -> dict[Tensor, tuple[View, Tensor]]:
    """How each view that the trace made shows which tensor."""
    views = [tensor for made in trace.made if (tensor := made()) is not None and tensor._view is not None]
    return {
        tensor: (tensor._view, base)
        for tensor in views
        if tensor._view is not None and (base := tensor._view.base()) is not None
    }


def _note_views(
    trace: Trace,
    traced: Traced,
    made: dict[Tensor, Result],
    bases: Mapping[Tensor, tuple[View, Tensor]],
    come_out: Callable[[Tensor, str], Result],
) -> None:
    """What each result that is a view shows. One that alone shows what does not come out is a tensor of its own; what
    several show comes out for them."""
    names = {tensor._cell: key for key, tensor in reversed(traced.tensors.items())}
    by_tensor = {id(tensor): key for key, tensor in traced.tensors.items()}  # two may have one storage
    results = [(result, *bases[tensor]) for tensor, result in made.items() if tensor in bases]
    shown = Counter([tensor._cell for tensor in made] + [base._cell for _, _, base in results])
    for result, view, base in results:
        if base._cell.trace is not trace:
            argument = by_tensor.get(id(base)) or names.get(base._cell)
            result.base, result.is_detached = (
                argument or base,
                base._is_detached and id(base) not in by_tensor,
            )
        elif shown[base._cell] > 1 or not callable(view.write):
            result.base = come_out(base, "base")
        if result.base is not None:
            result.view = view


def _is_constant(item: Any) -> bool:
    """Whether what a function returned beside tensors may be the same object at every call."""
    return is_plain(item) or isinstance(item, (Size, DType, enum.Enum, type))


def _changed_arguments(
    trace: Trace, traced: Traced, results: list[tuple[str, Node]], taken: set[str]
) -> dict[str, Result]:
    """The new values of tensors among the arguments that the function changed in place, as further `results`."""
    changed = {}
    for key, tensor in traced.tensors.items():
        cell = tensor._cell
        if cell.trace is not trace and cell in trace.current and key == first_name(traced, cell):
            label = free_name(next_name(key).replace(".", "_"), taken)
            taken.add(label)
            results.append((label, trace.current[cell]))
            changed[key] = Result(label, history_of(tensor, trace) if tensor in trace.altered else None)
        elif (  # a NumPy array
            cell.trace is trace and cell.node is not traced.inputs[key] and key == first_name(traced, cell)
        ):
            label = free_name(next_name(key).replace(".", "_"), taken)
            taken.add(label)
            results.append((label, cell.node))
            changed[key] = Result(label)
    return changed


def _check_changes(trace: Trace, traced: Traced) -> None:
    """Raise LenetcError for what was changed in place and cannot be outside."""
    # What .data gave inside takes its history along; the tensor that it shares storage with has none.
    aliases = {id(alias()) for alias in trace.aliases}
    for tensor in trace.altered:
        fn = tensor._grad_fn
        if id(tensor) in aliases:
            continue
        if tensor._cell not in trace.arguments and fn is not None and fn.trace is trace:
            raise LenetcError(
                f"a compiled function changed a {tensor.type_text()} from outside in place by a value that requires "
                "gradients, so that its history would begin inside: use no_grad() or detach(), or return the value"
            )


def _graph(
    function: Callable[..., Any],
    name: str,
    trace: Trace,
    traced: Traced,
    results: list[tuple[str, Node]],
    taken: set[str],
    again: bool,
) -> tuple[Graph, dict[str, Cell], list[str], list[Hyper], dict[Node, str]]:
    """The graph, its state by name, names of what it replaces, its hyperparameters, and names of leaves."""
    labels = state_names(function, trace)
    updates = {
        cell: node
        for cell, node in trace.current.items()
        if node is not trace.captured[cell] and cell not in trace.arguments
    }
    if trace.exporting is not None and trace.exporting.moved:
        new = replaced([*(node for _, node in results), *updates.values()], trace.exporting.moved)
        results[:] = [(label, new[node]) for label, node in results]
        updates = {cell: new[node] for cell, node in updates.items()}
    used = _leaves([node for _, node in results] + list(updates.values()))
    leaves: dict[Node, Node] = {}
    for nodes in traced.leaves().values():
        leaves.update((node, node) for node in nodes)
    hypers = []
    for (_, group, key, value, after), (optimizer, _, _, node) in trace.hypers.items():
        if node in used:
            leaves[node] = node
            taken.add(node.attrs["name"])
            hypers.append(Hyper(node.attrs["name"], optimizer, group, key, value, after))
    cells = {}
    for cell, node in trace.captured.items():
        if cell not in trace.arguments and (node in used or cell in updates):
            label = free_name(labels.get(cell, "tensor"), taken)
            taken.add(label)
            cells[label] = cell
            leaves[node] = leaf(label, node.ty, "state")
    if any(node not in leaves for node in used):
        raise LenetcError(
            f"the compiled function {name} uses a tensor from an earlier compiled function, whose intermediate values "
            "are never stored; return it there and pass it in here"
        )
    by_cell = {cell: label for label, cell in cells.items()}
    changed = [(by_cell[cell], node) for cell, node in updates.items()]
    title = name if name.isidentifier() else "step"
    graph = _renamed(title, results, leaves, changed)
    if again:
        _keep(graph)
    return (
        graph,
        cells,
        [label for label, _ in changed],
        hypers,
        {node: new.attrs["name"] for node, new in leaves.items()},
    )


def _renamed(
    title: str,
    results: list[tuple[str, Node]],
    leaves: dict[Node, Node],
    updates: list[tuple[str, Node]],
) -> Graph:
    """The graph with its leaves under their names: while it is there, that of an earlier trace that was the same."""
    key = (title, tuple(results), tuple(leaves.items()), tuple(updates))
    graph = _graphs.get(key)
    if graph is None:
        graph = _graphs[key] = substitute(title, results, leaves, updates)
    return graph


_graphs: WeakValueDictionary[Any, Graph] = WeakValueDictionary()


def _keep(graph: Graph) -> None:
    """Keep `graph` for the next trace that is the same, which then finds it, and its nodes, rather than makes them."""
    _kept.pop(graph, None)
    _kept[graph] = None
    while len(_kept) > _KEPT:
        del _kept[next(iter(_kept))]


_kept: dict[Graph, None] = {}
_KEPT = 16


def _leaves(nodes: Sequence[Node]) -> set[Node]:
    seen = set(nodes)
    stack = [*seen]
    while stack:
        for x in stack.pop().inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return {node for node in seen if node.op is ops.input}


def _gradients_left(
    trace: Trace,
    traced: Traced,
    shown: Collection[Node],
    keeps: bool,
    come_out: Callable[[Tensor, str], Result],
) -> tuple[
    list[tuple[Tensor, str]], list[tuple[Tensor | str, str]], list[tuple[Tensor, Node]], dict[str, str]
]:
    """What becomes of each `.grad` that the function touched.

    One that an optimizer has used up, and nobody has read or returned, stays inside. Any other comes out.
    """
    named = {id(tensor): name for name, tensor in traced.tensors.items()}
    grads, given, lost, of_arguments = [], [], [], {}
    for tensor, before in trace.grads.items():
        after = tensor._grad
        if tensor in trace.given_grads and tensor._cell.trace is not trace:
            given.append((named.get(id(tensor), tensor), named[id(after)]))
            continue
        if after is before or tensor._cell.trace is trace:
            if after is None:  # it would have been cleared, if there had been one
                trace.grads_read.add(tensor)
            continue
        label = ""
        if after is not None:
            is_inside = after._cell.trace is trace
            is_used_up = tensor in trace.stepped and tensor not in trace.grads_read
            if is_used_up and not keeps and after.node not in shown:
                lost.append((tensor, after.node))
                tensor._grad = None
                continue
            if not is_inside:  # then it is traced at every call
                continue
            label = come_out(after, "grad").name
        if id(tensor) in named:
            of_arguments[named[id(tensor)]] = label
        else:
            grads.append((tensor, label))
    return grads, given, lost, of_arguments


def _escaped(trace: Trace, known: Mapping[Tensor, Any]) -> tuple[list[Tensor], dict[int, History]]:
    """Tensors of the trace that somebody still holds, in a list or in an attribute of an object; and their histories by
    their numbers, which alone do not count as holding what is in them."""
    histories: dict[int, History] = {}
    for made in trace.made:
        tensor = made()
        if tensor is not None and tensor not in known and tensor._cell.trace is trace:
            history = history_of(tensor, trace)
            if history is not None:
                histories[id(tensor)] = history
    tensor = None
    held = [tensor for made in trace.made if (tensor := made()) is not None and tensor not in known]
    return [tensor for tensor in held if tensor._cell.trace is trace], histories
