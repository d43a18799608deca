"""Fake peers of every kind are measured, or reported with what went wrong; the others are timed all the same."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import measure, workloads
from benchmarks.measure import Plan, run, worker_variables
from benchmarks.peers import Peer
from benchmarks.processes import Failed, Process
from benchmarks.report import full

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def fake(how: str, **others: Any) -> Peer:
    return Peer(how, how.title(), ("tests.benchmarks.fake_worker", how), None, **others)


def plan(*peers: Peer, **others: Any) -> Plan:
    how: dict[str, Any] = {
        "workloads": ["lenet"], "batches": [2], "optimizers": ["sgd"], "rounds": 3, "seconds": 0.01, "threads": 1,
        "timeout": 120.0,
    }  # fmt: skip
    return Plan(peers, **{**how, **others})


def measured(*peers: Peer, say: Callable[[str], None] = lambda _: None, **others: Any) -> dict[str, Any]:
    return run(plan(*peers, **others), lambda _: None, say)


def fake_process(how: str, tmp_path: Path, timeout: float = 120.0) -> Process:
    command = [sys.executable, "-m", "tests.benchmarks.fake_worker", how]
    return Process(command, worker_variables(1), tmp_path / "log.txt", timeout)


def test_all_that_can_be_timed_are() -> None:
    said: list[str] = []
    hows = ("good", "chatty", "wrong", "nan", "crashing", "late", "unable", "broken", "never")
    results = measured(*(fake(how) for how in hows), say=said.append)
    (row,) = results["rows"]
    peers = row["peers"]
    for name in ("good", "chatty"):
        assert "reason" not in peers[name]
        assert len(peers[name]["times_us"]) == 3
        assert peers[name]["low_us"] <= peers[name]["median_us"] <= peers[name]["high_us"]
        assert peers[name]["median_us"] >= 500  # a step sleeps as long
        assert peers[name]["deviation"] == 0
    reasons = {name: found["reason"] for name, found in peers.items() if "reason" in found}
    assert reasons.keys() == {"wrong", "nan", "crashing", "late", "unable", "broken", "never"}
    assert reasons["wrong"].startswith("computes other losses")
    assert reasons["nan"].startswith("its losses are no numbers: [nan")
    assert "exit code 3" in reasons["crashing"]
    assert reasons["crashing"].endswith("its last lines: segmentation and so on")
    assert "exit code 4" in reasons["late"]
    assert reasons["unable"] == "it has no convolutions"
    assert reasons["broken"] == "'setup': ValueError: no such thing"
    assert reasons["never"].endswith("its last lines: it cannot be imported")
    for name in reasons.keys() - {"late"}:  # which is not timed must not look as if it were
        assert "median_us" not in peers[name]
        assert any(line.startswith(f"  {name}: ") for line in said)
    assert results["peers"]["good"]["versions"] == {"good": "0 thread has spun"}
    assert 0 <= row["idle"] < 1
    assert row["foreign"] >= 0
    report = full(json.loads(json.dumps(results)))
    assert all(reason in report for reason in reasons.values())


def test_a_hanging_worker_is_ended(tmp_path: Path) -> None:
    process = fake_process("hanging", tmp_path, timeout=120)
    process.ask("hello")
    workloads.write("lenet", tmp_path / "lenet")
    task = {"folder": str(tmp_path / "lenet"), "model": "lenet", "optimizer": "sgd", "batch": 2, "threads": 1}
    process.ask("setup", task=task)
    process.ask("losses", steps=2)
    process.timeout = 1
    with pytest.raises(Failed, match=r"no answer to 'losses' within 1 s; its last lines: about to sleep"):
        process.ask("losses", steps=1)
    assert process.process.poll() is not None


def test_another_optimizer_is_compared_with_a_reference_of_its_own() -> None:
    results = measured(fake("good"), fake("chatty", instead={"sgd": "plain-sgd"}))
    found = results["rows"][0]["peers"]
    assert "reason" not in found["chatty"]
    assert (found["good"]["optimizer"], found["chatty"]["optimizer"]) == ("sgd", "plain-sgd")
    assert "Chatty has no SGD with momentum 0.9: what was timed is SGD without momentum" in full(results)


def test_another_optimizer_must_compute_its_losses_too() -> None:
    results = measured(fake("good"), fake("wrong", instead={"sgd": "plain-sgd"}))
    assert results["rows"][0]["peers"]["wrong"]["reason"].startswith("computes other losses")


def test_rows_of_a_plan() -> None:
    rows = plan(workloads=["mlp", "lenet"], batches=[1, 4], optimizers=["sgd", "adam"]).rows()
    assert [(workload.name, batch, optimizer) for workload, batch, optimizer in rows] == [
        ("mlp", 128, "sgd"), ("mlp", 128, "adam"),
        ("lenet", 1, "sgd"), ("lenet", 4, "sgd"), ("lenet", 1, "adam"), ("lenet", 4, "adam"),
    ]  # fmt: skip


def test_interrupted_rounds_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the last round of the second row: what came before it is saved, and no worker is left."""
    processes: list[Process] = []
    rounds = 0
    ask = Process.ask

    def asked(self: Process, do: str, **request: Any) -> dict[str, Any]:
        nonlocal rounds
        if self not in processes:
            processes.append(self)
        rounds += do == "round"
        if rounds == 6:
            raise KeyboardInterrupt
        return ask(self, do, **request)

    monkeypatch.setattr(Process, "ask", asked)
    saved: list[dict[str, Any]] = []
    with pytest.raises(KeyboardInterrupt):
        run(
            plan(fake("good"), batches=[2, 3]),
            lambda results: saved.append(copy.deepcopy(results)),
            lambda _: None,
        )
    first, second = saved[-1]["rows"]
    assert len(first["peers"]["good"]["times_us"]) == 3
    assert len(second["peers"]["good"]["times_us"]) == 2
    assert "median_us" in second["peers"]["good"]
    assert all(process.process.poll() is not None for process in processes)


def test_unavailable_peers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Path:
        raise measure.NotInstalled("could not be installed: no such version")

    monkeypatch.setattr(measure, "python_of", refuse)
    absent = Peer("absent", "Absent", ("absent",), "jax")
    results = measured(fake("good"), absent)
    assert results["peers"]["absent"]["unavailable"] == "could not be installed: no such version"
    assert "Absent: could not be installed: no such version" in full(results)
    assert results["rows"][0]["peers"]["good"]["median_us"] > 0


@linux
def test_a_worker_has_as_many_cores_as_threads(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.fake_worker", "good"]
    process = Process(command, worker_variables(1), tmp_path / "log.txt", 120.0, threads=1)
    try:
        assert len(os.sched_getaffinity(process.process.pid)) == 1
        assert process.ask("hello")["versions"]
    finally:
        process.close()


@linux
def test_settling_waits_for_spinning_threads(tmp_path: Path) -> None:
    workloads.write("lenet", tmp_path / "lenet")
    task = {"folder": str(tmp_path / "lenet"), "model": "lenet", "optimizer": "sgd", "batch": 2, "threads": 1}
    process = fake_process("spinning", tmp_path)
    try:
        process.ask("setup", task=task)
        process.ask("losses", steps=1)
        process.settle(patience=60)
        assert process.ask("hello")["versions"] == {"spinning": "1 thread has spun"}
    finally:
        process.close()


def test_lenetc_itself(tmp_path: Path) -> None:
    """From the command line, with the real worker; ten losses are compared with nobody's but its own."""
    options = (
        "--peers lenetc --workloads lenet --batches 2 --optimizers adam --rounds 2 --seconds 0.02 --threads 1"
    )
    command = [sys.executable, "-m", "benchmarks", *options.split(), "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "latest.json").read_text())
    found = results["rows"][0]["peers"]["lenetc"]
    assert "reason" not in found
    assert found["median_us"] > 0
    assert found["compile_s"] > 0
    assert found["optimizer"] == "adam"
    if sys.platform == "linux":
        assert found["peak_mb"] > found["start_mb"] > 10
    assert "onnxruntime" in " ".join(results["peers"]["lenetc"]["versions"])
    assert "| LeNet | 2 | Adam | **" in (tmp_path / "latest.md").read_text()
    assert (tmp_path / "latest.png").read_bytes().startswith(b"\x89PNG")
