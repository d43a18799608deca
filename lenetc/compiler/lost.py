"""Gradients that a compiled step computes and uses up inside: for who looks at them after the call all the same, they
are computed once more, from what the call computed with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ir.errors import LenetcError
from lenetc import runtime
from lenetc.compiler.traces.history import Call, replaced
from lenetc.compiler.traces.records import Capture
from lenetc.evaluation.cell import Cell, Counts, lock
from lenetc.evaluation.tracing import here, tracing
from lenetc.runtime import Value
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor, Unreturned

if TYPE_CHECKING:
    from ir.types import Array
    from lenetc.compiler.specialization import Specialization

_LOOKS = 2  # so often they are computed once more; then the function gives them back at every call


class Lost:
    """The gradients that the last run of a program kept inside. stand_in: what each `.grad` is then; returned: to be
    called when people look again and again."""

    def __init__(self, program: Specialization, returned: Callable[[], None]) -> None:
        self.stand_in = Unreturned([0.0])
        self.stand_in.recover = self.recover
        self.fed: dict[str, Value | Array] = {}
        self._program = program
        self._returned = returned
        self._looks = 0
        self._versions: dict[Cell, int] = {}  # of the state, after a run that was not alone
        self._runs = 0  # since
        self._last: tuple[Capture, Sequence[Any]] | None = None

    def ran(self, captured: Capture, leaves: Sequence[Any], is_alone: bool) -> None:
        """Note a run. is_alone: whether nobody has changed the state since the one before."""
        self._last = captured, leaves
        if is_alone:
            self._runs += 1
        else:
            self._versions, self._runs = {cell: cell.version for cell in captured.cells.values()}, 0

    def recover(self) -> None:
        """Put the gradients in. Raises LenetcError where what they were computed from is gone."""
        with lock, tracing(None), set_grad_enabled(False):
            captured, call = self._call()
            nodes = [node for _, node in captured.lost_grads]
            new = dict(call.values(nodes))
            for (tensor, _), node in zip(captured.lost_grads, replaced(nodes, new), strict=True):
                if tensor._grad is self.stand_in:  # not cleared or given another since
                    tensor._grad = Tensor._from_node(node)
            Counts.changes += 1
            self._looks += 1
            if self._looks == _LOOKS:
                self._returned()

    def _call(self) -> tuple[Capture, Call]:
        if self._last is None or self._program.steps is not None:
            raise _gone("several steps were one call")
        if self._last[0].grad_inputs:
            raise _gone("other gradients add up beside it, from call to call")
        captured, leaves = self._last
        self._program.exchange.catch_up()
        updated = {captured.cells[name] for name in captured.updated}
        before = {}
        for cell in captured.cells.values():
            if cell.catch_up is not None:
                cell.catch_up()
            if cell.version != self._versions.get(cell, -1) + (self._runs if cell in updated else 0):
                raise _gone(f"a {cell.type} that it was computed from has been changed since")
            if cell in updated:
                if cell._back is None:
                    raise _gone(f"a {cell.type} that it was computed from has been moved since")
                before[cell] = runtime.to_numpy(cell._back)
        arguments: dict[str, Cell | Array] = {}
        for name, position in captured.feeds:
            value, leaf = self.fed[name], leaves[position]
            is_state = isinstance(leaf, Tensor) and (leaf._cell.catch_up or leaf._cell._back is not None)
            if is_state or (isinstance(value, np.ndarray) and value.flags.writeable):
                raise _gone(f"the argument {name} may have been changed since")
            arguments[name] = value if isinstance(value, np.ndarray) else runtime.to_numpy(value)
        numbers = {name: float(leaves[position]) for name, position in captured.scalars.items()}
        for hyper, rate in zip(captured.hypers, self._program.fed, strict=True):
            numbers[hyper.input] = float(rate or 0.0)
        return captured, Call(captured.sources, arguments, numbers, before, frozenset())


def _gone(why: str) -> LenetcError:
    return LenetcError(
        f"this gradient was computed inside a compiled function and not kept, and {why}: return it from the function, "
        "or clear it with zero_grad()"
    ).at(here())
