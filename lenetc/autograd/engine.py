"""Backward from tensors: which leaves a loss reaches, and what `.grad` becomes (torch.autograd).

The gradients themselves are IR nodes from `passes.autodiff`; here is only the bookkeeping that PyTorch users see:
accumulation, `retain_graph`, `create_graph`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from typing import Any

from ir import ops
from ir.errors import LenetcError, ShapeError, UnsupportedError
from ir.node import Node, building_at
from lenetc.autograd.higher import hooks_on, reachable, sources_of, with_hooks, wrap_gradient
from lenetc.evaluation.cell import Context, lock
from lenetc.evaluation.tracing import here, phase, where_now
from lenetc.tensors.grad_fn import AccumulateGrad, GradFn, set_grad_enabled
from lenetc.tensors.tensor import Tensor, require_tensors
from passes.autodiff.driver import gradients


def _outer(tensor: Tensor) -> GradFn | None:
    """Under compile, the history that `tensor` has from outside, along which gradients go on. It may have another by
    now, of what was changed in place."""
    trace = Context.trace
    fn = tensor._grad_fn if trace is None else trace.altered.get(tensor, tensor._grad_fn)
    return None if trace is None or fn is None or fn.trace is trace else fn


def _passed(functions: Sequence[GradFn], asked: Collection[Tensor]) -> list[GradFn]:
    """Those of `functions` that gradients pass on their way to the tensors that are asked for."""
    ends = {fn for tensor in asked if (fn := tensor._grad_fn) is not None}
    users: dict[GradFn, list[GradFn]] = {}
    for fn in functions:
        for child, _ in fn.next_functions:
            if child is not None:
                users.setdefault(child, []).append(fn)
    found: dict[GradFn, None] = {}
    stack = [fn for fn in functions if any(leaf in asked for leaf, _ in fn._leaves)]
    stack += [user for end in ends for user in users.get(end, ())]
    while stack:
        fn = stack.pop()
        if fn not in found:
            found[fn] = None
            stack.extend(users.get(fn, ()))
    return list(found)


def _is_outer(tensor: Tensor) -> bool:
    return _outer(tensor) is not None


def _check_inner(tensor: Tensor) -> None:
    """Refuse gradients that would have to go on outside of a compiled function at once."""
    trace = Context.trace
    if trace is not None and _is_outer(tensor):
        raise trace.refused(
            LenetcError(
                f"gradients in a compiled function reach a {tensor.type_text()} that was computed outside of it and "
                "has a history there: call backward() or grad() outside, compute the tensor inside, or pass it by "
                "detach()"
            )
        )


def _go_on(tensor: Tensor, gradient: Node, retain_graph: bool) -> None:
    """Note that backward goes on from `tensor` outside when the compiled function is done, which must not look at the
    gradients of the leaves there by then."""
    trace = Context.trace
    fn = _outer(tensor)
    assert trace is not None
    assert fn is not None
    trace.outer.append((tensor, wrap_gradient(gradient, False, ()), retain_graph))
    trace.awaited |= _leaves_of(fn)


def _check_once(received: Collection[Tensor]) -> None:
    """Refuse hooks that would be called twice, with what comes from inside of a compiled function and from outside."""
    trace = Context.trace
    if trace is None:
        return
    for tensor in received:
        if (tensor.hooks or tensor.after_grad) and tensor in trace.awaited and not _is_outer(tensor):
            raise trace.refused(
                LenetcError(
                    f"backward: a {tensor.type_text()} with hooks has gradients from inside of a compiled function and "
                    "from what was computed outside of it: call backward() outside, or compute the tensor inside"
                )
            )


def _leaves_of(fn: GradFn) -> set[Tensor]:
    """The leaves that gradients reach from `fn`, inside and outside."""
    seen, stack = {fn}, [fn]
    found: set[Tensor] = set()
    while stack:
        fn = stack.pop()
        found.update(leaf for leaf, _ in fn._leaves)
        variable = fn.variable if isinstance(fn, AccumulateGrad) else None
        if variable is not None:
            found.add(variable)
        for child, _ in fn.next_functions:
            if child is not None and child not in seen:
                seen.add(child)
                stack.append(child)
    return found


def _listed(what: str, tensors: Any) -> list[Tensor]:
    """One tensor or an iterable of several as a list. Raises DTypeError for anything else."""
    is_one = isinstance(tensors, Tensor) or not isinstance(tensors, Iterable)
    listed = [tensors] if is_one else list(tensors)
    require_tensors(f"grad: {what}", *listed)
    return listed


def _cotangents(outputs: Sequence[Tensor], given: Sequence[Tensor | None]) -> list[tuple[Node, Node]]:
    pairs = []
    require_tensors("backward", *outputs, optional=given)
    if len(outputs) != len(given):
        raise LenetcError(f"there are {len(outputs)} outputs, but {len(given)} gradients for them").at(here())
    for output, gradient in zip(outputs, given, strict=True):
        if not output.requires_grad:
            raise LenetcError(
                "element 0 of tensors does not require grad and does not have a grad_fn: nothing that it was computed "
                "from has requires_grad=True"
            ).at(here())
        if gradient is None:
            if output.numel() != 1:
                raise LenetcError(
                    f"grad can be implicitly created only for scalar outputs, but the output is {output.type_text()}; "
                    "call backward(gradient) with a gradient of the same shape"
                ).at(here())
            with phase("backward"), building_at(where_now()):
                one = ops.broadcast_to(ops.scalar(1, output.dtype), shape=output.node.shape)
            pairs.append((output.node, one))
        else:
            if gradient.shape != output.shape:
                raise ShapeError(
                    f"backward: the gradient has shape {list(gradient.shape)}, the output "
                    f"{list(output.shape)}; they must be equal"
                ).at(here())
            pairs.append((output.node, gradient.node))
    return pairs


def _check_not_freed(functions: Sequence[GradFn]) -> None:
    for fn in functions:
        if fn.freed:
            raise LenetcError(
                "Trying to backward through the graph a second time: what it had saved was freed by the first "
                f"backward() (first met at {fn.name()}). Call the first one with retain_graph=True"
            ).at(here())


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of sum(tensor * grad) to `.grad` of every leaf that was reached, or of `inputs` alone
    (torch.autograd.backward). grad_variables: an old name of grad_tensors."""
    given = grad_variables if grad_tensors is None else grad_tensors
    listed = _listed("tensors", tensors)
    grads = [given] if isinstance(given, Tensor) else list(given or [None] * len(listed))
    with lock:
        _backward(
            listed, grads, retain_graph, create_graph, None if inputs is None else _listed("inputs", inputs)
        )


def _backward(
    tensors: Sequence[Tensor],
    grads: Sequence[Tensor | None],
    retain_graph: bool | None,
    create_graph: bool,
    inputs: Sequence[Tensor] | None,
) -> None:
    pairs = _cotangents(tensors, grads)
    roots = [
        fn
        for t in tensors
        if (fn := t.grad_fn or (t._accumulator() if t.requires_grad else None)) is not None
    ]
    functions = reachable(roots)
    _check_not_freed(functions)
    targets: dict[Node, dict[Tensor, None]] = {}
    for fn in functions:
        for tensor, node in fn._leaves:
            targets.setdefault(node, {})[tensor] = None
        if fn.retained is not None and (kept := fn.retained()) is not None:
            targets.setdefault(fn.node, {})[kept] = None
    for tensor in tensors:
        if tensor.grad_fn is None or _outer(tensor) is tensor.grad_fn:
            targets.setdefault(tensor.node, {})[tensor] = None
    if inputs is not None or create_graph or (Context.trace is not None and Context.trace.exporting):
        for tensor in (*(tensor for several in targets.values() for tensor in several), *(inputs or ())):
            _check_inner(tensor)
    if inputs is not None:
        read = [leaf for fn in functions for leaf in fn._leaves]
        targets = {node: {tensor: None} for tensor in inputs for node in _read_as(tensor, read)}
        for tensor in inputs:
            tensor.retain_grad()
    with phase("backward"), building_at(where_now()):
        leaves = [leaf for fn in functions for leaf in fn._leaves]
        leaves += [(tensor, tensor.node) for tensor in tensors if tensor.grad_fn is None]
        sources = sources_of(functions, tensors, grads) if create_graph else []
        hooks, late = hooks_on(functions, leaves, create_graph, sources)
        found = gradients(pairs, list(targets), hooks, again=Context.trace is None)
        received: dict[Tensor, list[Node | None]] = {}
        for gradient, reached in zip(found, list(targets.values()), strict=True):
            for tensor in reached:
                received.setdefault(tensor, []).append(gradient)
        for tensor, parts in received.items():
            gradient = _summed(parts)
            if gradient is None:
                continue
            if _is_outer(tensor):
                _go_on(tensor, gradient, bool(retain_graph))
            else:
                gradient = late[tensor](gradient) if tensor in late else gradient
                _accumulate(tensor, gradient, create_graph, sources, with_hooks(functions))
    _check_once(received)
    if not (create_graph if retain_graph is None else retain_graph):
        for fn in functions:
            fn.freed = fn.saves


def backward_from(
    tensor: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of this tensor to `.grad` of the leaves it depends on, or of `inputs` alone
    (torch.Tensor.backward).

    gradient: what flows in, of this tensor's shape; may be left out for a single element. Raises LenetcError
    where the graph was freed by an earlier call without retain_graph, ShapeError for a gradient of another shape.
    """
    backward([tensor], [gradient], retain_graph, create_graph, inputs=inputs)


def _accumulate(
    tensor: Tensor,
    gradient: Node,
    create_graph: bool,
    sources: Sequence[tuple[Tensor, Node]],
    hooked: Sequence[GradFn],
) -> None:
    if tensor._grad_fn is None and not tensor._requires_grad:  # frozen since it was used
        return
    trace = Context.trace
    is_awaited = trace is not None and tensor in trace.awaited
    if trace is not None:  # it adds up in any order
        trace.awaited.discard(tensor)
    with set_grad_enabled(False):
        if tensor.grad is None:
            tensor.grad = wrap_gradient(gradient, create_graph, sources, hooked)
        elif create_graph:
            sources = [*sources, *sources_of([], (), [tensor.grad])]
            tensor.grad = wrap_gradient(tensor.grad.node + gradient, True, sources, hooked)
        else:
            before = tensor.grad
            own = before._cell.node if before._is_detached and before._view is None else before.node
            before._cell.node = own + gradient
    if trace is not None and is_awaited:
        trace.awaited.add(tensor)
    for hook in tuple((tensor.after_grad or {}).values()):
        if hook(tensor) is not None:
            raise LenetcError("Tensor post accumulate grad hooks should return None").at(here())


def _read_as(tensor: Tensor, leaves: Sequence[tuple[Tensor, Node]]) -> list[Node]:
    """The nodes that stand for `tensor` in a graph with these leaves."""
    if tensor.grad_fn is not None:
        return [tensor.node]
    return list(dict.fromkeys(node for leaf, node in leaves if leaf is tensor)) or [tensor.node]


def _summed(found: Sequence[Node | None]) -> Node | None:
    parts = [node for node in found if node is not None]
    return reduce(ops.add, parts) if parts else None


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of outputs with respect to inputs, without touching `.grad` (torch.autograd.grad).

    materialize_grads: zeros for an input that is not used. only_inputs: ignored, as in PyTorch.
    Raises LenetcError where an input is not used, unless allow_unused or materialize_grads; ValueError for
    materialize_grads with allow_unused=False; UnsupportedError for is_grads_batched.
    """
    if is_grads_batched:
        raise UnsupportedError("autograd.grad: is_grads_batched is not supported: use func.vmap").at(here())
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    outputs, inputs = _listed("outputs", outputs), _listed("inputs", inputs)
    asked = set(inputs)
    for output in outputs:
        _check_inner(output)
    given = (
        [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs or [None] * len(outputs))
    )
    pairs = _cotangents(outputs, given)
    for tensor in inputs:
        if not tensor.requires_grad:
            raise LenetcError(
                f"One of the differentiated Tensors does not require grad: {tensor.type_text()}"
            ).at(here())
    functions = reachable([fn for t in outputs if (fn := t.grad_fn) is not None])
    passed = _passed(functions, asked)
    _check_not_freed(passed)
    for tensor in inputs:
        own = tensor.grad_fn
        if own is not None and own.together is not None:
            every = own.together[1]
            if any(fn is not own and fn.together is not None and fn.together[1] is every for fn in functions):
                own.require_last("autograd.grad()")
    with phase("backward"), building_at(where_now()):
        leaves = [leaf for fn in functions for leaf in fn._leaves]
        for tensor in {tensor for tensor, _ in leaves if _is_outer(tensor) and tensor not in asked}:
            fn = _outer(tensor)
            if fn is not None and not asked.isdisjoint(_leaves_of(fn)):
                _check_inner(tensor)
        # A leaf's value may have been computed since, and is another node then than the one that was read.
        nodes = [_read_as(t, leaves) for t in inputs]
        wanted = [node for several in nodes for node in several]
        sources = sources_of(functions, outputs, given) if create_graph else []
        hooks, late = hooks_on(functions, leaves, create_graph, sources)
        each = iter(gradients(pairs, wanted, hooks, again=Context.trace is None))
        found = [_summed([next(each) for _ in several]) for several in nodes]
        found = [late[x](g) if g is not None and x in late else g for x, g in zip(inputs, found, strict=True)]
    if not (create_graph if retain_graph is None else retain_graph):
        for fn in passed:
            fn.freed = fn.saves
    for i, gradient in enumerate(found):
        if gradient is None and not allow_unused:
            raise LenetcError(
                f"input {i} ({inputs[i].type_text()}) was not used to compute the outputs; pass allow_unused=True "
                "to get None"
            ).at(here())
    hooked = with_hooks(functions)
    return tuple(
        (_zeros(x) if materialize_grads else None)
        if g is None
        else wrap_gradient(g, create_graph, sources, hooked)
        for g, x in zip(found, inputs, strict=True)
    )


def _zeros(x: Tensor) -> Tensor:
    return Tensor._from_node(ops.broadcast_to(ops.scalar(0, x.dtype), shape=x.node.shape))
