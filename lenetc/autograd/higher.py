"""Gradients that have a history of their own (create_graph), and the hooks that gradients meet on their way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from ir import ops
from ir.node import Node
from lenetc.autograd.hooks import calling, hooks_of
from lenetc.evaluation.cell import Context
from lenetc.tensors.grad_fn import AccumulateGrad, GradFn, grad_fn_class
from lenetc.tensors.tensor import Tensor

Leaves = Sequence[tuple[Tensor, Node]]  # with the nodes as which they were read


def reachable(roots: Sequence[GradFn]) -> list[GradFn]:
    seen: dict[GradFn, None] = {}
    stack = list(reversed(roots))
    trace = Context.trace
    while stack:
        fn = stack.pop()
        if fn not in seen and (fn.trace is trace or trace is None or isinstance(fn, AccumulateGrad)):
            seen[fn] = None
            stack.extend(child for child, _ in reversed(fn.next_functions) if child is not None)
    return list(seen)


def wrap_gradient(node: Node, create_graph: bool, read: Leaves, hooked: Sequence[GradFn] = ()) -> Tensor:
    """A gradient as a tensor; with `create_graph` one that depends on the leaves that were read, if it does. hooked:
    operations whose hooks gradients of it meet."""
    result = Tensor._from_node(node)
    leaves = list(dict.fromkeys(read)) if create_graph else []
    has_history = bool(leaves) and _depends(node, {node for _, node in leaves})
    result._is_detached = not has_history  # later gradients end here, though its formula goes on
    if has_history:
        edges = [*(tensor._accumulator() for tensor, _ in leaves), *hooked]
        result._set_grad_fn(grad_fn_class("GradBackward0")(node, edges, leaves, saves=True))
    return result


def sources_of(
    functions: Sequence[GradFn], outputs: Sequence[Tensor], given: Sequence[Tensor | None]
) -> list[tuple[Tensor, Node]]:
    """The leaves that gradients of gradients may reach, as they were read: those of the graph and of what was given
    for its outputs."""
    flowing = [x for x in given if x is not None and x.requires_grad]
    functions = [*functions, *reachable([fn for x in flowing if (fn := x.grad_fn) is not None])]
    leaves = [leaf for fn in functions for leaf in fn._leaves]
    return leaves + [(x, x.node) for x in (*outputs, *flowing) if x.grad_fn is None]


def hooks_on(
    functions: Sequence[GradFn],
    leaves: Leaves,
    create_graph: bool,
    sources: Leaves,
) -> tuple[Mapping[Node, Callable[[Node], Node]], dict[Tensor, Callable[[Node], Node]]]:
    """The hooks by node; and those of leaves that were read as several nodes, as somebody has looked at their value
    in between or changed it, which are called once, with the sum."""
    hooked = with_hooks(functions)
    history = partial(wrap_gradient, create_graph=True, read=sources, hooked=hooked) if create_graph else None
    nodes: dict[Tensor, set[Node]] = {}
    for leaf, node in leaves:
        nodes.setdefault(leaf, set()).add(node)
    once = [(leaf, node) for leaf, node in leaves if len(nodes[leaf]) == 1]
    late = {
        leaf: calling(tuple(leaf.hooks.values()), history)
        for leaf, several in nodes.items()
        if len(several) > 1 and leaf.hooks
    }
    return hooks_of(functions, once, history), late


def with_hooks(functions: Sequence[GradFn]) -> list[GradFn]:
    """Those that somebody is told of when gradients pass."""
    return [fn for fn in functions if fn.hooks or fn.retained is not None]


def _depends(node: Node, leaves: Collection[Node]) -> bool:
    """Whether gradients of `node` may reach one of these."""
    seen, stack = {node}, [node]
    while stack:
        node = stack.pop()
        if node in leaves:
            return True
        inputs = () if node.op is ops.stop_gradient else node.inputs
        stack += [x for x in inputs if x not in seen]
        seen.update(inputs)
    return False
