"""`lenetc.tune`: measure, on this machine, what strategies cost for the shapes of a program, and remember it.

Each cost is that of a small graph, run by itself. Those that compete with each other are run in turns, so that
whatever else the machine does strikes all of them, and the medians are kept (`lenetc.tuned`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from ir.errors import LenetcError
from ir.node import Graph
from lenetc import runtime, tuned
from lenetc.program import Program
from lenetc.runtime import Session, Value
from passes import probes
from passes.choice import unmeasured
from passes.costs import NODE
from passes.pipeline import Target, finish
from passes.prices import Measured, Probe

_SAMPLE = 0.002  # seconds of runs for one sample, about
# Seconds: threads of another session go on spinning for some milliseconds after a run, on the cores that we need.
_REST = 0.01
_WARM = 3  # runs that wake threads and caches
_ROUNDS = (3, 25)  # samples of each graph: at least, at most
_LEAST = 0.01  # µs: what is not more than the noise still costs something

# (µs by key so far, how many there are to measure in all, what is measured now)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Tuning:
    """What a tuning did. measured: costs that are new on disk; missing: those for which there was no time left."""

    measured: int
    missing: int


def tune(program: Program, seconds: float = 20.0, progress: Progress | None = None) -> Tuning:
    """Measure what the strategies cost for `program` (`step.lower(...)`), in about `seconds`, and keep it on disk.

    What is known already is not measured again. Functions compiled from now on, and the function of this program
    at its next call, are compiled by these costs. Raises LenetcError for a program that is not a compiled
    function's, and OSError where the costs cannot be written (`LENETC_CACHE` names another folder).
    """
    if program.source is None:
        raise LenetcError(
            "tune() takes a program from CompiledFunction.lower(), as in step.lower(images, labels)"
        )
    graph, target = program.chosen_from, program.target
    deadline = time.perf_counter() + seconds
    known = dict(tuned.read(target.device))
    count = 0
    while left := unmeasured(graph, replace(target, costs=_measured(known))):
        found = measure(left, target, deadline, count, progress)
        if not found:
            break
        count += len(found)
        known |= found
        tuned.save(target.device, found)
    program.source[0].forget()
    return Tuning(count, len(left))


def _measured(costs: tuned.Costs) -> Measured:
    return Measured({key: cost for key, (cost, _) in costs.items()})


def measure(
    wanted: Sequence[Probe], target: Target, deadline: float, done: int = 0, progress: Progress | None = None
) -> dict[str, tuple[float, float]]:
    """What the probes cost in µs, and what was estimated, by key; those missing for which the time was short."""
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
    kernels: dict[Graph, Kernel] = {}

    def kernel(graph: Graph) -> Kernel:
        if graph not in kernels:
            kernels[graph] = Kernel(graph, target, values)
        return kernels[graph]

    nothing = kernel(probes.empty())
    pairs = [(p, kernel(p.graph()), kernel(p.without()) if p.without else nothing) for p in members]
    share = (until - time.perf_counter()) / len(kernels)
    for number in range(_ROUNDS[1]):
        for one in kernels.values():
            if number < _ROUNDS[0] or one.spent < share:
                one.sample()
    costs = {}
    for probe, whole, without in pairs:
        spent = whole.micros - without.micros + (NODE if without is nothing else 0.0)
        costs[probe.key] = max(spent * probe.share, _LEAST), probe.estimate
    return costs


class Kernel:
    """A graph of strategies' expansions, loaded and bound. `spent`: seconds of its samples."""

    def __init__(self, graph: Graph, target: Target, values: dict[object, Value]) -> None:
        from passes.emit import to_onnx  # brings onnx in, which importing lenetc should not

        emitted = to_onnx(finish(graph, target))
        session = Session(emitted.model.SerializeToString(), target.device, emitted.places)
        for node in graph.inputs:
            if node.ty not in values:
                drawn = np.random.default_rng(0).standard_normal(node.shape).astype(node.dtype.numpy)
                values[node.ty] = runtime.to_device(drawn, target.device)
        outputs = {
            name: runtime.empty([int(d) for d in node.shape], node.dtype.numpy, target.device)
            for name, node in graph.results
        }
        self._binding = session.bind({node.attrs["name"]: values[node.ty] for node in graph.inputs}, outputs)
        self._binding.run()  # makes the runtime's memory
        start = time.perf_counter()
        self._binding.run()
        self._runs = max(int(_SAMPLE / (time.perf_counter() - start)), 5)
        self._samples: list[float] = []
        self.spent = 0.0

    def sample(self) -> None:
        """Time some runs."""
        begin = time.perf_counter()
        time.sleep(_REST)
        for _ in range(_WARM):
            self._binding.run()
        taken = []
        for _ in range(self._runs):
            start = time.perf_counter()
            self._binding.run()
            taken.append(time.perf_counter() - start)
        self._samples.append(median(taken))
        self.spent += time.perf_counter() - begin

    @property
    def micros(self) -> float:
        """What a run takes, in µs."""
        return median(self._samples) * 1e6
