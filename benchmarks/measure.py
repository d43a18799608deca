"""The measurement: every peer in a process of its own, the same task for all, rounds in alternation.

For each network, batch and optimizer: start the workers, have each compute the first losses and compare them with the
reference's, let each run itself warm, then time rounds, one peer after another in an order that is drawn anew for
each round. While one is timed the others wait in a read; how much processor time they took meanwhile is in the results.
"""

from __future__ import annotations

import contextlib
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import environments
from benchmarks.environments import NotInstalled, python_of
from benchmarks.figures import Row, compile_seconds, deviation, summary
from benchmarks.peers import BASELINE, ENVIRONMENTS, OURS, Peer
from benchmarks.processes import Failed, Process, Unsupported, spent
from benchmarks.workloads import OPTIMIZERS, WORKLOADS, Workload, write

ROOT = Path(__file__).parents[1]
Results = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long. batches: of LeNet; the other networks have theirs. timeout: seconds that a worker
    may take for one answer, compilation included."""

    peers: Sequence[Peer]
    workloads: Sequence[str]
    batches: Sequence[int] | None
    optimizers: Sequence[str]
    rounds: int
    seconds: float
    threads: int
    timeout: float

    def rows(self) -> Iterator[tuple[Workload, int, str]]:
        for name in self.workloads:
            workload = WORKLOADS[name]
            sizes = self.batches if name == "lenet" and self.batches else workload.batches
            for optimizer in self.optimizers:
                for batch in sizes:
                    yield workload, batch, optimizer


def commands(
    peers: Sequence[Peer], say: Callable[[str], None]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """How to start each peer's worker, environments made where they are missing; and why some cannot be had."""
    found, reasons = {}, {}
    for peer in peers:
        python: Path | str = sys.executable
        if peer.environment is not None:
            say(f"{peer.title}: environment {environments.FOLDER.name}/{peer.environment}")
            try:
                python = python_of(peer.environment, ENVIRONMENTS[peer.environment])
            except NotInstalled as reason:
                reasons[peer.name] = str(reason)
                say(f"{peer.title}: {reason}")
                continue
        found[peer.name] = [str(python), "-m", *peer.module]
    return found, reasons


def run(plan: Plan, save: Callable[[Results], None], say: Callable[[str], None]) -> Results:
    """Measure everything in the plan. `save` gets the results after every row, and once more at the end, so that
    nothing is lost when it is interrupted."""
    starts, reasons = commands(plan.peers, say)
    begin = time.monotonic()
    results: Results = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "commit": commit(),
        "threads": plan.threads,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "peers": {peer.name: {"title": peer.title, "versions": {}} for peer in plan.peers},
        "rows": [],
    }
    for name, reason in reasons.items():
        results["peers"][name]["unavailable"] = reason
    with tempfile.TemporaryDirectory() as scratch:
        for name in plan.workloads:
            write(name, Path(scratch) / name)
        for workload, batch, optimizer in plan.rows():
            elapsed = time.monotonic() - begin
            say(f"{elapsed:4.0f} s  {workload.title}, batch {batch}, {OPTIMIZERS[optimizer]}")
            measuring = Measurement(plan, starts, workload, batch, optimizer, Path(scratch))
            results["rows"].append(measuring.row)
            for name, reason in reasons.items():
                measuring.row["peers"][name] = {"reason": reason}
            try:
                measuring.run(say)
            finally:
                measuring.summarize()
                for name, versions in measuring.versions.items():
                    results["peers"][name]["versions"] = versions
                save(results)
    return results


class Measurement:
    """One network, batch and optimizer. `row` is what has been found so far."""

    def __init__(
        self,
        plan: Plan,
        starts: dict[str, list[str]],
        workload: Workload,
        batch: int,
        optimizer: str,
        scratch: Path,
    ) -> None:
        self.plan, self.starts, self.workload, self.scratch = plan, starts, workload, scratch
        self.batch, self.optimizer = batch, optimizer
        self.peers = {peer.name: peer for peer in plan.peers if peer.name in starts}
        self.versions: dict[str, dict[str, str]] = {}
        self.workers: dict[str, Process] = {}
        self.references: dict[str, list[float]] = {}
        self.wall = self.idle = self.foreign = 0.0  # seconds of rounds; of processors, while they ran
        self.row: Row = {
            "workload": workload.name,
            "title": workload.title,
            "batch": batch,
            "optimizer": optimizer,
            "tolerance": workload.tolerance,
            "peers": {name: {} for name in (peer.name for peer in plan.peers)},
        }

    def run(self, say: Callable[[str], None]) -> None:
        try:
            self.start()
            self.check(say)
            self.time()
        except BaseException:  # Ctrl-C: nobody waits for a compilation to end
            for worker in self.workers.values():
                worker.kill()
            raise
        finally:
            for worker in self.workers.values():
                worker.close()

    def does(self, name: str) -> str:
        """The optimizer that a peer runs in this row."""
        return self.peers[name].instead.get(self.optimizer, self.optimizer)

    def drop(self, name: str, reason: Exception | str) -> None:
        """Leave a peer out of the rest of the row, and say why."""
        self.row["peers"][name]["reason"] = str(reason)
        worker = self.workers.pop(name, None)
        if worker is not None:
            worker.close()

    @contextlib.contextmanager
    def dropped_on_failure(self, name: str) -> Iterator[None]:
        try:
            yield
        except (Failed, Unsupported) as reason:
            self.drop(name, reason)

    def open(self, name: str, label: str = "") -> Process:
        log = self.scratch / "logs" / f"{name}{label}.txt"
        variables = worker_variables(self.plan.threads)
        return Process(self.starts[name], variables, log, self.plan.timeout, self.plan.threads)

    def start(self) -> None:
        for name in self.starts:
            self.workers[name] = self.open(name)
        for name, worker in list(self.workers.items()):
            with self.dropped_on_failure(name):
                self.versions[name] = worker.ask("hello")["versions"]

    def check(self, say: Callable[[str], None]) -> None:
        """First losses of all, the baseline's first: who computes others than the reference is not timed."""
        for name in sorted(self.workers, key=lambda name: (name != BASELINE, name != OURS)):
            with self.dropped_on_failure(name):
                found = self.row["peers"][name]
                found["optimizer"] = self.does(name)
                setup, first = self.first_losses(self.workers[name], found["optimizer"])
                found["first"] = {"setup": setup["seconds"], "steps": first["seconds"]}
                found["start_mb"], found["compile_peak_mb"] = setup["start_mb"], first["peak_mb"]
                self.workers[name].settle()
                if deviation(first["losses"], first["losses"]) > 0:
                    raise Failed(f"its losses are no numbers: {first['losses']}")
                reference = self.reference(found["optimizer"], name, first["losses"])
                worst = deviation(first["losses"], reference)
                if worst > self.workload.tolerance:
                    raise Failed(other_losses(first["losses"], reference, self.workload.tolerance))
                found["deviation"] = worst
        for name, found in self.row["peers"].items():
            if "reason" in found:
                say(f"  {name}: {found['reason']}")

    def first_losses(self, worker: Process, optimizer: str) -> tuple[dict[str, Any], dict[str, Any]]:
        task = {
            "folder": str(self.scratch / self.workload.name),
            "model": self.workload.name,
            "optimizer": optimizer,
            "batch": self.batch,
            "threads": self.plan.threads,
        }
        return worker.ask("setup", task=task), worker.ask("losses", steps=self.workload.steps)

    def reference(self, optimizer: str, name: str, losses: list[float]) -> list[float]:
        """The losses to compare with: those of the first peer that was asked to run this optimizer. Where a peer runs
        another one than the row's, a second worker of the row's reference peer computes them."""
        if optimizer != self.optimizer and optimizer not in self.references and "by" in self.row:
            by = self.row["by"]
            second = self.open(by, "-reference")
            try:
                self.references[optimizer] = self.first_losses(second, optimizer)[1]["losses"]
            except (Failed, Unsupported) as reason:
                raise Failed(f"{by} did not compute losses to compare with: {reason}") from reason
            finally:
                second.close()
        if optimizer == self.optimizer:
            self.row.setdefault("by", name)
        return self.references.setdefault(optimizer, losses)

    def time(self) -> None:
        steps = {}
        for name, worker in list(self.workers.items()):
            with self.dropped_on_failure(name):
                step = worker.ask("warm", seconds=self.plan.seconds)["step"]
                steps[name] = max(1, round(self.plan.seconds / step))
                self.row["peers"][name].update(times_us=[], processors=[], steps=steps[name])
                worker.settle()
        order = random.Random(0)
        for _ in range(self.plan.rounds):
            names = list(self.workers)
            order.shuffle(names)
            for name in names:
                with self.dropped_on_failure(name), self.watched(name):
                    answer = self.workers[name].ask("round", steps=steps[name])
                    found = self.row["peers"][name]
                    found["times_us"].append(answer["seconds"] / steps[name] * 1e6)
                    found["processors"].append(answer["processors"])
                    found["peak_mb"] = answer["peak_mb"]

    @contextlib.contextmanager
    def watched(self, name: str) -> Iterator[None]:
        """Around a round: how much the waiting peers, and everything else on the machine, took of it meanwhile."""
        workers = dict(self.workers)
        before = {other: worker.thread_seconds() for other, worker in workers.items()}
        machine, start = machine_seconds(), time.monotonic()
        yield
        seconds = {other: spent(before[other], worker.thread_seconds()) for other, worker in workers.items()}
        self.wall += time.monotonic() - start
        self.idle += sum(seconds.values()) - seconds[name]
        self.foreign += max(0.0, machine_seconds() - machine - sum(seconds.values()))
        self.row["idle"], self.row["foreign"] = self.idle / self.wall, self.foreign / self.wall
        self.workers[name].settle()

    def summarize(self) -> None:
        """Medians and the like of the rounds that there are."""
        for found in self.row["peers"].values():
            first = found.get("first")
            if found.get("times_us"):
                found.update(summary(found["times_us"]))
                found["compile_s"] = compile_seconds(first["setup"], first["steps"], found["median_us"] / 1e6)


def other_losses(losses: Sequence[float], reference: Sequence[float], tolerance: float) -> str:
    """Where `losses` leave the reference's by more than `tolerance`, relatively."""
    step = next(
        i
        for i, pair in enumerate(zip(losses, reference, strict=True), 1)
        if deviation(*([x] for x in pair)) > tolerance
    )
    return (
        f"computes other losses: {losses[step - 1]:.6g} in step {step} where the reference has "
        f"{reference[step - 1]:.6g} (allowed: {tolerance:g}, relatively)"
    )


def worker_variables(threads: int) -> dict[str, str]:
    """The environment of a worker: the same number of threads for whatever library counts them."""
    names = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUM_CPU_THREADS",  # tinygrad
        "NPROC",  # XLA
        "TORCHINDUCTOR_COMPILE_THREADS",
    )
    return {
        **os.environ,
        **dict.fromkeys(names, str(threads)),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


def machine_seconds() -> float:
    """Processor time of the whole machine so far, stolen by other machines included; 0 where it is not told."""
    path = Path("/proc/stat")
    if not path.exists():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, path.read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model, info = platform.processor(), Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    return {
        "cpu": model or platform.machine(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def commit() -> str:
    """Of lenetc's source; "" where that is not a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return ""
