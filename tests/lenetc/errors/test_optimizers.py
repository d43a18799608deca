"""What optimizers and schedules do not take: the error names the option, the parameter and what to give instead."""

from __future__ import annotations

from typing import Any

import pytest

import lenetc
from lenetc import optim
from lenetc.optim.lr_scheduler import StepLR
from tests.lenetc.errors.small import IMAGES, LABELS, Net, Training


def test_an_unknown_option_and_its_neighbour() -> None:
    net = Net()
    with pytest.raises(
        TypeError,
        match=r"SGD has no option 'momentun' \(did you mean 'momentum'\?\); its options are lr, momentum",
    ):
        optim.SGD(net.parameters(), lr=0.1, momentun=0.9)
    with pytest.raises(TypeError, match=r"Adam has no option 'beta1'.*betas"):
        optim.Adam(net.parameters(), beta1=0.9)
    with pytest.raises(ValueError, match="lr of param group 0 must be a number of at least 0, got -1"):
        optim.SGD(net.parameters(), lr=-1)


def test_a_parameter_given_twice() -> None:
    net = Net()
    with pytest.raises(
        ValueError,
        match=r"f32\[2,1,3,3\] is given twice, as number 0 of param group 0 and again as number 6 of "
        r"param group 0",
    ):
        optim.SGD([*net.parameters(), net.conv1.weight], lr=0.1)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(
        ValueError, match="as number 1 of param group 0 and again as number 0 of param group 1; leave it out"
    ):
        optimizer.add_param_group({"params": [net.conv1.bias]})
    assert len(optimizer.param_groups) == 1


def test_a_module_in_place_of_its_parameters() -> None:
    with pytest.raises(
        TypeError, match=r"SGD: params must be an iterable.*but it is a Net: give its \.parameters\(\)"
    ):
        optim.SGD(Net(), lr=0.1)


def test_a_schedule_inside_a_compiled_function() -> None:
    training = Training(compiled=True)
    schedule, inner = StepLR(training.optimizer, 1), training.step

    def step(images: Any, labels: Any) -> Any:
        loss = inner(images, labels)
        schedule.step()
        return loss

    compiled = lenetc.compile(step)
    compiled(IMAGES, LABELS)
    compiled(IMAGES, LABELS)
    assert "traced 1 times, 1 programs" in compiled.explain()
    assert schedule.last_epoch == 2
    assert training.optimizer.param_groups[0]["lr"] == pytest.approx(0.05 * 0.1**2)


def test_the_state_of_something_else_in_an_optimizer() -> None:
    training = Training(compiled=False)
    for state, says in (
        (
            {"model": {}},
            "SGD: this is not the state of an optimizer.*'state' and 'param_groups', but one of 'model'",
        ),
        (optim.Adam(training.net.parameters()).state_dict(), "SGD: .* lacks .*momentum.*another optimizer"),
        (
            optim.SGD([training.net.conv1.weight], lr=0.1).state_dict(),
            "has 1 parameters in the loaded state and 6",
        ),
    ):
        with pytest.raises(ValueError, match=says):
            training.optimizer.load_state_dict(state)
    training.assert_unchanged()
