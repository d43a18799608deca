"""What a call gives back: results, gradients and changed arguments, with a run's values and a trace's history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ir import ops
from ir.types import Type
from lenetc import runtime
from lenetc.autograd.engine import backward
from lenetc.compiler.structure import flatten, rebuild
from lenetc.compiler.traces.history import Call, attach
from lenetc.compiler.traces.records import AliasOf, Capture, GradOf, Result
from lenetc.evaluation.cell import Cell, Counts
from lenetc.evaluation.scalars import Scalar, plain
from lenetc.runtime import Value
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor
from lenetc.tensors.views import View


def finished(captured: Capture, values: Mapping[str, Value], leaves: Sequence[Any], call: Call | None) -> Any:
    """The result of the traced call itself: what the trace made gets its values, and what the function returned is
    returned as it is. Raises what the function raised."""
    for tensor, fn in captured.histories:
        tensor._grad_fn = fn
    given: dict[Cell, None] = {}
    for tensor, result in captured.made:
        if tensor._cell not in given:
            tensor._cell.given(values[result.name])
            given[tensor._cell] = None
    for tensor, result in captured.made:
        if result.history is not None:
            attach(tensor, result.history, call, {})
    by_label = {result.name: tensor for tensor, result in captured.made}
    _go_on(captured, leaves, lambda result: by_label[result.name])
    _change(captured, values, leaves, call)
    _show(captured.made, captured, leaves, lambda base: by_label[base.name])
    captured.made = []
    for name, label in captured.argument_grads.items():
        if not label:
            leaves[captured.positions[name]]._grad = None
    if captured.error is not None:
        raise captured.error
    result = captured.result
    flat = [item for _, item in flatten(result, "")]
    # What is handed out is not kept.
    static = [plain(item) if what is None else None for what, item in zip(captured.leaves, flat, strict=True)]
    captured.result = rebuild(result, iter(static))
    returned = [leaves[captured.positions[what]] for what in captured.leaves if isinstance(what, str)]
    if any(isinstance(item, Scalar) for item in flat) or any(
        isinstance(leaf, np.ndarray) for leaf in returned
    ):
        out = [
            leaves[captured.positions[what]] if isinstance(what, str) else plain(item)
            for what, item in zip(captured.leaves, flat, strict=True)
        ]
        return rebuild(result, iter(out))
    return result


def handed_out(
    captured: Capture,
    values: Mapping[str, tuple[Type, Value]],
    leaves: Sequence[Any],
    call: Call | None,
    has_history: bool,
) -> Any:
    """The result of a later call, or of a scan, which has no history: new tensors in the places of the traced ones."""
    made: dict[str, Tensor] = {}

    def tensor_of(result: Result) -> Tensor:
        if result.name not in made:
            type, value = values[result.name]
            cell = made[result.same]._cell if result.same in made else Cell(type, value=value)
            made[result.name] = tensor = Tensor._from_cell(cell)
            if result.history is not None and has_history:
                attach(tensor, result.history, call, _arguments(captured, leaves))
        return made[result.name]

    static = (item for _, item in flatten(captured.result, ""))
    by_label = {result.name: result for result in captured.results()}
    for parameter, name in captured.grads:
        parameter._grad = tensor_of(by_label[name]) if name else None
    for name, label in captured.argument_grads.items():
        leaves[captured.positions[name]]._grad = tensor_of(by_label[label]) if label else None
    for owner, name in captured.given_grads:
        tensor = leaves[captured.positions[owner]] if isinstance(owner, str) else owner
        tensor._grad = leaves[captured.positions[name]]

    aliases: dict[int, Tensor] = {}

    def leaf_of(what: Result | GradOf | AliasOf | str | None, item: Any) -> Any:
        if isinstance(what, Result):
            return tensor_of(what)
        if isinstance(what, GradOf):
            return (
                leaves[captured.positions[what.tensor]] if isinstance(what.tensor, str) else what.tensor
            )._grad
        if isinstance(what, AliasOf):
            if id(what) not in aliases:
                tensor = leaves[captured.positions[what.of]] if isinstance(what.of, str) else what.of
                aliases[id(what)] = tensor.detach()
            return aliases[id(what)]
        return plain(item) if what is None else leaves[captured.positions[what]]

    views = (what for what in captured.leaves if isinstance(what, Result) and what.view is not None)
    shown = {what.name: what for what in views if has_history}
    out = [leaf_of(what, item) for what, item in zip(captured.leaves, static, strict=True)]
    for result in shown.values():
        if isinstance(result.base, Result):
            tensor_of(result.base)
    _go_on(captured, leaves, tensor_of)
    _change(captured, {name: value for name, (_, value) in values.items()}, leaves, call)
    _show([(made[name], result) for name, result in shown.items()], captured, leaves, tensor_of)
    return rebuild(captured.result, iter(out))


def _go_on(captured: Capture, leaves: Sequence[Any], made: Callable[[Result], Tensor]) -> None:
    """Go on outside with what backward began inside, from what arguments were before they were changed."""
    for where, gradient, retains in captured.outer:
        tensor = leaves[captured.positions[where]] if isinstance(where, str) else where
        backward(tensor, made(gradient), retain_graph=retains)


def _change(captured: Capture, values: Mapping[str, Value], leaves: Sequence[Any], call: Call | None) -> None:
    """Give the arguments that the function changes in place their new values."""
    found = []
    for name, result in captured.changed.items():
        tensor = leaves[captured.positions[name]]
        if isinstance(tensor, np.ndarray):
            tensor[...] = runtime.to_numpy(values[result.name])
            continue
        new = Tensor._from_cell(Cell(tensor._cell.type, value=values[result.name]))
        if result.history is not None:  # which may go on to what the arguments were
            attach(new, result.history, call, _arguments(captured, leaves))
        found.append((tensor, new))
    for tensor, new in found:
        if tensor._view is not None:
            with set_grad_enabled(new._grad_fn is not None):
                tensor._change("copy_", new)
            continue
        before = tensor._cell.own_node() if tensor._grad_fn is not None else None
        tensor._cell.given(new._cell._value)
        if new._grad_fn is not None:
            tensor._cell._node = new._cell._node
            Counts.epoch += before is None
            tensor._set_grad_fn(new._grad_fn)
            tensor._is_detached = False
        elif before is not None:
            tensor._cell._node = ops.with_gradient(tensor._cell.own_node(), before)
            tensor._cell.has_history = True


def _arguments(captured: Capture, leaves: Sequence[Any]) -> dict[int, Tensor]:
    """Which tensors of this call stand for the traced one's arguments."""
    return {number: leaves[position] for position, number in captured.argument_numbers.items()}


def _show(
    results: Iterable[tuple[Tensor, Result]],
    captured: Capture,
    leaves: Sequence[Any],
    made: Callable[[Result], Tensor],
) -> None:
    """Let results that are views show what they are views of, which is there outside."""
    for tensor, result in results:
        tensor._shares, tensor._view = "", None
        view, base = result.view, result.base
        if view is None or base is None:
            continue
        if isinstance(base, Result):
            base = made(base)
        elif isinstance(base, str):
            base = leaves[captured.positions[base]]
        assert isinstance(base, Tensor)
        base = base.detach() if result.is_detached else base
        read, write, outer = view.read, view.write, base._view
        if outer is not None and (root := outer.base()) is not None:
            base, (read, write) = root, outer.of(read, write)
        tensor._shares, tensor._view = "a view", View(base, read, write, view.is_tracked)
        if result.is_detached and captured.changed:  # perhaps since it was taken
            tensor._view.seen = None
