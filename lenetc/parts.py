"""Programs in parts: ranges of the batch side by side, each on one thread, then a program that joins what they give.

One session with several threads splits every operator among them, waits for all, and moves what one core has just
computed to another's cache; a LeNet step has 120 operators and small ones. Parts meet once in a step.
"""

from __future__ import annotations

import _thread
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ir.node import Graph
from ir.types import Array
from lenetc import runtime
from lenetc.runtime import Session, Value
from passes.pipeline import Split
from passes.threads import threads
from passes.tiling import WHOLE

if TYPE_CHECKING:
    from lenetc.program import Program

log = logging.getLogger("lenetc.parts")


class SplitSession:
    """The sessions of a split program; made and used as one `runtime.Session`."""

    def __init__(self, split: Split) -> None:
        self.device = "cpu"
        self.ranges, self.cut = split.division.ranges, split.division.cut
        self.reads = [{node.attrs["name"] for node in stages[-1].graph.inputs} for stages in split.parts]
        self.join_reads = {node.attrs["name"] for node in split.join[-1].graph.inputs}
        self.parts = [_session(stages[-1].graph) for stages in split.parts]
        self.join = _session(split.join[-1].graph)
        self.shapes = {
            name: ([int(dim) for dim in node.shape], node.dtype.numpy)
            for name, node in split.join[-1].graph.results
        }
        # What the parts give, in memory that every run uses again.
        self.given = [
            {
                name: runtime.empty([int(dim) for dim in node.shape], node.dtype.numpy, "cpu")
                for name, node in stages[-1].graph.results
            }
            for stages in split.parts
        ]

    def bind(
        self, inputs: Mapping[str, Value], outputs: Mapping[str, Value], replay: bool = False
    ) -> SplitBinding:
        """As `Session.bind`; the CPU has nothing to replay."""
        return SplitBinding(self, inputs, outputs)

    def run(self, feeds: Mapping[str, Value], outputs: Sequence[str]) -> list[Value]:
        """As `Session.run`."""
        values = {name: runtime.empty(*self.shapes[name], self.device) for name in outputs}
        self.bind(feeds, values).run()
        return list(values.values())


def session_of(program: Program, cuda_graphs: bool = False) -> Session | SplitSession:
    """A program loaded: in parts where it has them, else in one, to be captured as CUDA graphs if told and possible."""
    if program.split is not None:
        return SplitSession(program.split)
    emitted, target = program.emitted, program.target
    count = threads(program.graph(), target.threads)
    obstacles = program.obstacles if cuda_graphs else []
    if obstacles:
        log.info("runs are not captured as CUDA graphs: %s", "; ".join(obstacles))
    captures = cuda_graphs and not obstacles
    return Session(emitted.model.SerializeToString(), target.device, emitted.places, count, captures)


def _session(graph: Graph) -> Session:
    from passes.emit import to_onnx  # brings onnx in, which importing lenetc should not

    emitted = to_onnx(graph)
    return Session(emitted.model.SerializeToString(), "cpu", emitted.places, threads=1)


class SplitBinding:
    """A prepared run of a split program, used as a `runtime.Binding`."""

    def __init__(
        self, session: SplitSession, inputs: Mapping[str, Value], outputs: Mapping[str, Value]
    ) -> None:
        self._session = session
        self._fed: dict[str, Value | Array] = {}
        self._parts = [part.bind({}, given) for part, given in zip(session.parts, session.given, strict=True)]
        gathered = {f"{name}_{k}": x for k, given in enumerate(session.given) for name, x in given.items()}
        self._join = session.join.bind(
            {name: x for name, x in gathered.items() if name in session.join_reads}, outputs
        )
        for name, value in inputs.items():
            self.feed(name, value)
        self._jobs: list[Callable[[], None]] = [part.run for part in self._parts]

    def feed(self, name: str, value: Value | Array) -> None:
        """Bind an input: to each part its samples, or all where it reads all."""
        if self._fed.get(name) is value:
            return
        session = self._session
        if name in session.join_reads:
            self._join.feed(name, value)
        samples = None
        for part, reads, (axis_from, axis_to) in zip(self._parts, session.reads, session.ranges, strict=True):
            if name + WHOLE in reads:
                part.feed(name + WHOLE, value)
            if name not in reads:
                continue
            if name not in session.cut:
                part.feed(name, value)
                continue
            if samples is None:
                samples = value if isinstance(value, np.ndarray) else value.numpy()  # a view of its memory
            part.feed(name, samples[axis_from:axis_to])
        self._fed[name] = value

    def receive(self, name: str, value: Value) -> None:
        """Bind an output."""
        self._join.receive(name, value)

    def received(self, shapes: Mapping[str, tuple[Sequence[int], np.dtype[Any]]]) -> list[Value]:
        """As `Binding.received`."""
        return self._join.received(shapes)

    def run(self) -> None:
        workers(len(self._jobs)).run(self._jobs)
        self._join.run()

    def release(self) -> None:
        """As `Binding.release`."""


class Workers:
    """Threads that wait for work. The caller does the first piece itself."""

    def __init__(self, count: int) -> None:
        self.pid = os.getpid()
        self._busy = _thread.allocate_lock()
        self._threads = [_Worker() for _ in range(count - 1)]

    def run(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Run all jobs and return when they are done; raises the first error there was."""
        if not self._busy.acquire(blocking=False):  # another thread of the caller's is at it
            for job in jobs:
                job()
            return
        try:
            started = list(zip(self._threads, jobs[1:], strict=False))
            for worker, job in started:
                worker.start(job)
            try:
                jobs[0]()
            finally:
                errors = [worker.finish() for worker, _ in started]
            for error in errors:
                if error is not None:
                    raise error
        finally:
            self._busy.release()


class _Worker:
    """One thread; plain locks wake it fastest."""

    def __init__(self) -> None:
        self._todo, self._done = _thread.allocate_lock(), _thread.allocate_lock()
        self._todo.acquire()
        self._done.acquire()
        self._job: Callable[[], None] | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._loop, name="lenetc", daemon=True).start()

    def start(self, job: Callable[[], None]) -> None:
        self._job = job
        self._todo.release()

    def finish(self) -> BaseException | None:
        self._done.acquire()
        error, self._error, self._job = self._error, None, None
        return error

    def _loop(self) -> None:
        while True:
            self._todo.acquire()
            assert self._job is not None
            try:
                self._job()
            except BaseException as error:
                self._error = error
            self._done.release()


_workers: dict[int, Workers] = {}


def workers(count: int) -> Workers:
    """The threads for `count` pieces of work, kept for the process (threads do not survive a fork)."""
    found = _workers.get(count)
    if found is None or found.pid != os.getpid():
        found = _workers[count] = Workers(count)
    return found
