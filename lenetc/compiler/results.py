"""What a call gives back: results, gradients and changed arguments, with a run's values and a trace's history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ir.types import Type
from lenetc.compiler.structure import flatten, rebuild
from lenetc.compiler.traces.history import Call, attach
from lenetc.compiler.traces.records import Capture, GradOf, Result, unreturned
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.scalars import Scalar, plain
from lenetc.runtime import Value
from lenetc.tensors.tensor import Tensor
from lenetc.tensors.views import View


def finished(captured: Capture, values: Mapping[str, Value], leaves: Sequence[Any], call: Call | None) -> Any:
    """The result of the traced call itself: what the trace made gets its values, and what the function returned is
    returned as it is. Raises what the function raised."""
    given: dict[Cell, None] = {}
    for tensor, result in captured.made:
        if tensor._cell not in given:
            tensor._cell.given(values[result.name])
            given[tensor._cell] = None
    for tensor, result in captured.made:
        if result.history is not None:
            attach(tensor, result.history, call, {})
    _change(captured, values, leaves, call)
    by_label = {result.name: tensor for tensor, result in captured.made}
    _mark_views(captured.made, captured, leaves, by_label)
    captured.made = []
    for name, label in captured.argument_grads.items():
        if not label:
            leaves[captured.positions[name]]._grad = None
    for parameter in captured.lost_grads:
        parameter._grad = unreturned
    if captured.error is not None:
        raise captured.error
    result = captured.result
    flat = [item for _, item in flatten(result, "")]
    # What is handed out is not kept.
    static = [plain(item) if what is None else None for what, item in zip(captured.leaves, flat, strict=True)]
    captured.result = rebuild(result, iter(static))
    if any(isinstance(item, Scalar) for item in flat):
        return rebuild(result, iter([plain(item) for item in flat]))
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
            made[result.name] = tensor = Tensor._from_cell(Cell(type, value=value))
            if result.history is not None and has_history:
                attach(tensor, result.history, call, _arguments(captured, leaves))
        return made[result.name]

    static = (item for _, item in flatten(captured.result, ""))
    by_label = {result.name: result for result in captured.results()}
    for parameter, name in captured.grads:
        parameter._grad = tensor_of(by_label[name]) if name else None
    for name, label in captured.argument_grads.items():
        leaves[captured.positions[name]]._grad = tensor_of(by_label[label]) if label else None
    _change(captured, {name: value for name, (_, value) in values.items()}, leaves, call)

    def leaf_of(what: Result | GradOf | str | None, item: Any) -> Any:
        if isinstance(what, Result):
            return tensor_of(what)
        if isinstance(what, GradOf):
            return what.tensor._grad
        return plain(item) if what is None else leaves[captured.positions[what]]

    out = [leaf_of(what, item) for what, item in zip(captured.leaves, static, strict=True)]
    if has_history:
        results = [(tensor, by_label[name]) for name, tensor in made.items() if name in by_label]
        _mark_views(results, captured, leaves, made)
    return rebuild(captured.result, iter(out))


def _change(captured: Capture, values: Mapping[str, Value], leaves: Sequence[Any], call: Call | None) -> None:
    """Give the arguments that the function changes in place their new values."""
    for name, result in captured.changed.items():
        tensor = leaves[captured.positions[name]]
        tensor._cell.given(values[result.name])
        if result.history is not None:
            tensor._grad_fn = None
            attach(tensor, result.history, call, _arguments(captured, leaves))


def _arguments(captured: Capture, leaves: Sequence[Any]) -> dict[int, Tensor]:
    """Which tensors of this call stand for the traced one's arguments."""
    return {number: leaves[position] for position, number in captured.argument_numbers.items()}


def _mark_views(
    results: Iterable[tuple[Tensor, Result]],
    captured: Capture,
    leaves: Sequence[Any],
    made: Mapping[str, Tensor],
) -> None:
    """Let results that are views of something be values of their own, which are not changed in place and not shown
    once that has changed."""
    for tensor, result in results:
        if not result.is_view:
            continue
        tensor._shares, tensor._view, of = "a view", None, result.view_of
        if isinstance(of, str):
            base = made[of] if of in made else leaves[captured.positions[of]]
            of = base._cell if isinstance(base, Tensor) else None
        if of is not None:
            tensor._view = View.came_out(of)
