"""One compiled program for one signature: its session, its state, and the prepared runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ir.node import Graph, next_name
from ir.types import Array, Type
from lenetc import runtime
from lenetc.compiler.capture import Capture
from lenetc.compiler.program import Program
from lenetc.compiler.structure import flatten, rebuild
from lenetc.evaluation import anomaly
from lenetc.evaluation.cell import Cell, Context, Exchange, pending
from lenetc.evaluation.ranges import Range, as_array
from lenetc.runtime import Binding, Session, Slot, Value
from lenetc.runtime.parts import SplitBinding, SplitSession, session_of
from lenetc.tensors.tensor import Tensor, Unreturned
from passes.target import Target

_COPIED = 2**16  # bytes of an input array that is copied rather than bound
_BINDINGS = 16  # prepared runs kept for each program; two are in use while nothing else writes its state


class Specialization:
    """One compiled program for one signature: its session, its state, and the prepared runs."""

    def __init__(
        self,
        captured: Capture,
        graph: Graph,
        target: Target,
        steps: int | None = None,
        cuda_graphs: bool = True,
    ) -> None:
        device = target.device
        self.capture = captured
        self.steps = steps  # how often one run of a scan does what was captured
        self.program = Program(graph, target, captured)
        self.device = device
        self.captures = cuda_graphs and not captured.grad_inputs
        self.session = self.load()
        inputs = {node.attrs["name"]: node for node in graph.inputs}
        self.inputs = [name for name, node in inputs.items() if node.attrs["kind"] == "input"]
        self.slots = {
            name: self._slot(node.ty)
            for name, node in inputs.items()
            if node.attrs["kind"] == "hyper"
            # A CUDA graph has the addresses of its inputs built in.
            or (node.attrs["kind"] == "input" and (device == "cuda" or _is_small(node.ty)))
        }
        self.scalars = [self.slots[name] for name in captured.scalars]
        self.hypers = [(hyper, self.slots[hyper.input]) for hyper in captured.hypers]
        self.fed: list[float | None] = [None] * len(self.hypers)
        self.types = [node.ty for _, node in graph.results]
        self.shapes = {
            name: ([int(dim) for dim in node.shape], node.dtype.numpy) for name, node in graph.results
        }
        self._list_cells()
        # Two runs in turn: what one writes, the other reads. They stay as they are while nobody else changes the
        # state, of which Context.changes tells.
        self.turns: list[Binding | SplitBinding | None] = [None, None]
        self.turn = 0
        self.changes = -1
        self.bindings: dict[tuple[int, ...], Binding | SplitBinding] = {}
        self.read_late = [name for name in self.slots if self.session.is_read_late(name)]
        # A batch that the update reads is the caller's again when the call returns, so that the update has to be done.
        self.holds_batch = any(self.session.is_read_late(name) for name in self.inputs)
        self.ranges: dict[str, list[Range]] = {}
        for name, wanted in captured.ranges:
            self.ranges.setdefault(name, []).append(wanted)
        # What is handed out is mostly one tensor, or nothing.
        self.is_single = not captured.grads and isinstance(captured.result, Tensor)

    def load(self, profile: Path | None = None) -> Session | SplitSession:
        """The program in a session, one that profiles its runs into the folder `profile` if that is given."""
        return session_of(self.program, profile, self.captures)

    def use(self, session: Session | SplitSession) -> None:
        """Run in `session`, which `load` has made, from now on."""
        self.exchange.catch_up()
        self.session = session
        self.exchange.settle = session.settle
        self.bindings.clear()
        self.changes = -1

    def _list_cells(self) -> None:
        self.cells = list(self.capture.cells.values())
        self.exchange = Exchange(
            [self.capture.cells[name] for name in self.capture.updated], self.session.settle
        )

    def _slot(self, type: Type) -> Slot:
        return Slot([int(dim) for dim in type.shape], type.dtype.numpy, self.device)

    def binding(self) -> Binding | SplitBinding:
        """The prepared run for the memory that the state is in now."""
        self.exchange.catch_up()
        if self.capture.grad_inputs:
            for name, tensor in self.capture.grad_inputs.items():
                assert tensor._grad is not None  # the guard holds
                self.capture.cells[name] = tensor._grad._cell
            self._list_cells()
        for cell in self.cells:
            if cell.catch_up is not None:
                cell.catch_up()
        found = self.bindings.get(tuple([cell.slot for cell in self.cells]))
        if found is not None:
            return found
        inputs = {name: cell.front(self.device) for name, cell in self.capture.cells.items()}
        for name, value in inputs.items():
            self._check_ranges(name, value)
        inputs.update((name, slot.value) for name, slot in self.slots.items())
        outputs = {
            next_name(name): self.capture.cells[name].back(self.device) for name in self.capture.updated
        }
        if len(self.bindings) >= _BINDINGS:
            for old in self.bindings.values():
                old.release()
            self.bindings.clear()
        found = self.session.bind(inputs, outputs, replay=True)
        if not self.capture.grad_inputs:  # each new gradient has memory of its own, which must not be kept
            self.bindings[tuple([cell.slot for cell in self.cells])] = found
        return found

    def run(self, arrays: Sequence[Tensor | Array], scalars: Sequence[float]) -> Any:
        """One call: feed, run, exchange the state's buffers, hand out the results."""
        if pending:
            Context.evaluate_pending()
        is_alone = Context.changes == self.changes
        binding = self.turns[self.turn] if is_alone else None
        if binding is None:
            binding = self.binding()
        for name, array in zip(self.inputs, arrays, strict=True):
            value = array._cell.readable(self.device) if isinstance(array, Tensor) else array
            if name in self.ranges:
                self._check_ranges(name, value)
            if isinstance(value, np.ndarray):
                slot = self.slots.get(name)
                if slot is None:
                    value = np.ascontiguousarray(value)
                else:
                    if name in self.read_late:
                        self.exchange.wait()
                    slot.write(value)
                    value = slot.value
            binding.feed(name, value)
        if scalars:
            self.exchange.wait()
        for slot, scalar in zip(self.scalars, scalars, strict=True):
            slot.write(scalar)
        for i, (hyper, slot) in enumerate(self.hypers):
            rate = hyper.optimizer.option(hyper.group, hyper.key)
            if rate != self.fed[i]:
                self.exchange.wait()
                slot.write(float(rate))
                self.fed[i] = rate
        self.exchange.wait()
        binding.start()
        values = binding.received(self.shapes)
        binding.run()
        if self.holds_batch or anomaly.is_enabled():
            self.session.settle()
        if anomaly.is_enabled():
            self._check_finite(arrays, values)
        self.exchange.runs += 1
        if not is_alone:
            self._come_back()
        self.turns[self.turn] = binding
        self.turn ^= 1
        Context.changes += 1
        self.changes = -1 if self.capture.grad_inputs else Context.changes
        for optimizer, steps in self.capture.guard.optimizers.items():
            optimizer._step_count += steps * (self.steps or 1)
        return self._hand_out(values)

    def _come_back(self) -> None:
        """After a run that others have changed something before: leave the state so that the next may be quick."""
        self.exchange.catch_up()
        self.turns = [None, None]
        hook = self.exchange.catch_up
        for cell in self.exchange.cells:
            cell.catch_up = hook
        for parameter in self.capture.lost_grads:
            parameter._grad = _unreturned

    def _check_ranges(self, name: str, value: Value | Array) -> None:
        for wanted in self.ranges.get(name, ()):
            wanted.check(as_array(value), name)

    def _hand_out(self, values: list[Value]) -> Any:
        tensors = [
            Tensor._from_cell(Cell(type, value=value)) for type, value in zip(self.types, values, strict=True)
        ]
        if self.is_single:
            return tensors[0]
        if self.capture.grads:
            by_name = dict(zip(self.shapes, tensors, strict=True))
            for parameter, name in self.capture.grads:
                parameter._grad = by_name[name] if name else None
        static = (item for _, item in flatten(self.capture.result, ""))
        leaves = (
            item if n is None else tensors[n]
            for n, item in zip(self.capture.result_leaves, static, strict=True)
        )
        return rebuild(self.capture.result, leaves)

    def _check_finite(self, arrays: Sequence[Tensor | Array], values: Sequence[Value]) -> None:
        """With detect_anomaly: find the op that made the first NaN. The state is still as it was before the call."""
        made = [*values, *(self.capture.cells[name].back(self.device) for name in self.capture.updated)]
        if anomaly.all_finite(map(runtime.to_numpy, made)):
            return
        feeds = {name: cell.numpy() for name, cell in self.capture.cells.items()}
        feeds.update(zip(self.inputs, (np.asarray(a) for a in arrays), strict=True))
        feeds.update((name, runtime.to_numpy(self.slots[name].value)) for name in self.capture.scalars)
        feeds.update((h.input, runtime.to_numpy(slot.value)) for h, slot in self.hypers)
        anomaly.explain(self.program.graph("traced"), feeds)


_unreturned = Unreturned(0.0)


def _is_small(type: Type) -> bool:
    """Whether copying an array into prepared memory takes less time than preparing the run for it."""
    return type.dtype.numpy.itemsize * math.prod(int(dim) for dim in type.shape) <= _COPIED
