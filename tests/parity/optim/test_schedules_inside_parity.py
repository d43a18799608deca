"""Schedules that an exported program steps: the rates of many steps, against PyTorch's."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import lenetc
from ir import interpret
from ir.types import Array
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.structure import is_array, type_of
from lenetc.evaluation.tracing import Exporting
from passes.emit.model import to_onnx
from passes.pipeline import run_pipeline
from passes.target import Target

STEPS = 90


def cosine_with_warm_up(step: int, *, warm_up: int, length: int) -> float:
    if step < warm_up:
        return float(step) / float(max(1, warm_up))
    progress = float(step - warm_up) / float(max(1, length - warm_up))
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))


class Decay:
    def __init__(self, half_life: float) -> None:
        self.half_life = half_life

    def __call__(self, epoch: int) -> float:
        return 1 / (1 + epoch / self.half_life)


def own(s: Any, o: Any) -> Any:
    """A schedule that its user has written."""

    class Own(s.LRScheduler):  # type: ignore[name-defined,misc]
        def get_lr(self) -> list[Any]:
            if self.last_epoch < 5:
                return [base * (self.last_epoch + 1) / 5 for base in self.base_lrs]
            return [group["lr"] * math.cos(0.1) for group in self.optimizer.param_groups]

    return Own(o)


SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 40, 1e-3),
    "cosine to zero": lambda s, o: s.CosineAnnealingLR(o, 33.5),
    "steps": lambda s, o: s.StepLR(o, 7, 0.9),
    "milestones": lambda s, o: s.MultiStepLR(o, [10, 20, 20, 50], 0.3),
    "linear": lambda s, o: s.LinearLR(o, 0.1, 1.0, 10),
    "linear to zero": lambda s, o: s.LinearLR(o, 1.0, 0.0, 80),
    "constant": lambda s, o: s.ConstantLR(o, 0.1, 10),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.97),
    "polynomial": lambda s, o: s.PolynomialLR(o, 85, 2.0),
    "function": lambda s, o: s.LambdaLR(o, lambda e: min(1.0, (e + 1) / 10) * 0.5 ** (e // 30)),
    "functions": lambda s, o: s.LambdaLR(o, [lambda e: 0.95**e, lambda e: 1.0 if e < 20 else 0.1]),
    "warm-up": lambda s, o: s.LambdaLR(o, functools.partial(cosine_with_warm_up, warm_up=9, length=80)),
    "NumPy's cosine": lambda s, o: s.LambdaLR(o, lambda e: 0.6 + 0.4 * np.cos(np.pi * e / 70)),
    "object": lambda s, o: s.LambdaLR(o, Decay(12.0)),
    "factors": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.97 if e < 30 else 1.01),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.3, 95),
    "three phases": lambda s, o: s.OneCycleLR(o, 0.3, 95, three_phase=True, anneal_strategy="linear"),
    "triangles": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 17, 9),
    "lower triangles": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 17, mode="triangular2"),
    "range": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 17, mode="exp_range", gamma=0.995),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 10, 2, 1e-4),
    "in turn": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, 1.0, 5), s.CosineAnnealingLR(o, 40), s.ExponentialLR(o, 0.9)], [5, 60]
    ),
    "together": lambda s, o: s.ChainedScheduler(
        [s.LinearLR(o, 0.1, 1.0, 20), s.CosineAnnealingLR(o, 60, 1e-3)]
    ),
    "own": own,
}


def step_of(t: Any, schedule: str, updates: int = 1, **options: Any) -> tuple[Any, Any, Any]:
    """A step that gives the two groups' rates, its optimizer and its schedule: each update is by the rate alone."""
    p, q = (t.nn.Parameter(t.zeros(1)) for _ in range(2))
    options = {"lr": 0.1, "momentum": 0.9, **options}
    o = t.optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.02}], **options)
    s = SCHEDULES[schedule](t.optim.lr_scheduler, o)

    def step(x: Any) -> Any:
        for _ in range(updates):
            o.zero_grad()
            with t.no_grad():
                p.sub_(p)
                q.sub_(q)
            (p * x + q * x).sum().backward()
            o.step()
            s.step()
        return p.detach() * 1.0, q.detach() * 1.0

    return step, o, s


def captured_of(step: Any) -> Any:
    compiled = CompiledFunction(step, "cpu")
    values = compiled.arguments.bind([np.ones(1, np.float32)], {})
    types = {name: type_of(x) for name, x in compiled.arguments.leaves(values) if is_array(x)}
    return compiled.capture(values, types, exporting=Exporting())


def many(captured: Any, steps: int, run: Callable[[dict[str, Array]], tuple[Array, ...]]) -> Array:
    """The results of `steps` runs, as a host makes them."""
    state = {name: cell.numpy() for name, cell in captured.cells.items()}
    names = [label for label, _ in captured.graph.results]
    rows = []
    for _ in range(steps):
        found = run({"x": np.ones(1, np.float32), **state})
        rows.append([float(value[0]) for value in found[:2]])
        state.update(zip(captured.updated, found[len(names) :], strict=True))
    return np.array(rows)


def by_references(captured: Any) -> Callable[[dict[str, Array]], tuple[Array, ...]]:
    return lambda feeds: interpret.run(
        captured.graph, {n.attrs["name"]: feeds[n.attrs["name"]] for n in captured.graph.inputs}
    )


def by_runtime(captured: Any) -> Callable[[dict[str, Array]], tuple[Array, ...]]:
    model = to_onnx(run_pipeline(captured.graph, Target(device="cpu"))[-1].graph).model
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    asked = [value.name for value in session.get_inputs()]
    return lambda feeds: tuple(session.run(None, {name: feeds[name] for name in asked}))


@pytest.mark.parametrize("before", [0, 13], ids="{} steps before".format)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rates_are_pytorchs(schedule: str, before: int) -> None:
    wanted = []
    step, _, _ = step_of(torch, schedule)
    for _ in range(STEPS if before else STEPS // 2):
        wanted.append([float(x[0]) for x in step(torch.ones(1))])
    step, optimizer, _ = step_of(lenetc, schedule)
    for _ in range(before):
        step(lenetc.ones(1))
    captured = captured_of(step)
    assert not captured.hypers
    rates = [group["lr"] for group in optimizer.param_groups]
    is_run = schedule in ("one cycle", "restarts", "in turn", "together", "warm-up")
    found = many(
        captured, len(wanted) - before, (by_runtime if is_run and before else by_references)(captured)
    )
    expected = np.array(wanted[before:])
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=2e-8)
    assert [group["lr"] for group in optimizer.param_groups] == rates  # an export steps nothing


def test_a_step_of_two_updates_counts_by_two() -> None:
    step, _, _ = step_of(torch, "one cycle", updates=2)
    wanted = [[float(x[0]) for x in step(torch.ones(1))] for _ in range(20)]
    captured = captured_of(step_of(lenetc, "one cycle", updates=2)[0])
    np.testing.assert_allclose(many(captured, 20, by_references(captured)), wanted, rtol=3e-6)


def test_a_rate_that_is_a_tensor_moves_inside() -> None:
    step, _, _ = step_of(torch, "cosine", lr=torch.tensor(0.1))
    wanted = [[float(x[0]) for x in step(torch.ones(1))] for _ in range(20)]
    captured = captured_of(step_of(lenetc, "cosine", lr=lenetc.tensor(0.1))[0])
    assert "optimizer.lr" in captured.updated
    np.testing.assert_allclose(many(captured, 20, by_references(captured)), wanted, rtol=3e-6)


def test_a_rate_that_was_edited_goes_on_from_there() -> None:
    step, optimizer, _ = step_of(torch, "cosine")
    optimizer.param_groups[0]["lr"] = 0.03
    wanted = [[float(x[0]) for x in step(torch.ones(1))] for _ in range(20)]
    step, optimizer, _ = step_of(lenetc, "cosine")
    optimizer.param_groups[0]["lr"] = 0.03
    captured = captured_of(step)
    np.testing.assert_allclose(many(captured, 20, by_references(captured)), wanted, rtol=3e-6)


def test_past_the_end_of_a_cycle_the_rate_is_nan() -> None:
    captured = captured_of(step_of(lenetc, "one cycle")[0])
    found = many(captured, 98, by_references(captured))
    assert np.isfinite(found[:96]).all() and np.isnan(found[96:]).all()
