"""Schedules that compiled functions step: no call is traced for them, and what an export cannot follow is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from lenetc import nn, optim
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.structure import is_array, type_of
from lenetc.evaluation.tracing import Exporting
from lenetc.optim import lr_scheduler as schedules


def stepping(
    make: Callable[[Any], Any], *arguments: Any, optimizer: Any = None
) -> tuple[CompiledFunction, Any]:
    p = nn.Parameter(lenetc.ones(2))
    o = (optimizer or (lambda params: optim.SGD(params, lr=0.1, momentum=0.9)))([p])
    schedule = make(o)

    def step(x: Any) -> Any:
        o.zero_grad()
        loss = (p * p * x).sum()
        loss.backward()
        o.step()
        schedule.step(*(loss if argument == "loss" else argument for argument in arguments))
        return loss.detach()

    return CompiledFunction(step, "cpu"), schedule


def exported(step: CompiledFunction) -> Any:
    values = step.arguments.bind([np.ones(2, np.float32)], {})
    types = {name: type_of(x) for name, x in step.arguments.leaves(values) if is_array(x)}
    return step.capture(values, types, exporting=Exporting())


@pytest.mark.parametrize(
    "make",
    [
        lambda o: schedules.CosineAnnealingLR(o, 9),
        lambda o: schedules.LambdaLR(o, lambda epoch: 1 / (epoch + 1)),
        lambda o: schedules.OneCycleLR(o, 0.1, 20),
        lambda o: schedules.SequentialLR(o, [schedules.LinearLR(o), schedules.StepLR(o, 2)], [3]),
    ],
    ids=["cosine", "function", "cycle", "in turn"],
)
def test_a_step_with_a_schedule_is_traced_once(make: Callable[[Any], Any]) -> None:
    step, schedule = stepping(make)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(8):
            step(np.ones(2, np.float32))
    assert "traced 1 times, 1 programs" in step.explain()
    assert schedule.last_epoch == 8


def test_the_state_of_a_schedule_has_names_and_a_start() -> None:
    step, schedule = stepping(lambda o: schedules.CosineAnnealingWarmRestarts(o, 5, 2))
    for _ in range(6):
        step(np.ones(2, np.float32))
    captured = exported(step)
    names = [name for name in captured.cells if name.startswith("scheduler.")]
    assert names == ["scheduler.last_epoch", "scheduler.T_cur", "scheduler.T_i"]
    assert [captured.cells[name].numpy().item() for name in names] == [6, 1, 10]
    assert [captured.exported.started[name].item() for name in names] == [0, 0, 5]
    assert (schedule.last_epoch, schedule.T_cur, schedule.T_i) == (6, 1, 10)
    assert not captured.hypers


def test_several_schedules_in_one_step_have_states_of_their_own() -> None:
    p, q = nn.Parameter(lenetc.ones(2)), nn.Parameter(lenetc.ones(2))
    first, second = optim.SGD([p], lr=0.1), optim.Adam([q], lr=0.1)
    slow, steps = schedules.ExponentialLR(first, 0.9), schedules.StepLR(second, 2)

    def step(x: Any) -> Any:
        loss = (p * x).sum() + (q * x).sum()
        loss.backward()
        for part in (first, slow, second, steps):
            part.step()
        return loss.detach()

    captured = exported(CompiledFunction(step, "cpu"))
    assert {"scheduler.last_epoch", "scheduler.last_epoch_1"} <= captured.cells.keys()


class ByHand(optim.Optimizer):
    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.1})

    def step(self, closure: Any = None) -> None:
        with lenetc.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.sub_(p.grad * group["lr"])


TABLE = [1.0, 0.5, 0.1]
REFUSED: dict[str, tuple[Callable[[], tuple[CompiledFunction, Any]], str]] = {
    "an epoch": (
        lambda: stepping(lambda o: schedules.CosineAnnealingWarmRestarts(o, 5), 3),
        r"cannot call CosineAnnealingWarmRestarts\.step with an argument",
    ),
    "a metric": (
        lambda: stepping(schedules.ReduceLROnPlateau, "loss"),
        r"cannot call ReduceLROnPlateau\.step with an argument",
    ),
    "a table": (
        lambda: stepping(lambda o: schedules.LambdaLR(o, lambda e: TABLE[min(e // 3, 2)])),
        "asks for the count as a number",
    ),
    "chance": (
        lambda: stepping(lambda o: schedules.LambdaLR(o, lambda e: float(np.random.rand()))),
        "does not only compute from its argument",
    ),
    "an optimizer of one's own": (
        lambda: stepping(lambda o: schedules.StepLR(o, 2), optimizer=ByHand),
        "ByHand reads its rate as a number of Python's",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_formula_is_refused(name: str) -> None:
    make, words = REFUSED[name]
    step, schedule = make()
    before = schedule.state_dict()
    with pytest.raises(LenetcError, match=words) as raised:
        exported(step)
    assert "input of the program" in str(raised.value) or "lenetc.optim" in str(raised.value)
    assert schedule.state_dict() == before


def test_two_schedules_of_one_optimizer_have_to_be_chained() -> None:
    p = nn.Parameter(lenetc.ones(2))
    o = optim.SGD([p], lr=0.1)
    both = schedules.LinearLR(o), schedules.StepLR(o, 3)

    def step(x: Any) -> None:
        (p * x).sum().backward()
        o.step()
        for schedule in both:
            schedule.step()

    with pytest.raises(LenetcError, match="ChainedScheduler"):
        exported(CompiledFunction(step, "cpu"))


def test_state_that_is_replaced_is_refused_and_state_that_is_changed_has_its_name() -> None:
    net = nn.Linear(2, 1)
    means = {"weight": net.weight.detach().clone()}

    def replaced(x: Any) -> Any:
        means["weight"] = 0.9 * means["weight"] + 0.1 * net.weight.detach()
        return net(x).sum()

    def changed(x: Any) -> Any:
        means["weight"].mul_(0.9).add_(net.weight.detach(), alpha=0.1)
        return net(x).sum()

    assert "means.weight" in exported(CompiledFunction(changed, "cpu")).updated
    with pytest.raises(LenetcError, match="puts a new one in its place"):
        exported(CompiledFunction(replaced, "cpu"))
