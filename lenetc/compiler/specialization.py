"""One compiled program for one signature: its session, its state, and the prepared runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ir.errors import LenetcError
from ir.node import next_name, topological
from ir.types import Array, Type
from lenetc import runtime
from lenetc.compiler.checked import explain_failure, refuse_computed
from lenetc.compiler.guard import Guard
from lenetc.compiler.lost import Lost
from lenetc.compiler.program import Compilation, Program
from lenetc.compiler.results import finished, handed_out
from lenetc.compiler.traces.history import Call
from lenetc.compiler.traces.records import INVALID, Capture, Result
from lenetc.evaluation import anomaly
from lenetc.evaluation.cell import Cell, Counts, Exchange, pending
from lenetc.evaluation.random import generator_cells
from lenetc.evaluation.ranges import Range, as_array
from lenetc.runtime import Binding, Session, Slot, Value
from lenetc.runtime.parts import SplitBinding, SplitSession, session_of
from lenetc.tensors.tensor import Tensor

_COPIED = 2**16  # bytes of an input array that is copied rather than bound
_BINDINGS = 16  # prepared runs kept for each program; two are in use while nothing else writes its state


class _Nothing:
    """Stands for the session of a program that computes nothing, which no runtime would load."""

    owner: Any = None

    def settle(self) -> None:
        """There is nothing to wait for."""

    def is_read_late(self, name: str) -> bool:
        return False


class Specialization:
    """One compiled program bound to the state of one trace: its session, its state, and the prepared runs.

    guard: what must hold for a run to stand for a call; None where each call is traced.
    """

    def __init__(
        self,
        captured: Capture,
        compiled: Compilation,
        steps: int | None = None,
        cuda_graphs: bool = True,
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        device = compiled.target.device
        graph = compiled.graph
        self.capture = captured
        self.guard: Guard | None = None
        self.kept: Any = None  # arguments that the key of the guard's call tells by their numbers
        self.steps = steps  # how often one run of a scan does what was captured
        self.program = Program(compiled)
        self.device = device
        self.captures = cuda_graphs and not captured.grad_inputs
        self.is_empty = not graph.outputs  # and there is nothing to run
        self.session = self._shared()
        inputs = {node.attrs["name"]: node for node in graph.inputs}
        self.slots = {
            name: self._slot(node.ty)
            for name, node in inputs.items()
            if node.attrs["kind"] == "hyper"
            # A CUDA graph has the addresses of its inputs built in.
            or (node.attrs["kind"] == "input" and (device == "cuda" or _is_small(node.ty)))
        }
        self.tables = {name: runtime.to_device(array, device) for name, array in compiled.tables.items()}
        self.fed: list[float | None] = [None] * len(captured.hypers)
        self.types = [node.ty for _, node in graph.results]
        self.shapes = {
            name: ([int(dim) for dim in node.shape], runtime.stored(node.dtype))
            for name, node in graph.results
        }
        self._list_cells()
        # Two runs in turn: what one writes, the other reads. They stay as they are while nobody else changes the
        # state, of which Counts.changes tells.
        self.turns: list[Binding | SplitBinding | None] = [None, None]
        self.turn = 0
        self.changes = -1
        self.bindings: dict[tuple[int, ...], Binding | SplitBinding] = {}
        self.read_late = [name for name in self.slots if self.session.is_read_late(name)]
        # A batch that the update reads is the caller's again when the call returns, so that the update has to be done.
        self.holds_batch = any(self.session.is_read_late(name) for name, _ in captured.feeds)
        # looked: called when people look at gradients that stay inside, again and again.
        self.lost = Lost(self, looked) if captured.lost_grads else None
        self.used: tuple[Capture, frozenset[Cell | str]] | None = None
        self._take(captured)

    def take(self, captured: Capture) -> bool:
        """Serve a later trace of the same program, if its state is the same too. Returns whether it is."""
        mine = self.capture
        if (
            self.guard is not None
            or list(mine.cells) != list(captured.cells)
            or any(
                mine.cells[name] is not cell and name not in mine.grad_inputs
                for name, cell in captured.cells.items()
            )
            or captured.grad_inputs.keys() != mine.grad_inputs.keys()
            or [(h.input, h.optimizer, h.group, h.key) for h in mine.hypers]
            != [(h.input, h.optimizer, h.group, h.key) for h in captured.hypers]
            or mine.updated != captured.updated
            or [tensor for tensor, _ in mine.lost_grads] != [tensor for tensor, _ in captured.lost_grads]
        ):
            return False
        self.capture = captured
        self._take(captured)
        return True

    def _take(self, captured: Capture) -> None:
        """What depends on one trace rather than on the program."""
        self.inputs = captured.feeds
        self.scalars = [(self.slots[name], position) for name, position in captured.scalars.items()]
        self.hypers = [(hyper, self.slots[hyper.input]) for hyper in captured.hypers]
        self.ranges: dict[str, list[Range]] = {}
        for name, wanted in captured.ranges:
            self.ranges.setdefault(name, []).append(wanted)
        # What is handed out is mostly one tensor, or nothing.
        first = captured.leaves[0] if len(captured.leaves) == 1 else None
        self.is_single = (
            len(self.types) == 1
            and isinstance(captured.result, Tensor)
            and isinstance(first, Result)
            and first.view is None
            and (first.history is None or first.history.is_freed or self.steps is not None)
            and not (captured.grads or captured.given_grads or captured.changed or captured.argument_grads)
        )
        self.changed_arrays = [
            p for name in captured.changed if (p := captured.positions[name]) not in captured.argument_cells
        ]
        self.single_history = first.history if isinstance(first, Result) and self.steps is None else None
        self.remembers = self.steps is None and any(
            r.history is not None and not r.history.is_freed for r in captured.results()
        )

    def _shared(self) -> Session | SplitSession:
        """The session of all that have this program."""
        if self.is_empty:
            return _Nothing()  # type: ignore[return-value]
        compiled = self.program.compiled
        sessions = (compiled.general or compiled).sessions
        if self.captures not in sessions:
            sessions[self.captures] = self.load()
        return sessions[self.captures]

    def load(self, profile: Path | None = None) -> Session | SplitSession:
        """The program in a session, one that profiles its runs into the folder `profile` if that is given."""
        general = self.program.compiled.general
        return session_of(self.program if general is None else Program(general), profile, self.captures)

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
        return Slot([int(dim) for dim in type.shape], runtime.stored(type.dtype), self.device)

    def binding(self, is_traced: bool = False) -> Binding | SplitBinding:
        """The prepared run for the memory that the state is in now. is_traced: whether a trace has just found it."""
        self.exchange.catch_up()
        if self.capture.grad_inputs:
            for name, tensor in () if is_traced else self.capture.grad_inputs.items():
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
        inputs.update(self.tables)
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

    def run(self, leaves: Sequence[Any]) -> Any:
        """One call with these leaves of the arguments: feed, run, exchange the state's buffers, hand out results."""
        values, call = self._stepping(leaves) if self.capture.schedules else self._run(leaves, None)
        if self.is_single:
            tensor = Tensor._from_cell(Cell(self.types[0], value=values[0]))
            if self.single_history is not None:
                self.single_history.freed_for(tensor)
            return tensor
        made = zip(self.shapes, zip(self.types, values, strict=True), strict=True)
        return handed_out(self.capture, dict(made), leaves, call, has_history=not self.steps)

    def first(self, captured: Capture, leaves: Sequence[Any]) -> Any:
        """The run that makes the trace `captured`, of this program and this state, a call: what the trace made gets its
        values, and what the function returned is returned as it is."""
        try:
            values, call = self._run(leaves, captured, [hyper.value for hyper in captured.hypers])
        except BaseException:
            captured.undo()
            raise
        return finished(captured, dict(zip(self.shapes, values, strict=True)), leaves, call)

    def _stepping(self, leaves: Sequence[Any]) -> tuple[list[Value], Call | None]:
        """The run of a call that steps schedules of rates: those first that it reads a rate after, the others when all
        is done. Where it fails, none has stepped."""
        schedules = self.capture.schedules
        undo: list[Callable[[], None]] = []
        rates = []
        for hyper, _ in self.hypers:
            for schedule in schedules[len(undo) : hyper.after]:
                undo.append(schedule._saved())
                schedule.step()
            rates.append(hyper.optimizer.option(hyper.group, hyper.key))
        try:
            done = self._run(leaves, None, rates)
        except BaseException:
            for put_back in reversed(undo):
                put_back()
            raise
        for schedule in schedules[len(undo) :]:
            schedule.step()
        return done

    def _run(
        self, leaves: Sequence[Any], captured: Capture | None, rates: Sequence[Any] | None = None
    ) -> tuple[list[Value], Call | None]:
        if pending:
            Counts.evaluate_pending()
        if self.is_empty:
            return [], None
        if self.changed_arrays:
            self._check_arrays(leaves)
        is_alone = Counts.changes == self.changes
        owner = self.session.owner
        if owner is not self.exchange:
            if owner is not None:
                owner.wait()
            self.session.owner = self.exchange
        binding = self.turns[self.turn] if is_alone else None
        if binding is None:
            binding = self.binding(captured is not None)
        for name, position in self.inputs:
            array = leaves[position]
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
            if self.lost is not None:
                self.lost.fed[name] = value
        if self.scalars:
            self.exchange.wait()
            for slot, position in self.scalars:
                slot.write(float(leaves[position]))
        for i, (hyper, slot) in enumerate(self.hypers):
            rate = hyper.optimizer.option(hyper.group, hyper.key) if rates is None else rates[i]
            if rate != self.fed[i]:
                self.exchange.wait()
                slot.write(float(rate))
                self.fed[i] = rate
        self.exchange.wait()
        call = self._call(captured or self.capture, leaves) if self.remembers else None
        binding.start()
        values = binding.received(self.shapes)
        try:
            binding.run()
        except runtime.RunError:
            explain_failure(captured or self.capture, leaves, self._numbers(captured or self.capture, leaves))
            raise
        if self.capture.checks:
            self._check_computed(values)
        if self.holds_batch or anomaly.is_enabled():
            self.session.settle()
        if anomaly.is_enabled():
            self._check_finite(leaves, values)
        self.exchange.runs += 1
        if not is_alone:
            self._come_back()
        if self.lost is not None:
            self.lost.ran(captured or self.capture, leaves, is_alone)
            for parameter, _ in self.capture.lost_grads if not is_alone or captured else ():
                parameter._grad = self.lost.stand_in
        self.turns[self.turn] = binding
        self.turn ^= 1
        Counts.changes += 1
        self.changes = -1 if self.capture.grad_inputs else Counts.changes
        for optimizer, steps in (captured or self.capture).optimizers.items():
            optimizer._step_count += steps * (self.steps or 1)
        if call is not None:
            call.remember()
        return values, call

    def _call(self, captured: Capture, leaves: Sequence[Any]) -> Call:
        """What backward outside has to know of this call."""
        arguments: dict[str, Cell | Array] = {}
        for name, position in self.inputs:
            leaf = leaves[position]
            arguments[name] = leaf._cell if isinstance(leaf, Tensor) else np.array(leaf)
        random = generator_cells() & set(captured.cells.values())
        used = self._used_before(captured) if captured.changed or captured.updated else frozenset()
        changed = {
            leaf._cell: name
            for name in captured.changed
            if isinstance(leaf := leaves[captured.positions[name]], Tensor)
        }
        replaced = frozenset(captured.cells[name] for name in captured.updated)
        before = random | {cell for cell in replaced if cell in used}
        before |= {cell for cell, name in changed.items() if name in used}
        return Call(
            captured.sources,
            arguments,
            self._numbers(captured, leaves),
            {cell: cell.numpy() for cell in before},
            replaced | changed.keys(),
        )

    def _numbers(self, captured: Capture, leaves: Sequence[Any]) -> dict[str, float]:
        """The numbers that a call is fed, by the name of the input."""
        numbers = {name: float(leaves[position]) for name, position in captured.scalars.items()}
        numbers.update(
            (h.input, float(rate))
            for (h, _), rate in zip(self.hypers, self.fed, strict=True)
            if rate is not None
        )
        return numbers

    def _used_before(self, captured: Capture) -> frozenset[Cell | str]:
        """State, and arguments by their names, that results with history may be computed from, as they were."""
        if self.used is None or self.used[0] is not captured:
            nodes = [r.history.node for r in captured.results() if r.history and not r.history.is_freed]
            tables = (captured.sources.cells, captured.sources.arguments)
            found = {table[node] for node in topological((), nodes) for table in tables if node in table}
            self.used = captured, frozenset(found)
        return self.used[1]

    def _check_computed(self, values: list[Value]) -> None:
        """Raise LabelError where the program itself computed a label or an index that is out of range."""
        counts = runtime.to_numpy(values[list(self.shapes).index(INVALID)])
        if counts.any():
            self.session.settle()
            refuse_computed(self.capture, counts)

    def _come_back(self) -> None:
        """After a run that others have changed something before: leave the state so that the next may be quick."""
        self.exchange.catch_up()
        self.turns = [None, None]
        hook = self.exchange.catch_up
        for cell in self.exchange.cells:
            cell.catch_up = hook

    def _check_arrays(self, leaves: Sequence[Any]) -> None:
        """Raise LenetcError where an array that the function changes shares memory with another argument, or is for
        reading only."""
        for position in self.changed_arrays:
            array = leaves[position]
            if not array.flags.writeable:
                raise LenetcError("a compiled function changes an argument, a NumPy array, that is read-only")
            for leaf in leaves:
                if leaf is not array and isinstance(leaf, np.ndarray) and np.may_share_memory(array, leaf):
                    raise LenetcError(
                        "a compiled function changes an argument, a NumPy array, that shares memory with another "
                        "argument: pass a copy of one of them, or tensors"
                    )

    def _check_ranges(self, name: str, value: Value | Array) -> None:
        for wanted in self.ranges.get(name, ()):
            wanted.check(as_array(value), name)

    def _check_finite(self, leaves: Sequence[Any], values: Sequence[Value]) -> None:
        """With detect_anomaly: find the op that made the first NaN. The state is still as it was before the call."""
        made = [*values, *(self.capture.cells[name].back(self.device) for name in self.capture.updated)]
        if anomaly.all_finite(map(runtime.to_numpy, made)):
            return
        feeds = {name: cell.numpy() for name, cell in self.capture.cells.items()}
        for name, position in self.inputs:
            leaf = leaves[position]
            feeds[name] = leaf._cell.numpy() if isinstance(leaf, Tensor) else np.asarray(leaf)
        feeds.update((name, runtime.to_numpy(self.slots[name].value)) for name in self.capture.scalars)
        feeds.update((h.input, runtime.to_numpy(slot.value)) for h, slot in self.hypers)
        anomaly.explain(self.program.graph("traced"), feeds)


def _is_small(type: Type) -> bool:
    """Whether copying an array into prepared memory takes less time than preparing the run for it."""
    return type.dtype.numpy.itemsize * math.prod(int(dim) for dim in type.shape) <= _COPIED
