"""What an export asks of a trace besides: state that the function replaces, where gradients are read, how modules were
called."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import Any

from ir.errors import LenetcError
from ir.node import Node
from ir.types import Array
from lenetc.compiler.traces.records import Exported, Passed
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.tracing import Trace
from lenetc.tensors.tensor import Tensor


class ReplacedError(LenetcError):
    """An exported function puts a new tensor in the place of state."""


def exported(
    trace: Trace, gradients: list[tuple[Tensor, str]], by_cell: Mapping[Cell, str], at: Mapping[Node, str]
) -> Exported | None:
    """What files are cut out of the trace by; None where none are. gradients: parameters with the results that are
    theirs; by_cell: names of state; at: names of inputs."""
    if trace.exporting is None:
        return None

    def passed(value: Any) -> Any:
        return Passed(value.ty, at.get(value)) if isinstance(value, Node) else value

    calls = {
        module: {key: passed(value) for key, value in arguments.items()}
        for module, arguments in trace.exporting.calls.items()
    }
    started: dict[str, Array | None] = {}
    for optimizer in trace.optimizers:
        starts = optimizer._start_of_state()
        held = [value for state in optimizer.state.values() for value in state.values()]
        for group in optimizer.param_groups:
            held += [value for key, value in group.items() if key != "params"]
        for value in held:
            if isinstance(value, Tensor) and value._cell in by_cell:
                started[by_cell[value._cell]] = starts.get(value._cell)
    for cell, (_, start) in trace.exporting.state.items():
        if cell in by_cell:
            started[by_cell[cell]] = start
    return Exported(
        [(by_cell[parameter._cell], label) for parameter, label in gradients],
        started,
        list(trace.modules),
        calls,
    )


def keep_buffers(trace: Trace) -> None:
    """Let the values that buffers were assigned be new values of the state that they were."""
    for table, name, before in trace.rebound:
        after = table[name]
        if before is None or after is None or before._cell.trace is trace or after is before:
            continue
        if after._cell.type != before._cell.type:
            raise LenetcError(
                f"the buffer {name!r} is {before.type_text()} and is assigned a {after.type_text()}: state of a "
                "program keeps its type"
            )
        trace.write(before._cell, after.node)


def check_replaced(trace: Trace, kept: Sequence[Tensor]) -> None:
    """Raise LenetcError for state that the function has put a new tensor in the place of, which no file would do."""
    kinds = {tensor._cell.type for tensor in kept}
    cells = [
        cell
        for cell in trace.captured
        if cell.type in kinds and cell not in trace.current and cell not in trace.arguments
    ]
    if cells:
        gc.collect()  # or what nobody can reach any more would count as held
    for cell in cells:
        if not any(isinstance(holder, Tensor) for holder in gc.get_referrers(cell)):
            raise ReplacedError(
                f"the exported function reads a tensor {cell.type} and puts a new one in its place (in a dict, a list "
                "or an attribute), which files cannot do for it: change the tensor in place, as in "
                "t.mul_(0.9).add_(x), t.copy_(x) or t[:] = x, and it is state"
            )
