"""`lenetc.compile`: a function that trains (forward, loss, backward, update) becomes one program, run in one call."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ir import ops
from ir.errors import ShapeError
from ir.node import Graph, Node, next_name
from ir.op import leaf
from ir.types import Array, Type
from lenetc import anomaly, runtime, tuned
from lenetc.amp import autocast_dtype
from lenetc.capture import Capture, capture
from lenetc.cell import Cell, Context, Exchange, known, pending
from lenetc.parts import SplitBinding, SplitSession, session_of
from lenetc.program import Program
from lenetc.ranges import Range, as_array
from lenetc.runtime import Binding, Session, Slot, Value
from lenetc.structure import Arguments, check_static, flatten, is_array, rebuild, signature_key, type_of
from lenetc.tensor import Tensor, Unreturned
from lenetc.tracing import here
from passes.pipeline import Target

if TYPE_CHECKING:
    from lenetc.profile import Profile

log = logging.getLogger("lenetc.compile")
_SPECIALIZATIONS = 8  # programs kept for one signature: train and eval mode, a few phases of a run
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
        if anomaly.is_enabled():
            self.session.settle()
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


class CompiledFunction:
    """A function compiled by `lenetc.compile`. Calling it runs the whole function in one call of the runtime.

    It specializes to the types of its array arguments (one program for each, cached); floats are inputs, other
    arguments constants. State (parameters, buffers, optimizer state, random counters) is found by itself, stays on
    the device, and is seen by Python whenever somebody looks.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        device: str,
        strategies: Mapping[str, str] | None = None,
        tuned: bool = True,
        cuda_graphs: bool = True,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.strategies = dict(strategies or {})
        self.tuned = tuned
        self.cuda_graphs = cuda_graphs
        try:
            self.device = runtime.resolve_device(device)
        except runtime.DeviceError as error:
            raise error.at(here()) from None
        self.arguments = Arguments(function)
        self._specializations: dict[tuple[Any, ...], list[Specialization]] = {}
        # That of the last call with nothing but arrays, which the next call is likely to want.
        self._last: tuple[tuple[Any, ...], Specialization | None] = ((), None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if Context.trace is not None:  # compiled functions compose: the outer program takes this one in
            return self.function(*args, **kwargs)
        key, last = self._last
        if (
            last is not None
            and not kwargs
            and signature_key(args) == key
            and autocast_dtype() is None
            and last.capture.guard.holds()
        ):
            return last.run(args, ())
        values = self.arguments.bind(args, kwargs)
        leaves = self.arguments.leaves(values)
        specialization = self._find(values, leaves, ())
        arrays = [leaf for _, leaf in leaves if is_array(leaf)]
        plain = len(arrays) == len(args) == len(leaves) and all(map(is_array, args))
        if plain and autocast_dtype() is None:
            self._last = (signature_key(args), specialization)
        return specialization.run(arrays, [leaf for _, leaf in leaves if isinstance(leaf, float)])

    def lower(self, *args: Any, **kwargs: Any) -> Program:
        """The compiled program for arguments of these types, without running it. Only shapes and dtypes count."""
        values = self.arguments.bind(args, kwargs)
        specialization = self._find(values, self.arguments.leaves(values), ())
        specialization.program.source = (self, values)
        return specialization.program

    def scan(self, *args: Any, **kwargs: Any) -> Any:
        """K calls in one run: every array argument has a leading axis of K, and so has every result.

        The same as stacking the results of K calls, in order. Raises ShapeError where the leading axes differ.
        """
        values = self.arguments.bind(args, kwargs)
        leaves = self.arguments.leaves(values)
        steps = _steps(leaves)
        specialization = self._find(values, leaves, (steps,))
        arrays = [leaf for _, leaf in leaves if is_array(leaf)]
        scalars = [leaf for _, leaf in leaves if isinstance(leaf, float)]
        if specialization.steps is not None:
            return specialization.run(arrays, scalars)
        whole = [x._cell.numpy() if isinstance(x, Tensor) else np.asarray(x) for x in arrays]
        return stacked([specialization.run([array[k] for array in whole], scalars) for k in range(steps)])

    def profile(self, *args: Any, steps: int | None = None, scan: bool = False, **kwargs: Any) -> Profile:
        """How long a call with these arguments takes, and where that time goes: by module, phase, operator, line and
        kernel. Print it, or see `Profile`. State, gradients and random numbers are as before afterwards.

        steps: calls to time, a second of them by default. scan: profile `scan` with these arguments instead.
        """
        from lenetc.benchmark import measure  # brings onnx and rich in, which importing lenetc should not

        return measure(self, args, kwargs, scan, steps)

    def specialization(self, args: tuple[Any, ...], kwargs: dict[str, Any], scan: bool) -> Specialization:
        """The compiled program for a call, or a scan, with these arguments."""
        values = self.arguments.bind(args, kwargs)
        leaves = self.arguments.leaves(values)
        return self._find(values, leaves, (_steps(leaves),) if scan else ())

    def capture(self, values: dict[str, Any], types: dict[str, Type]) -> Capture:
        """Trace the function once more, with its arrays as inputs of `types`."""
        return capture(self.function, self.arguments, values, types)

    def target(self) -> Target:
        """What programs are compiled for now."""
        costs = tuned.load(self.device) if self.tuned else None
        return Target(
            device=self.device,
            threads=runtime.get_num_threads(),
            overrides=tuple(self.strategies.items()),
            costs=costs,
            lanes=runtime.lanes(self.device),
        )

    def forget(self) -> None:
        """Drop what is compiled: the next call compiles anew. State is not touched."""
        self._specializations.clear()
        self._last = ((), None)

    def _find(
        self, values: dict[str, Any], leaves: list[tuple[str, Any]], steps: tuple[Any, ...]
    ) -> Specialization:
        flat = [leaf for _, leaf in leaves]
        for name, item in leaves:
            if not is_array(item):
                check_static(name, item)
        key = (*signature_key(flat), steps, autocast_dtype())
        known = self._specializations.setdefault(key, [])
        for specialization in known:
            if specialization.capture.guard.holds():
                return specialization
        for specialization in known:
            specialization.capture.guard.promote()
        types = {name: type_of(item, f"the argument {name}") for name, item in leaves if is_array(item)}
        if steps:
            types = {name: type.with_shape(type.shape[1:]) for name, type in types.items()}
        captured = self.capture(values, types)
        target = self.target()
        # Steps that are divided among threads are so one by one: a scan runs as a whole, on all of them.
        if steps and Program(captured.graph, target, captured).split is None:
            specialization = Specialization(
                captured, scanned(captured, *steps), target, steps[0], self.cuda_graphs
            )
        else:
            specialization = Specialization(captured, captured.graph, target, cuda_graphs=self.cuda_graphs)
        known.append(specialization)
        if len(known) == _SPECIALIZATIONS:
            log.warning(
                "%s has been compiled %d times for arguments of the same types, as something else that it reads keeps "
                "changing; pass that as an argument (a float is an input and compiles once), or keep it in a tensor",
                getattr(self.function, "__name__", "a function"),
                len(known),
            )
        del known[:-_SPECIALIZATIONS]
        return specialization


def _steps(leaves: list[tuple[str, Any]]) -> Any:
    """The leading axis that all arrays among `leaves` have. Raises ShapeError where they differ."""
    arrays = [(name, leaf) for name, leaf in leaves if is_array(leaf)]
    lengths = {type_of(leaf).shape[0] if type_of(leaf).rank else None for _, leaf in arrays}
    if len(lengths) != 1 or None in lengths:
        listed = ", ".join(f"{name} {type_of(leaf)}" for name, leaf in arrays)
        raise ShapeError(
            f"scan: every array needs the same leading axis, the number of steps; given: {listed}"
        )
    return next(iter(lengths))


def stacked(results: list[Any]) -> Any:
    """Results of several calls, of one structure, as one result: tensors stacked, the rest as in the last."""
    columns = zip(*(flatten(result, "") for result in results), strict=True)
    leaves = (
        Tensor._from_cell(known(np.stack([item._cell.numpy() for _, item in column])))
        if isinstance(column[-1][1], Tensor)
        else column[-1][1]
        for column in columns
    )
    return rebuild(results[-1], leaves)


def scanned(captured: Capture, steps: int) -> Graph:
    """`captured.graph` run `steps` times: state is carried, inputs are sequences, results are stacked."""
    graph = captured.graph
    by_name: dict[str, Node] = {node.attrs["name"]: node for node in graph.inputs}
    carried = [by_name[name] for name in captured.updated]
    batches = [node for node in graph.inputs if node.attrs["kind"] == "input"]
    constant = [node for node in graph.inputs if node not in carried and node not in batches]
    body = Graph.make(f"{graph.name}_body", (*carried, *batches, *constant), (*graph.updates, *graph.results))
    sequences = {node: leaf(node.attrs["name"], Type(node.dtype, (steps, *node.shape))) for node in batches}
    operands = [*carried, *sequences.values(), *constant]
    run = ops.scan(*operands, body=body, carries=len(carried), sequences=len(batches), length=steps)
    outputs = [ops.get(run, index=i) for i in range(len(body.outputs))]
    inputs = [sequences.get(node, node) for node in graph.inputs]
    results = [(name, node) for (name, _), node in zip(graph.results, outputs[len(carried) :], strict=True)]
    updates = [(name, node) for name, node in zip(captured.updated, outputs, strict=False)]
    return Graph.make(f"{graph.name}_scan", inputs, results, updates)


@overload
def compile(
    function: Callable[..., Any],
    *,
    device: str = "auto",
    strategies: Mapping[str, str] | None = None,
    tuned: bool = True,
    cuda_graphs: bool = True,
) -> CompiledFunction: ...
@overload
def compile(
    function: None = None,
    *,
    device: str = "auto",
    strategies: Mapping[str, str] | None = None,
    tuned: bool = True,
    cuda_graphs: bool = True,
) -> Callable[[Callable[..., Any]], CompiledFunction]: ...
def compile(
    function: Callable[..., Any] | None = None,
    *,
    device: str = "auto",
    strategies: Mapping[str, str] | None = None,
    tuned: bool = True,
    cuda_graphs: bool = True,
) -> Any:
    """Compile `function` into one program for each signature it is called with; as a decorator or as a call.

    device: "auto" (CUDA where it works, else the CPU), "cpu" or "cuda". strategies: for experiments, how to compute
    some operations: a strategy's name for an op ("conv2d"), a module path ("net.conv1") or both ("conv1/conv2d"); the
    stage "strategies" of a program's dump lists what there is. tuned: whether to choose strategies by costs that
    `lenetc.tune` measured on this machine, if there are any. cuda_graphs: whether CUDA may capture a run and replay it
    as a whole; a program that does not allow it says why (`program.obstacles`).

    Raises DeviceError for "cuda" without CUDA. The first call raises StrategyError where `strategies` names none.
    """
    if function is None:
        return lambda f: CompiledFunction(f, device, strategies, tuned, cuda_graphs)
    return CompiledFunction(function, device, strategies, tuned, cuda_graphs)
