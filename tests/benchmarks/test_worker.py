"""The worker's side of the protocol, in this process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import workloads
from benchmarks.models import MODELS
from benchmarks.workers.protocol import (
    Step,
    Task,
    Unsupported,
    Worker,
    forget_peak,
    load,
    peak_mb,
    resident_mb,
)


@pytest.fixture
def request_(tmp_path: Path) -> dict[str, Any]:
    """A task on seven samples, of which a batch of three leaves one over."""
    np.savez(tmp_path / "weights.npz", **{"fc.weight": np.ones((2, 2), np.float32)})
    np.save(tmp_path / "x.npy", np.arange(7, dtype=np.float32).reshape(7, 1))
    np.save(tmp_path / "y.npy", np.arange(7))
    return {"folder": str(tmp_path), "model": "mlp", "optimizer": "adam", "batch": 3, "threads": 1}


def first_sample(task: Task) -> Step:
    return lambda x, labels: np.float32(x[0, 0])


def test_load(request_: dict[str, Any]) -> None:
    task = load(request_)
    assert task.x.tolist() == [[[0], [1], [2]], [[3], [4], [5]]]
    assert task.y.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert task.shape() == (3, 1)
    assert task.weights["fc.weight"].shape == (2, 2)


def test_batches_are_taken_in_turn(request_: dict[str, Any]) -> None:
    worker = Worker(first_sample, lambda: {"fake": "1"})
    assert worker.answer({"do": "hello"})["versions"] == {"fake": "1"}
    assert worker.answer({"do": "setup", "task": request_})["seconds"] >= 0
    answer = json.loads(json.dumps(worker.answer({"do": "losses", "steps": 3})))
    assert answer["losses"] == [0, 3, 0]
    assert len(answer["seconds"]) == 3
    assert worker.answer({"do": "losses", "steps": 2})["losses"] == [3, 0]


def test_a_round_times_its_steps_after_a_few_others(request_: dict[str, Any]) -> None:
    steps = 0

    def counting(task: Task) -> Step:
        def step(x: Any, labels: Any) -> float:
            nonlocal steps
            steps += 1
            return 0.0

        return step

    worker = Worker(counting, dict)
    worker.answer({"do": "setup", "task": request_})
    assert worker.answer({"do": "warm", "seconds": 0.0})["step"] > 0
    assert steps == 3
    assert worker.answer({"do": "round", "steps": 20})["seconds"] > 0
    assert steps == 3 + 3 + 20


def test_what_goes_wrong_is_answered(request_: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    def unable(task: Task) -> Step:
        raise Unsupported("no such optimizer")

    def broken(task: Task) -> Step:
        raise KeyError("conv9")

    setup = {"do": "setup", "task": request_}
    assert Worker(unable, dict).answer(setup) == {"unsupported": "no such optimizer"}
    assert Worker(broken, dict).answer(setup) == {"error": "KeyError: 'conv9'"}
    assert "in broken" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory() -> None:
    forget_peak()
    before = resident_mb()
    block = np.ones(64 << 20, np.uint8)
    assert before is not None
    assert block.sum() == 64 << 20
    high = peak_mb()
    assert high is not None
    assert high > before + 60
    del block
    forget_peak()
    after = peak_mb()
    assert after is not None
    assert after < high - 50


@pytest.mark.parametrize("name", workloads.WORKLOADS)
def test_what_workers_are_given(name: str, tmp_path: Path) -> None:
    workloads.write(name, tmp_path)
    batch = workloads.WORKLOADS[name].batches[-1]
    task = load({"folder": str(tmp_path), "model": name, "optimizer": "sgd", "batch": batch, "threads": 1})
    assert name in MODELS
    assert len(task.x) >= 2  # or a peer could learn its only batch by heart
    assert task.x.dtype == np.float32
    assert task.y.dtype == np.int64
    assert set(np.unique(task.y)) == set(range(10))
    assert all(np.isfinite(value).all() for value in task.weights.values())
