"""Measuring a compiled function: timed calls first, then some in a session that profiles its kernels.

The two are apart because profiling slows a call down. Both go the way of every call; what they change (state,
gradients, step counts, random numbers) is put back.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ir import ops
from ir.errors import LenetcError
from ir.node import Graph
from ir.op import leaf
from ir.types import Type, f32
from lenetc.compiler.structure import flatten, is_array, rebuild
from lenetc.compiler.traces.records import Capture
from lenetc.evaluation.cell import Cell, Context
from lenetc.evaluation.tracing import here
from lenetc.profiling.kernels import Overhead, Profiled, read_profile, side_by_side
from lenetc.profiling.profile import Memory, Profile
from lenetc.runtime import Session, empty, to_device
from lenetc.runtime.parts import SplitSession
from passes.emit.model import to_onnx
from passes.emit.origins import origins
from passes.kernels.constants import folded

if TYPE_CHECKING:
    from lenetc.compiler.function import CompiledFunction
    from lenetc.compiler.specialization import Specialization

_WARM_UP = 3  # calls before any that count: the first one compiles, and may make optimizer state
_SECONDS = 1.0  # of timed calls, unless their number is given
_PROFILED_SECONDS = 0.5
_CHAIN = 200  # kernels, to measure what profiling costs
_PROFILED_KERNELS = 30_000  # at most, in all profiled calls: the runtime writes a kilobyte for each


def measure(
    function: CompiledFunction, args: tuple[Any, ...], kwargs: dict[str, Any], scan: bool, steps: int | None
) -> Profile:
    """The profile of `function(*args, **kwargs)`, or of its `scan`, over `steps` timed calls (None: a second of
    them). Raises LenetcError for fewer than 2 steps, and what the call raises."""
    if steps is not None and steps < 2:
        raise LenetcError(f"profile: a median and a spread need at least 2 steps, not {steps}")
    if Context.trace is not None:
        raise LenetcError("profile() times calls, which a function that is being compiled cannot do").at(
            here()
        )

    if scan and function.specialization(args, kwargs, scan).steps is None:
        # Its steps run one by one, so the first one is as good as all.
        scan, args, kwargs = False, _first(args), _first(kwargs)

    def call() -> None:
        (function.scan if scan else function)(*args, **kwargs)

    with _state_kept() as keep:
        for _ in range(_WARM_UP):
            keep(function.specialization(args, kwargs, scan).capture)
            start = time.perf_counter()
            call()
            estimate = time.perf_counter() - start
        specialization = function.specialization(args, kwargs, scan)
        keep(specialization.capture)
        times, inside = _time(call, specialization, steps or min(max(int(_SECONDS / estimate), 10), 2000))
        peak = _peak_memory()
        profiled = _profile(call, specialization, estimate)
    cells = specialization.capture.cells.values()
    return Profile(
        function=function.arguments.name,
        device=specialization.device,
        samples=_samples(specialization),
        times=times,
        runtime=inside,
        profiled=profiled,
        memory=Memory(peak, sum(_bytes(cell) for cell in cells), profiled.arena),
    )


def _time(
    call: Callable[[], None], specialization: Specialization, steps: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Seconds of each call, and those of them that the runtime took."""
    inside: list[float] = []
    times = []
    with _in_its_place(specialization, cast("Session", _Timed(specialization.session, inside))):
        for _ in range(_WARM_UP):
            call()
        inside.clear()
        for _ in range(steps):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return tuple(times), tuple(inside)


class _Timed:
    """Stands for a session, and for the prepared runs that it gives: notes the seconds that each run takes."""

    def __init__(self, timed: Any, seconds: list[float]) -> None:
        self._timed = timed
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._timed, name)

    def bind(self, *args: Any, **how: Any) -> _Timed:
        return _Timed(self._timed.bind(*args, **how), self._seconds)

    def run(self) -> None:
        start = time.perf_counter()
        self._timed.run()
        self._seconds.append(time.perf_counter() - start)


def _profile(call: Callable[[], None], specialization: Specialization, estimate: float) -> Profiled:
    """The kernels of some calls, in sessions that are the specialization's but for profiling."""
    split = specialization.program.split
    graphs = [specialization.program.graph()] if split is None else list(split.programs().values())
    most = min(50, _PROFILED_KERNELS // sum(map(kernels_of, graphs)))
    count = max(min(max(int(_PROFILED_SECONDS / estimate), 5), most), 2)
    with tempfile.TemporaryDirectory(prefix="lenetc-profile-") as folder:
        session = specialization.load(Path(folder) / "program")
        with _in_its_place(specialization, session):
            for _ in range(_WARM_UP + count):
                call()
        sessions = [session] if isinstance(session, Session) else session.sessions
        overhead = _overhead(specialization.device, sessions[0].threads, Path(folder))
        found = []
        for one, graph in zip(sessions, graphs, strict=True):
            file, optimized = one.end_profiling()
            found.append(read_profile(file, origins(to_onnx(folded(graph)), optimized), _WARM_UP, overhead))
    if isinstance(session, Session):
        return found[0]
    parts = len(session.parts)
    return side_by_side(found[:parts], dict(zip(session.joins, found[parts:], strict=True)))


def _overhead(device: str, threads: int, folder: Path) -> Overhead:
    """What profiling adds to each kernel, from a chain of kernels that have nothing to do, run with and without it."""
    x = leaf("x", Type(f32, (1,)))
    chain = reduce(lambda y, _: ops.neg(y), range(_CHAIN), x)
    emitted = to_onnx(Graph.make("chain", [x], [("y", chain)]))
    model, is_fused = emitted.to_file(device)
    feeds = {"x": to_device(np.zeros(1, np.float32), device)}
    outputs = {"y": empty([1], np.dtype(np.float32), device)}
    plain = Session(model, device, emitted.places, threads, is_fused)
    profiled = Session(model, device, emitted.places, threads, is_fused, folder / "chain")
    seconds: list[float] = []
    for binding in (_Timed(plain, seconds).bind(feeds, outputs), profiled.bind(feeds, outputs)):
        for _ in range(_WARM_UP + 20):
            binding.run()
    found = read_profile(profiled.end_profiling()[0], {}, _WARM_UP)
    each = statistics.median(seconds) / _CHAIN
    inside = sum(kernel.seconds for kernel in found.kernels) / _CHAIN - each
    outside = found.seconds / _CHAIN - each - inside
    return Overhead(max(inside, 0.0), max(outside, 0.0))


@contextmanager
def _in_its_place(specialization: Specialization, session: Session | SplitSession) -> Iterator[None]:
    """Runs of the specialization go to another session."""
    own = specialization.session
    specialization.use(session)
    try:
        yield
    finally:
        specialization.use(own)


@contextmanager
def _state_kept() -> Iterator[Callable[[Capture], None]]:
    """Gives a function to be called with each capture before it runs; afterwards its state is as it was."""
    undo: dict[Any, Callable[[], None]] = {}

    def keep(captured: Capture) -> None:
        for cell in captured.cells.values():
            if cell not in undo:
                value = cell.numpy()
                undo[cell] = cell.saved()
                cell.set_value(value)  # in memory of its own, so that what was saved stays as it is
        for tensor in (
            *(tensor for tensor, _ in captured.grads),
            *(tensor for tensor, _ in captured.lost_grads),
        ):
            undo.setdefault(tensor, partial(setattr, tensor, "_grad", tensor._grad))
        for optimizer in captured.optimizers:
            undo.setdefault(optimizer, partial(setattr, optimizer, "_step_count", optimizer._step_count))
            undo.setdefault((optimizer, "state"), optimizer._saved_state())

    try:
        yield keep
    finally:
        for put_back in undo.values():
            put_back()


def _samples(specialization: Specialization) -> int | None:
    """Samples of a call: the leading axis of its first array, for each step of a scan."""
    captured = specialization.capture
    shapes = [node.shape for node in captured.graph.inputs if node.attrs["kind"] == "input"]
    return int(shapes[0][0]) * (specialization.steps or 1) if shapes and shapes[0] else None


def _first(arguments: Any) -> Any:
    """The arguments of the first step of a scan."""
    return rebuild(arguments, (x[0] if is_array(x) else x for _, x in flatten(arguments, "")))


def kernels_of(graph: Graph) -> int:
    """How many kernels a run starts, about."""
    count = 1
    for node in graph.operations():
        if node.op is ops.scan:
            count += node.attrs["length"] * kernels_of(node.attrs["body"])
        else:
            count += kernels_of(node.attrs["then"]) if node.op is ops.cond else 1
    return count


def _bytes(cell: Cell) -> int:
    return int(cell.type.size) * cell.type.dtype.numpy.itemsize


def _peak_memory() -> int | None:
    """Most memory that this process has had in use, in bytes."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
