"""Programs in parts: ranges of the batch side by side, each on one thread, then programs that join what they give.

One session with several threads splits every operator among them, waits for all, and moves what one core has just
computed to another's cache; a LeNet step has 120 operators and small ones. Parts meet once in a step. The results
are joined at once; the state is updated by another thread while the caller is already on its way to the next batch,
and whoever looks at the state waits for that.
"""

from __future__ import annotations

import _thread
import atexit
import ctypes
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ir.node import Graph, Where
from ir.types import Array
from lenetc.runtime.memory import Value, empty, stored, view
from lenetc.runtime.session import Session
from passes.kernels.constants import folded
from passes.kernels.order import memory
from passes.kernels.threads import threads
from passes.pipeline import Split, undisturbed
from passes.tiling.division import WHOLE

if TYPE_CHECKING:
    from lenetc.compiler.program import Program

log = logging.getLogger("lenetc.parts")
Job = Callable[[], None]
_LARGE = 2**24  # bytes of intermediate values
_SHARED = 1000  # nodes of a graph whose session is loaded once for all threads


class SplitSession:
    """The sessions of a split program; made and used as one `runtime.Session`."""

    def __init__(self, split: Split, profile: Path | None = None) -> None:
        self.device = "cpu"
        self.owner: Any = None  # whose state the last run has written
        self.ranges, self.cut = split.division.ranges, split.division.cut
        if profile is not None:
            profile.mkdir()
        programs = split.programs()
        models = {graph: _model(graph) for graph in dict.fromkeys(programs.values())}
        loaded: dict[str, Session] = {}
        made: dict[Graph, Session] = {}
        for name, graph in programs.items():
            session = made.get(graph)
            if session is None:
                session = _session(*models[graph], profile and profile / name)
            # One for two threads is as good as one for each, and waiting for a second one has to pay.
            if profile is None and len(graph.nodes()) > _SHARED:
                made[graph] = session
            loaded[name] = session
        reads = {name: {node.attrs["name"] for node in graph.inputs} for name, graph in programs.items()}
        names = [f"part{k}" for k in range(len(split.parts))]
        self.parts, self.reads = [loaded[name] for name in names], [reads[name] for name in names]
        self.joins = {name: (loaded[name], reads[name]) for name in programs if name not in names}
        self.shapes = {
            name: ([int(dim) for dim in node.shape], stored(node.dtype))
            for name, node in split.results[-1].graph.results
        }
        # What the parts give, in memory that every run uses again.
        self.given = [
            {
                name: empty([int(dim) for dim in node.shape], stored(node.dtype), "cpu")
                for name, node in stages[-1].graph.results
            }
            for stages in split.parts
        ]
        self._late: Late | None = None  # the update that is on its way

    @property
    def sessions(self) -> list[Session]:
        """Those of the parts, of the results and of the update."""
        return [*self.parts, *(session for session, _ in self.joins.values())]

    def bind(
        self, inputs: Mapping[str, Value], outputs: Mapping[str, Value], replay: bool = False
    ) -> SplitBinding:
        """As `Session.bind`; the CPU has nothing to replay."""
        return SplitBinding(self, inputs, outputs)

    def is_read_late(self, name: str) -> bool:
        """Whether the memory of an input is read after `SplitBinding.run` has returned."""
        return "update" in self.joins and name in self.joins["update"][1]

    def run(self, feeds: Mapping[str, Value], outputs: Sequence[str]) -> list[Value]:
        """As `Session.run`."""
        binding = self.bind(feeds, {})
        values = binding.received({name: self.shapes[name] for name in outputs})
        binding.start()
        binding.run()
        self.settle()
        return values

    def later(self, late: Late) -> None:
        """`late` is on its way."""
        self._late = late

    def settle(self) -> None:
        """Wait until the state is written. Raises what the update raised."""
        late, self._late = self._late, None
        if late is not None:
            late.wait()


@undisturbed()
def session_of(
    program: Program, profile: Path | None = None, cuda_graphs: bool = False
) -> Session | SplitSession:
    """A program loaded, in parts where it has them, else in one; it profiles its runs into the folder `profile` if
    that is given. cuda_graphs: whether runs are to be captured as CUDA graphs, where that is possible."""
    if program.split is not None:
        return SplitSession(program.split, profile)
    emitted, target, graph = program.emitted, program.target, program.graph()
    obstacles = program.obstacles if cuda_graphs else []
    if obstacles:
        log.info("runs are not captured as CUDA graphs: %s", "; ".join(obstacles))
    file, is_fused = emitted.to_file(target.device)
    return Session(
        file,
        target.device,
        emitted.places,
        threads(graph, target.threads),
        is_fused,
        profile,
        large=target.device == "cpu" and memory(graph, target.batch) > _LARGE,
        captures=cuda_graphs and not obstacles,
    )


def _model(graph: Graph) -> tuple[bytes, bool, Mapping[str, Where]]:
    """The ONNX file of a graph, whether what the runtime would fuse in it is fused, and where its nodes came from."""
    from passes.emit.model import to_onnx  # brings onnx in, which importing lenetc should not

    emitted = to_onnx(folded(graph))
    return *emitted.to_file("cpu"), emitted.places


def _session(model: bytes, is_fused: bool, places: Mapping[str, Where], profile: Path | None) -> Session:
    return Session(model, "cpu", places, 1, is_fused, profile)


class SplitBinding:
    """A prepared run of a split program, used as a `runtime.Binding`."""

    def __init__(
        self, session: SplitSession, inputs: Mapping[str, Value], outputs: Mapping[str, Value]
    ) -> None:
        self._session = session
        self._fed: dict[str, Value | Array] = {}
        self._parts = [part.bind({}, given) for part, given in zip(session.parts, session.given, strict=True)]
        gathered = {f"{name}_{k}": x for k, given in enumerate(session.given) for name, x in given.items()}
        self._joins = {
            join: (
                one.bind(
                    {x: gathered[x] for x in gathered.keys() & reads}, outputs if join == "update" else {}
                ),
                reads,
            )
            for join, (one, reads) in session.joins.items()
        }
        for name, value in inputs.items():
            self.feed(name, value)
        self._jobs: list[Job] = [part.run for part in self._parts]
        self._late = Late(partial(self._join, "update"))
        self._workers = workers(len(self._jobs))
        self._is_started = False

    def feed(self, name: str, value: Value | Array) -> None:
        """Bind an input: to each part its samples, or all where it reads all."""
        if self._fed.get(name) is value:
            return
        session = self._session
        for join, reads in self._joins.values():
            if name in reads:
                join.feed(name, value)
        samples = None
        for part, reads, (start, stop) in zip(self._parts, session.reads, session.ranges, strict=True):
            if name + WHOLE in reads:
                part.feed(name + WHOLE, value)
            if name not in reads:
                continue
            if name not in session.cut:
                part.feed(name, value)
                continue
            if samples is None:
                samples = value if isinstance(value, np.ndarray) else view(value)
            part.feed(name, samples[start:stop])
        self._fed[name] = value

    def received(self, shapes: Mapping[str, tuple[Sequence[int], np.dtype[Any]]]) -> list[Value]:
        """As `Binding.received`."""
        return self._joins["results"][0].received(shapes) if shapes else []

    def start(self) -> None:
        """Let the other threads begin with their parts, once all is fed."""
        self._workers = workers(len(self._jobs))
        self._is_started = self._workers.start(self._jobs[1:], self._late)

    def run(self) -> None:
        """Return when the results are there; `settle` of the session waits for the state."""
        if self._is_started:
            self._workers.finish(self._jobs[0])
            self._session.later(self._late)
            self._join("results")
            return
        for job in self._jobs:
            job()
        self._join("results")
        self._join("update")

    def release(self) -> None:
        """As `Binding.release`."""

    def _join(self, name: str) -> None:
        if name in self._joins:
            self._joins[name][0].run()


class Late:
    """Work for one thread when all parts are done, while the caller goes on."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._told, self._done = _thread.allocate_lock(), _thread.allocate_lock()
        self._told.acquire()
        self._done.acquire()
        self._is_wanted = False
        self._error: BaseException | None = None

    def tell(self, is_wanted: bool) -> None:
        """The other parts are done; where one has failed, nothing is to be done here."""
        self._is_wanted = is_wanted
        _late.add(self)
        self._told.release()

    def run(self, is_wanted: bool) -> None:
        """What the thread does after its own part, which has failed where nothing is wanted."""
        self._told.acquire()
        try:
            if is_wanted and self._is_wanted:
                self._job()
        except BaseException as error:
            self._error = error
        self._done.release()

    def wait(self) -> None:
        """Return when it is done; once for each run. Raises what the work raised."""
        self._done.acquire()
        _late.discard(self)
        error, self._error = self._error, None
        if error is not None:
            raise error

    def pause(self) -> None:
        """Return when it is done, which `wait` will find so as well."""
        self._done.acquire()
        self._done.release()


_late: set[Late] = set()  # on their way
# Tells the number of the processor that the calling thread is on.
_processor: Callable[[], int] | None = None
if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "sched_getcpu"):
    _processor = libc.sched_getcpu


def _drain() -> None:
    """Before the process ends or forks: no thread is in the middle of anything."""
    for late in list(_late):
        late.pause()


atexit.register(_drain)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_drain)


class Workers:
    """Threads that wait for work. The caller does a piece itself meanwhile."""

    def __init__(self, count: int) -> None:
        self.pid = os.getpid()
        self._busy = _thread.allocate_lock()
        self._caller = 0  # the thread that started them, while they are busy
        self._late: Late | None = None
        self._threads = [_Worker() for _ in range(count - 1)]
        self._here: set[int] = set()  # the caller's processor, when last looked at
        self._allowed: set[int] = set()  # and those that it may use

    def _settle_down(self) -> None:
        """Until the jobs are done the caller stays where it is, and the others elsewhere. The system puts a thread
        beside the one that wakes it, and leaves it there, waiting, while that one works."""
        assert _processor is not None
        here = {_processor()}
        self._allowed = os.sched_getaffinity(0)
        if len(self._allowed) == 1:
            return
        with suppress(OSError):  # where that is not allowed, it is only slower at times
            os.sched_setaffinity(0, here)
            if here != self._here:
                for worker in self._threads:
                    os.sched_setaffinity(worker.id, self._allowed - here)
                self._here = here

    def start(self, jobs: Sequence[Job], late: Late) -> bool:
        """Let the threads do `jobs`, one each, and the first of them `late` after that.

        False, and nothing done, while they work for another thread.
        """
        if self._caller == _thread.get_ident():  # an exception came between its start and its finish
            self._wait(KeyboardInterrupt())
        if not self._busy.acquire(blocking=False):
            return False
        self._caller, self._late = _thread.get_ident(), late
        if _processor is not None:
            self._settle_down()
        for i, (worker, job) in enumerate(zip(self._threads, jobs, strict=True)):
            worker.start(job, None if i else late)
        return True

    def finish(self, job: Job) -> None:
        """Do `job`, and return when all jobs are done; `late` is on its way then. Raises the first error there was."""
        error: BaseException | None = None
        try:
            job()
        except BaseException as caught:
            error = caught
        error = self._wait(error)
        if error is not None:
            raise error

    def _wait(self, error: BaseException | None) -> BaseException | None:
        late = self._late
        assert late is not None
        for worker in self._threads[1:]:
            error = worker.finish() or error
        late.tell(error is None)  # before the first thread is done, as a rule: it need not go to sleep
        error = self._threads[0].finish() or error
        if error is not None:
            late.wait()
        if _processor is not None:
            with suppress(OSError):
                os.sched_setaffinity(0, self._allowed)
        self._caller = 0
        self._busy.release()
        return error


class _Worker:
    """One thread; plain locks wake it fastest."""

    def __init__(self) -> None:
        self._todo, self._done = _thread.allocate_lock(), _thread.allocate_lock()
        self._todo.acquire()
        self._done.acquire()
        self._work: tuple[Job, Late | None] | None = None
        self._error: BaseException | None = None
        thread = threading.Thread(target=self._loop, name="lenetc", daemon=True)
        thread.start()
        self.id = thread.native_id or 0  # known once it has started

    def start(self, job: Job, late: Late | None) -> None:
        self._work = job, late
        self._todo.release()

    def finish(self) -> BaseException | None:
        """Wait for the job, not for what comes after it."""
        self._done.acquire()
        error, self._error = self._error, None
        return error

    def _loop(self) -> None:
        while True:
            self._todo.acquire()
            assert self._work is not None
            job, late = self._work
            failed = False
            try:
                job()
            except BaseException as error:
                self._error, failed = error, True
            self._done.release()
            if late is not None:
                late.run(not failed)


_workers: dict[int, Workers] = {}


def workers(count: int) -> Workers:
    """The threads for `count` pieces of work, kept for the process (threads do not survive a fork)."""
    found = _workers.get(count)
    if found is None or found.pid != os.getpid():
        found = _workers[count] = Workers(count)
    return found
