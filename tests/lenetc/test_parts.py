"""Programs that run in parts, on threads of their own."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import numpy as np
import pytest

import lenetc
from lenetc import runtime
from lenetc.compile import CompiledFunction
from lenetc.parts import SplitSession, Workers
from tests.training import TRAININGS, digits, prepared


def trained(threads: int, monkeypatch: pytest.MonkeyPatch, steps: int = 5) -> tuple[Any, list[float]]:
    monkeypatch.setattr(runtime, "_threads", [threads])
    run = prepared(TRAININGS["sgd"], lenetc)
    step = CompiledFunction(run.step, "cpu")
    losses = [float(step(images, labels)) for images, labels in digits(steps, 64)]
    return step, losses


def session_of(step: CompiledFunction) -> Any:
    return next(iter(step._specializations.values()))[0].session


@pytest.mark.parametrize("threads", [2, 3])
def test_training_in_parts_is_the_same_training(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, wanted = trained(1, monkeypatch)
    step, losses = trained(threads, monkeypatch)
    assert isinstance(session_of(step), SplitSession) and not isinstance(session_of(alone), SplitSession)
    assert [stop - start for start, stop in session_of(step).ranges] == {2: [32, 32], 3: [21, 21, 22]}[
        threads
    ]
    np.testing.assert_allclose(losses, wanted, rtol=1e-4)


def test_results_of_earlier_calls_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_threads", [2])
    step = CompiledFunction(prepared(TRAININGS["sgd"], lenetc).step, "cpu")
    kept = [(loss := step(images, labels), float(loss)) for images, labels in digits(4, 64)]
    assert all(float(tensor) == value for tensor, value in kept)
    assert len({value for _, value in kept}) == 4


def test_arrays_and_tensors_are_the_same_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_threads", [2])
    images, labels = next(digits(1, 64))
    losses = []
    for wrap in (lambda x: x, lenetc.from_numpy, lambda x: np.asfortranarray(x)):
        step = CompiledFunction(prepared(TRAININGS["sgd"], lenetc).step, "cpu")
        losses.append([float(step(wrap(images), wrap(labels))) for _ in range(3)])
    assert losses[0] == losses[1] == losses[2]
    assert losses[0][0] != losses[0][2]


def test_the_first_error_comes_out_and_all_work_is_waited_for() -> None:
    done = []

    def fails() -> None:
        raise runtime.RunError("out of luck")

    pool = Workers(3)
    for jobs in ([fails, lambda: done.append(1), lambda: done.append(2)], [lambda: done.append(3), fails]):
        with pytest.raises(runtime.RunError, match="out of luck"):
            pool.run(jobs)
    assert sorted(done) == [1, 2, 3]
    pool.run([lambda: done.append(4), lambda: done.append(5)])
    assert sorted(done) == [1, 2, 3, 4, 5]


def test_callers_on_several_threads_do_not_wait_for_ever() -> None:
    pool = Workers(2)
    inner = threading.Event()
    seen: list[str] = []

    def outer() -> None:
        assert inner.wait(60)

    def call() -> None:
        pool.run([lambda: seen.append("a"), lambda: seen.append("b")])
        inner.set()

    other = threading.Thread(target=call)
    pool.run([other.start, outer])
    other.join(60)
    assert seen == ["a", "b"]


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs fork")
def test_threads_are_made_anew_after_a_fork() -> None:
    from lenetc import parts

    parts.workers(2).run([lambda: None, lambda: None])
    child = os.fork()
    if child == 0:
        seen: list[int] = []
        parts.workers(2).run([lambda: seen.append(1), lambda: seen.append(2)])
        os._exit(0 if sorted(seen) == [1, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_threads", [])
    assert lenetc.get_num_threads() >= 1
    lenetc.set_num_threads(3)
    assert lenetc.get_num_threads() == 3
    with pytest.raises(ValueError, match="at least one thread"):
        lenetc.set_num_threads(0)


def test_a_loop_that_is_not_compiled_runs_in_parts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    _, wanted = trained(1, monkeypatch, 3)
    monkeypatch.setattr(runtime, "_threads", [2])
    made: list[SplitSession] = []
    build = SplitSession.__init__
    monkeypatch.setattr(
        SplitSession, "__init__", lambda self, split: (made.append(self), build(self, split))[1]
    )
    run = prepared(TRAININGS["sgd"], lenetc)
    losses = []
    for images, labels in digits(3, 64):
        losses.append(run.step(lenetc.from_numpy(images), lenetc.from_numpy(labels)))
    np.testing.assert_allclose([float(loss) for loss in losses], wanted, rtol=1e-4)
    assert len(made) == 1
