"""`lenetc.tune`: measure, on this machine, what strategies cost for the shapes of a program, and remember it.

Each cost is that of a small graph, run by itself. Graphs that compete with each other are run in turns, so that
whatever else the machine does strikes all of them, and medians are kept. In the end the whole step is timed as
the measured costs and as the built-in model would have it: costs that do not make it faster are dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from ir.errors import LenetcError
from ir.node import Graph, Node, next_name
from ir.types import Array
from lenetc import runtime
from lenetc.compiler.program import Program, compilation
from lenetc.runtime import Session, Value, measured_costs
from lenetc.runtime.parts import session_of
from passes.kernels.constants import folded
from passes.pipeline import finish
from passes.strategies import probes
from passes.strategies.choice import unmeasured
from passes.strategies.costs import NODE
from passes.strategies.prices import Probe
from passes.target import Measured, Target

_SAMPLE = 0.002  # seconds of runs for one sample, about
# Seconds: threads of another session go on spinning for some milliseconds after a run, on the cores that we need.
_REST = 0.01
_WARM = 3  # runs that wake threads and caches
_ROUNDS = (3, 25)  # samples of each graph: at least, at most
_STEPS = 0.25  # of the time: what is kept for the whole step
_FIRST = 0.7  # of what is left: for what is asked for first
_SLOWER = 1.03  # a step that takes this much longer is slower, and not only by chance
_LEAST = 0.01  # µs: what is lost in the noise still costs something

# Called with how many costs are measured, how many there are in all, and what comes next.
Progress = Callable[[int, int, str], None]
Values = Mapping[Node, Value]


@dataclass(frozen=True)
class Tuning:
    """What a tuning did.

    measured: costs that are new. missing: those for which there was no time left. builtin, tuned: seconds that the
    step takes, compiled by the built-in model and by the measured costs. kept: whether the new costs are used.
    """

    measured: int
    missing: int
    builtin: float
    tuned: float
    kept: bool


def tune(program: Program, seconds: float = 30.0, progress: Progress | None = None) -> Tuning:
    """Measure what strategies cost for `program` (from `step.lower(...)`), in about `seconds`, and keep it on disk.

    What is on disk already is not measured again. What is compiled from now on is compiled by these costs, the
    function of this program too, at its next call. Its state is not touched.

    Raises LenetcError where the program is not from `lower()`, and OSError where the costs cannot be written
    (the environment variable LENETC_CACHE names another folder).
    """
    if program.source is None:
        raise LenetcError(
            "tune() takes the program of a compiled function, as from step.lower(images, labels)"
        )
    start = time.perf_counter()
    known = dict(measured_costs.read(program.target.device))
    new: dict[str, tuple[float, float]] = {}
    missing = 0
    for graph, target in program.choices:
        while left := unmeasured(graph, replace(target, costs=measured_costs.measured({**known, **new}))):
            now, end = time.perf_counter(), start + seconds * (1 - _STEPS)
            # What is asked for next needs time as well.
            found = measure(left, target, now + _FIRST * (end - now), progress, len(new))
            new |= found
            if len(found) < len(left):
                missing += len(left) - len(found)
                break
    if progress is not None:
        progress(len(new), len(new) + missing, "the whole step")
    builtin, best = _steps(program, (None, measured_costs.measured({**known, **new})), start + seconds)
    kept = best <= builtin * _SLOWER
    if kept and new:
        measured_costs.save(program.target.device, new)
        program.source[0].forget()
    return Tuning(len(new), missing, builtin, best, kept)


def measure(
    wanted: Sequence[Probe], target: Target, deadline: float, progress: Progress | None = None, done: int = 0
) -> dict[str, tuple[float, float]]:
    """What probes cost in µs, and what was estimated, by key. Those are missing for which there was no time."""
    groups: dict[str, list[Probe]] = {}
    for probe in wanted:
        groups.setdefault(probe.group, []).append(probe)
    costs: dict[str, tuple[float, float]] = {}
    for number, (group, members) in enumerate(groups.items()):
        left = deadline - time.perf_counter()
        if left <= 0:
            break
        if progress is not None:
            progress(done + len(costs), done + len(wanted), group)
        costs |= _measure_group(members, target, left / (len(groups) - number))
    return costs


def _measure_group(
    members: Iterable[Probe], target: Target, seconds: float
) -> dict[str, tuple[float, float]]:
    """The costs of probes that compete, their graphs run in turns."""
    until = time.perf_counter() + seconds
    values: dict[object, Value] = {}
    timed: dict[Graph, Timed] = {}

    def timed_of(graph: Graph) -> Timed:
        if graph not in timed:
            drawn = {node: _drawn(node, target.device, values) for node in graph.inputs}
            timed[graph] = load(finish(graph, target), drawn, target)
        return timed[graph]

    nothing = timed_of(probes.empty())
    pairs = [(p, timed_of(p.graph()), timed_of(p.without()) if p.without else nothing) for p in members]
    in_turns(list(timed.values()), until)
    costs = {}
    for probe, whole, without in pairs:
        spent = (whole.seconds - without.seconds) * 1e6 + (NODE if without is nothing else 0.0)
        costs[probe.key] = max(spent * probe.share, _LEAST), probe.estimate
    return costs


def _drawn(node: Node, device: str, values: dict[object, Value]) -> Value:
    """Random numbers for an input, the same for all inputs of a type."""
    if node.ty not in values:
        shape = [int(dim) for dim in node.shape]
        drawn = np.random.default_rng(0).standard_normal(shape).astype(node.dtype.numpy)
        values[node.ty] = runtime.to_device(drawn, device)
    return values[node.ty]


def _steps(program: Program, costs: Sequence[Measured | None], until: float) -> list[float]:
    """Seconds that the step takes, compiled by each of the costs."""
    values = {name: runtime.to_device(x, program.target.device) for name, x in _feeds(program).items()}
    timed: dict[tuple[Graph, ...], Timed] = {}
    found = []
    for known in costs:
        made = Program(compilation(program.graph("traced"), replace(program.target, costs=known)))
        graphs = tuple(made.split.programs().values()) if made.split else (made.graph(),)
        if graphs not in timed:
            timed[graphs] = _step(made, values)
        found.append(timed[graphs])
    in_turns(list(timed.values()), until)
    return [one.seconds for one in found]


def _step(program: Program, values: Mapping[str, Value]) -> Timed:
    """A whole step, loaded and bound to memory of its own for what it gives."""
    device, graph = program.target.device, program.graph("traced")
    nexts = {next_name(name): _memory(node, device) for name, node in graph.updates}
    session = session_of(program)
    binding = session.bind({node.attrs["name"]: values[node.attrs["name"]] for node in graph.inputs}, nexts)
    shapes = {
        name: ([int(d) for d in node.shape], runtime.stored(node.dtype)) for name, node in graph.results
    }
    kept = binding.received(shapes)

    def run() -> None:
        binding.start()
        binding.run()
        session.settle()

    return Timed(run, kept)


def _feeds(program: Program) -> Mapping[str, Array]:
    """Values for all inputs of the step: the arguments that it was lowered with, and the state as it is."""
    assert program.source is not None
    function, arguments = program.source
    captured = program.capture
    assert captured is not None
    feeds = {name: cell.numpy() for name, cell in captured.cells.items()}
    leaves = [leaf for _, leaf in function.arguments.leaves(arguments)]
    for name, position in captured.feeds:
        item = leaves[position]
        feeds[name] = item if isinstance(item, np.ndarray) else item.detach().numpy()
    for name, position in captured.scalars.items():
        dtype = program.graph("traced").input_named(name).dtype.numpy
        feeds[name] = np.asarray(leaves[position], dtype)
    for hyper in captured.hypers:
        dtype = program.graph("traced").input_named(hyper.input).dtype.numpy
        feeds[hyper.input] = np.asarray(hyper.optimizer.option(hyper.group, hyper.key), dtype)
    return feeds


def load(graph: Graph, values: Values, target: Target) -> Timed:
    """A lowered graph, loaded and bound to the values of its inputs."""
    from passes.emit.model import to_onnx  # brings onnx in, which importing lenetc should not

    emitted = to_onnx(folded(graph))
    file, is_fused = emitted.to_file(target.device)
    session = Session(file, target.device, emitted.places, target.threads, is_fused)
    names = [output.name for output in emitted.model.graph.output]
    outputs = {name: _memory(node, target.device) for name, node in zip(names, graph.outputs, strict=True)}
    return Timed(session.bind({node.attrs["name"]: values[node] for node in graph.inputs}, outputs).run)


def _memory(node: Node, device: str) -> Value:
    return runtime.empty([int(dim) for dim in node.shape], runtime.stored(node.dtype), device)


class Timed:
    """Something to time. kept: what `run` needs and does not hold. spent: seconds that its samples took."""

    def __init__(self, run: Callable[[], None], kept: object = None) -> None:
        self._run = run
        self._kept = kept
        run()  # makes the runtime's memory
        start = time.perf_counter()
        run()
        self._runs = max(int(_SAMPLE / (time.perf_counter() - start)), 5)
        self.samples: list[float] = []
        self.spent = 0.0

    def sample(self) -> None:
        """Time some runs."""
        begin = time.perf_counter()
        time.sleep(_REST)
        for _ in range(_WARM):
            self._run()
        taken = []
        for _ in range(self._runs):
            start = time.perf_counter()
            self._run()
            taken.append(time.perf_counter() - start)
        self.samples.append(median(taken))
        self.spent += time.perf_counter() - begin

    @property
    def seconds(self) -> float:
        """What a run takes."""
        return median(self.samples)


def in_turns(timed: Sequence[Timed], until: float) -> None:
    """Sample each a few times, and more often where time is left."""
    share = (until - time.perf_counter()) / len(timed)
    for number in range(_ROUNDS[1]):
        for one in timed:
            if number < _ROUNDS[0] or one.spent < share:
                one.sample()
