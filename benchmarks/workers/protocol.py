"""One peer in a process of its own: reads a request a line from standard input, answers each with a line of JSON.

    {"do": "hello"}                         versions of what was imported
    {"do": "setup", "task": {...}}          build model, optimizer and step; {"unsupported": why} where it cannot
    {"do": "losses", "steps": n}            the first n steps: their losses, and the seconds that each took
    {"do": "warm", "seconds": s}            steps until they take the same time; the seconds of one
    {"do": "round", "steps": n}             n steps: seconds of the wall clock, and of all processors together
    {"do": "quit"}

Every answer to a step has `peak_mb`, the most memory that was resident at once: of the process so far, and after
"warm" of the steps since then. Anything that goes wrong is answered by {"error": what}, with the traceback on standard
error. Between requests the process waits in a read: it uses no processor while another peer is timed. What libraries
print goes to standard error, so that nothing comes between the answers.

This module runs in every peer's environment: it imports NumPy and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

SGD_LR, MOMENTUM = 0.01, 0.9
ADAM_LR, BETAS, EPS = 1e-3, (0.9, 0.999), 1e-8

Step = Callable[[NDArray[np.float32], NDArray[np.int64]], float]


class Unsupported(Exception):
    """A peer cannot do a task; the message says why."""


@dataclass(frozen=True)
class Task:
    """What is trained, on what.

    model: a name of models.MODELS. optimizer: "sgd" (with momentum), "plain-sgd" or "adam".
    weights: the first parameters and buffers, by PyTorch's names. x f32[K,batch,...], y i64[K,batch]: K batches,
    taken in turn. threads: as many as a peer may use.
    """

    model: str
    optimizer: str
    batch: int
    threads: int
    weights: dict[str, NDArray[Any]]
    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def shape(self) -> tuple[int, ...]:
        """Of one batch."""
        return tuple(self.x.shape[1:])


def load(request: dict[str, Any]) -> Task:
    """The task of a request, its arrays read from the files that it names."""
    folder = Path(request["folder"])
    with np.load(folder / "weights.npz") as file:
        weights = {name: file[name] for name in file.files}
    x, y = np.load(folder / "x.npy"), np.load(folder / "y.npy")
    batch = request["batch"]
    count = len(x) // batch
    return Task(
        request["model"],
        request["optimizer"],
        batch,
        request["threads"],
        weights,
        x[: count * batch].reshape(count, batch, *x.shape[1:]),
        y[: count * batch].reshape(count, batch),
    )


def serve(prepare: Callable[[Task], Step], versions: Callable[[], dict[str, str]]) -> None:
    """Answer requests until standard input ends.

    prepare: makes a task's step, which takes a batch and returns its loss as a Python number; raises Unsupported.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(prepare, versions)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "quit":
            break
        say(answers, worker.answer(request))


def say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


class Worker:
    """The state between requests: the step, and which batch is next."""

    def __init__(self, prepare: Callable[[Task], Step], versions: Callable[[], dict[str, str]]) -> None:
        self.prepare, self.versions = prepare, versions
        self.done = 0

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self, "do_" + request["do"])(request)
        except Unsupported as reason:
            return {"unsupported": str(reason)}
        except Exception as error:
            traceback.print_exc()
            return {"error": f"{type(error).__name__}: {error}"}
        return answer

    def do_hello(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"versions": self.versions(), "pid": os.getpid()}

    def do_setup(self, request: dict[str, Any]) -> dict[str, Any]:
        self.task = load(request["task"])
        memory = resident_mb()
        start = time.perf_counter()
        self.step = self.prepare(self.task)
        return {"seconds": time.perf_counter() - start, "start_mb": memory}

    def do_losses(self, request: dict[str, Any]) -> dict[str, Any]:
        losses, seconds = [], []
        for _ in range(request["steps"]):
            start = time.perf_counter()
            losses.append(float(self.next()))
            seconds.append(time.perf_counter() - start)
        return {"losses": losses, "seconds": seconds, "peak_mb": peak_mb()}

    def do_warm(self, request: dict[str, Any]) -> dict[str, Any]:
        seconds: list[float] = []
        end = time.perf_counter() + request["seconds"]
        while len(seconds) < 3 or time.perf_counter() < end:
            start = time.perf_counter()
            self.next()
            seconds.append(time.perf_counter() - start)
        forget_peak()
        return {"step": float(np.median(seconds[len(seconds) // 2 :])), "peak_mb": peak_mb()}

    def do_round(self, request: dict[str, Any]) -> dict[str, Any]:
        steps = request["steps"]
        for _ in range(1 + steps // 10):  # what the other peers pushed out of the caches comes back
            self.next()
        processors, start = time.process_time(), time.perf_counter()
        for _ in range(steps):
            self.next()
        seconds = time.perf_counter() - start
        return {
            "seconds": seconds,
            "processors": (time.process_time() - processors) / seconds,
            "peak_mb": peak_mb(),
        }

    def next(self) -> float:
        i = self.done % len(self.task.x)
        self.done += 1
        return self.step(self.task.x[i], self.task.y[i])


def resident_mb() -> float | None:
    """Memory of this process that is resident now; None where the system does not tell."""
    return _status("VmRSS")


def peak_mb() -> float | None:
    """The most that was resident at once since the last `forget_peak`."""
    return _status("VmHWM")


def forget_peak() -> None:
    with contextlib.suppress(OSError):  # not Linux, or not allowed: the peak of the whole process stands
        Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> float | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":")), None)
