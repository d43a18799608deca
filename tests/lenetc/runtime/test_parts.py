"""Programs that run in parts, on threads of their own."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from lenetc import runtime
from lenetc.compiler.function import CompiledFunction
from lenetc.runtime.parts import Late, SplitSession, Workers
from passes.tiling.division import Load
from tests.training import TRAININGS, digits, prepared


def trained(
    threads: int, monkeypatch: pytest.MonkeyPatch, steps: int = 5, batch: int = 64
) -> tuple[Any, list[float]]:
    monkeypatch.setattr("lenetc.runtime.threads._threads", [threads])
    run = prepared(TRAININGS["sgd"], lenetc)
    step = CompiledFunction(run.step, "cpu")
    losses = [float(step(images, labels)) for images, labels in digits(steps, batch)]
    return step, losses


def session_of(step: CompiledFunction, *batch: Any, scan: bool = False) -> Any:
    return step.specialization(batch or next(digits(1, 64)), {}, scan).session


@pytest.mark.parametrize("threads", [2, 3])
def test_training_in_parts_is_the_same_training(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, wanted = trained(1, monkeypatch)
    step, losses = trained(threads, monkeypatch)
    assert isinstance(session_of(step), SplitSession)
    assert [program.split for program in alone.programs()] == [None]
    assert [stop - start for start, stop in session_of(step).ranges] == {2: [32, 32], 3: [21, 21, 22]}[
        threads
    ]
    np.testing.assert_allclose(losses, wanted, rtol=1e-4)


def test_a_batch_of_bf16_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    x = lenetc.tensor(np.random.default_rng(0).standard_normal((4096, 64)).astype(np.float32)).bfloat16()
    y = lenetc.zeros(4096, dtype=lenetc.int64)
    losses = []
    for threads in (1, 2):
        monkeypatch.setattr("lenetc.runtime.threads._threads", [threads])
        lenetc.manual_seed(0)
        net = lenetc.nn.Sequential(lenetc.nn.Linear(64, 512), lenetc.nn.ReLU(), lenetc.nn.Linear(512, 8))
        net = net.bfloat16()
        optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1)

        def train(x: Any, y: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            loss = lenetc.nn.functional.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        step = CompiledFunction(train, "cpu")
        losses.append([float(step(x, y)) for _ in range(3)])
    assert isinstance(session_of(step, x, y), SplitSession)
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-2)


def test_equal_parts_of_a_large_program_share_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lenetc.runtime.parts._SHARED", 20)
    step, losses = trained(2, monkeypatch, batch=60)
    images, labels = next(digits(1, 60))
    first, second = session_of(step, images, labels).parts
    assert first is second
    monkeypatch.setattr("lenetc.runtime.parts._SHARED", 1000)
    alone = SplitSession(step.lower(images, labels).split)
    assert alone.parts[0] is not alone.parts[1]
    _, wanted = trained(1, monkeypatch, batch=60)
    np.testing.assert_allclose(losses, wanted, rtol=1e-4)


def test_a_dump_holds_the_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    step, _ = trained(2, monkeypatch, steps=1)
    program = step.lower(*next(digits(1, 64)))
    names = {path.name for path in program.dump(tmp_path)}
    assert {
        "program.onnx",
        *(f"{x}.{end}" for x in program.split.programs() for end in ("txt", "onnx")),
    } <= names
    assert list(program.split.programs()) == ["part0", "part1", "results", "update"]
    assert "conv1.weight.next" in (tmp_path / "update.onnx").read_bytes().decode("latin-1")


def test_a_scan_of_divided_steps_is_the_same_as_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
    batches = list(digits(3, 64))
    one, all_ = (CompiledFunction(prepared(TRAININGS["sgd"], lenetc).step, "cpu") for _ in range(2))
    losses = [float(one(*batch)) for batch in batches]
    images, labels = (np.stack(part) for part in zip(*batches, strict=True))
    found = all_.scan(lenetc.from_numpy(images), labels)
    assert isinstance(session_of(all_, images, labels, scan=True), SplitSession)
    assert found.numpy().tolist() == losses
    assert all_.scan(images[:1], labels[:1]).shape == (1,)


@pytest.mark.parametrize("changes_state", [False, True])
def test_what_has_no_state_or_no_results(changes_state: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
    monkeypatch.setattr(Load, "divided", lambda *_: 0.0)
    total = lenetc.zeros(3)

    def step(x: Any) -> Any:
        if not changes_state:
            return x.exp().sum(0), x + 1
        total.copy_(total + x.sum(0))
        return None

    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    compiled = CompiledFunction(step, "cpu")
    for _ in range(3):
        result = compiled(x)
    assert isinstance(session_of(compiled, x), SplitSession)
    if changes_state:
        assert result is None
        np.testing.assert_allclose(total.numpy(), 3 * x.sum(0))
    else:
        np.testing.assert_allclose(result[0].numpy(), np.exp(x).sum(0), rtol=1e-5)
        np.testing.assert_array_equal(result[1].numpy(), x + 1)


def test_parts_take_their_own_columns_of_an_input_that_has_no_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
    monkeypatch.setattr(Load, "divided", lambda *_: 0.0)
    compiled = CompiledFunction(lambda x, row: (row * x.sum(1)).sum(1), "cpu")
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    row = np.arange(4, dtype=np.float32).reshape(1, 4)
    np.testing.assert_allclose(compiled(x, row).numpy(), [(row @ x.sum(1))[0]])
    assert isinstance(session_of(compiled, x, row), SplitSession)


def test_results_of_earlier_calls_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
    step = CompiledFunction(prepared(TRAININGS["sgd"], lenetc).step, "cpu")
    kept = [(loss := step(images, labels), float(loss)) for images, labels in digits(4, 64)]
    assert all(float(tensor) == value for tensor, value in kept)
    assert len({value for _, value in kept}) == 4


def test_arrays_and_tensors_are_the_same_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
    images, labels = next(digits(1, 64))
    losses = []
    for wrap in (lambda x: x, lenetc.from_numpy, lambda x: np.asfortranarray(x)):
        step = CompiledFunction(prepared(TRAININGS["sgd"], lenetc).step, "cpu")
        losses.append([float(step(wrap(images), wrap(labels))) for _ in range(3)])
    assert losses[0] == losses[1] == losses[2]
    assert losses[0][0] != losses[0][2]


def nothing() -> None:
    pass


def test_the_first_error_comes_out_and_all_work_is_waited_for() -> None:
    done: list[int] = []

    def fails() -> None:
        raise runtime.RunError("out of luck")

    pool, late = Workers(3), Late(lambda: done.append(9))
    first, second = (lambda: done.append(1)), (lambda: done.append(2))
    for jobs, own in (([first, second], fails), ([fails, second], first), ([first, fails], second)):
        done.clear()
        assert pool.start(jobs, late)
        with pytest.raises(runtime.RunError, match="out of luck"):
            pool.finish(own)
        assert sorted(done) == [1, 2]  # and nothing late
    done.clear()
    assert pool.start([first, second], late)
    pool.finish(nothing)
    late.wait()
    assert done[2] == 9 and sorted(done) == [1, 2, 9]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="tells processors on Linux only")
def test_the_callers_processors_are_its_own_again() -> None:
    """While it works with others it stays on one."""
    allowed = os.sched_getaffinity(0)
    pool, inside = Workers(2), []

    def fails() -> None:
        inside.append(os.sched_getaffinity(0))
        raise runtime.RunError("out of luck")

    for own in (lambda: inside.append(os.sched_getaffinity(0)), fails):
        late = Late(nothing)
        assert pool.start([nothing], late)
        try:
            pool.finish(own)
            late.wait()
        except runtime.RunError:
            assert own is fails
        assert os.sched_getaffinity(0) == allowed
    assert [len(found) for found in inside] == [1, 1]
    assert pool.start([nothing], Late(nothing)) and pool.start([nothing], Late(nothing))
    pool.finish(nothing)
    assert os.sched_getaffinity(0) == allowed


def test_late_work_waits_for_all_parts_and_raises_when_it_is_waited_for() -> None:
    order: list[str] = []
    gate = threading.Event()

    def last() -> None:
        order.append("late")
        raise runtime.RunError("no state")

    pool, late = Workers(2), Late(last)

    def part() -> None:
        order.append("part")
        gate.set()

    assert pool.start([part], late)

    def own() -> None:
        assert gate.wait(60)
        order.append("own")

    pool.finish(own)
    with pytest.raises(runtime.RunError, match="no state"):
        late.wait()
    assert order == ["part", "own", "late"]


def test_threads_work_for_one_caller_at_a_time() -> None:
    pool, late = Workers(2), Late(nothing)
    gate = threading.Event()
    assert pool.start([lambda: gate.wait(60) and None], late)
    refused: list[bool] = []
    other = threading.Thread(target=lambda: refused.append(pool.start([nothing], Late(nothing))))
    other.start()
    other.join(60)
    assert refused == [False]
    gate.set()
    pool.finish(nothing)
    assert pool.start([nothing], Late(nothing))  # though the last one was not waited for


def test_an_exception_between_start_and_finish_leaves_the_threads_usable() -> None:
    pool = Workers(2)
    seen: list[int] = []
    assert pool.start([lambda: seen.append(1)], Late(lambda: seen.append(9)))
    late = Late(lambda: seen.append(3))
    assert pool.start([lambda: seen.append(2)], late)  # the first was never finished
    pool.finish(nothing)
    late.wait()
    assert seen == [1, 2, 3]


def test_an_update_that_fails_leaves_the_state_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
    run = prepared(TRAININGS["sgd"], lenetc)
    step = CompiledFunction(run.step, "cpu")
    batches = list(digits(4, 64))
    for batch in batches[:3]:
        step(*batch)
    cells = step.lower(*batches[0]).capture.cells
    before = {name: cell.numpy() for name, cell in cells.items()}
    step(*batches[3])
    session = session_of(step)
    session.settle()
    late = Late(nothing)
    late._error = runtime.RunError("no memory")
    late.tell(True)
    late.run(True)
    session.later(late)
    with pytest.raises(runtime.RunError, match="no memory"):
        next(iter(cells.values())).numpy()
    for name, cell in cells.items():
        np.testing.assert_array_equal(cell.numpy(), before[name])


@pytest.mark.parametrize("size", [4, 40_000])  # copied on the way in, and read where it lies
def test_a_batch_that_becomes_state_is_the_callers_again(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The update reads it, on another thread, and the caller may fill the same memory with the next batch at once."""
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
    monkeypatch.setattr(Load, "divided", lambda *_: 0.0)
    last = lenetc.zeros(1, size)

    def step(x: Any) -> Any:
        last.copy_(x[1:])  # picks samples, so the whole batch is read
        return x.sum()

    compiled = CompiledFunction(step, "cpu")
    x = np.zeros((2, size), np.float32)
    compiled(x)
    assert isinstance(session_of(compiled, x), SplitSession) and session_of(compiled, x).is_read_late("x")
    run = Late.run
    monkeypatch.setattr(Late, "run", lambda late, wanted: (time.sleep(0.01), run(late, wanted))[1])
    for value in range(1, 6):
        x[:] = value
        compiled(x)
        x[:] = -1
        assert (last.numpy() == value).all()


def test_a_rate_that_changes_is_read_by_the_next_step_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memory is written while the update of the last step may still read it."""
    monkeypatch.setattr(Load, "divided", lambda *_: 0.0)
    found = []
    for threads in (1, 2):
        monkeypatch.setattr("lenetc.runtime.threads._threads", [threads])
        lenetc.manual_seed(0)
        net = lenetc.nn.Linear(1024, 10)
        optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1)
        optimizer.param_groups[0]["lr"] = 0.2

        def step(images: Any, labels: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = lenetc.nn.functional.cross_entropy(net(images.flatten(1)), labels)
            loss.backward()
            optimizer.step()
            return loss

        compiled = CompiledFunction(step, "cpu")
        for i, batch in enumerate(digits(30, 64)):
            optimizer.param_groups[0]["lr"] = 0.01 * (i % 7)
            compiled(*batch)
        assert isinstance(session_of(compiled), SplitSession) is (threads == 2)
        found.append(net.weight.detach().numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-5)


def test_callers_on_two_threads_train_two_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """One finds the threads busy now and then, and does its parts by itself."""
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
    batches = list(digits(20, 64))
    steps = [CompiledFunction(prepared(TRAININGS["sgd"], lenetc).step, "cpu") for _ in range(3)]
    for step in steps:
        step(*batches[0])
    alone = [float(steps[2](*batch)) for batch in batches]
    found: dict[int, list[float]] = {}

    def train(k: int) -> None:
        found[k] = [float(steps[k](*batch)) for batch in batches]

    callers = [threading.Thread(target=train, args=(k,)) for k in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(120)
    assert found == {0: alone, 1: alone}


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs fork")
def test_threads_are_made_anew_after_a_fork() -> None:
    from lenetc.runtime import parts

    assert parts.workers(2).start([nothing], Late(nothing))
    parts.workers(2).finish(nothing)
    child = os.fork()
    if child == 0:
        seen: list[int] = []
        parts.workers(2).start([lambda: seen.append(1)], Late(nothing))
        parts.workers(2).finish(lambda: seen.append(2))
        os._exit(0 if sorted(seen) == [1, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lenetc.runtime.threads._threads", [])
    assert lenetc.get_num_threads() >= 1
    lenetc.set_num_threads(3)
    assert lenetc.get_num_threads() == 3
    with pytest.raises(ValueError, match="at least one thread"):
        lenetc.set_num_threads(0)


def test_a_loop_that_is_not_compiled_runs_in_parts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    _, wanted = trained(1, monkeypatch, 3)
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
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
