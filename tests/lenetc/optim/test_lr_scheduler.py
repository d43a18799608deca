"""Schedules against learning rates and momenta that PyTorch 2.13 gave; their saved state; their errors."""

import json
import warnings
from pathlib import Path

import pytest

from lenetc.optim import lr_scheduler
from lenetc.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    StepLR,
)

GOLDENS = json.loads((Path(__file__).parents[1] / "goldens" / "lr_scheduler.json").read_text())


class Groups:
    """What a schedule sees of an optimizer."""

    def __init__(self, *groups):
        self.param_groups = [dict(group) for group in groups]
        self._step_count = 0

    def step(self):
        self._step_count += 1

    def lrs(self):
        return [group["lr"] for group in self.param_groups]

    def momenta(self):
        return [group["betas"][0] if "betas" in group else group["momentum"] for group in self.param_groups]


def sgd(*lrs):
    return Groups(*({"lr": lr, "momentum": 0.9} for lr in lrs or (0.1,)))


def advance(optimizer, scheduler, steps):
    for _ in range(steps):
        optimizer.step()
        scheduler.step()


def make(schedule, optimizer):
    return eval(schedule, {**vars(lr_scheduler), "optimizer": optimizer})


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden["schedule"])
def test_values_are_pytorchs(golden):
    optimizer = Groups(*golden["groups"])
    scheduler = make(golden["schedule"], optimizer)
    momenta = golden.get("momenta", [optimizer.momenta()] * len(golden["lrs"]))
    for epoch, lrs in enumerate(golden["lrs"]):
        assert scheduler.last_epoch == epoch
        assert optimizer.lrs() == pytest.approx(lrs, rel=1e-12, abs=1e-15), epoch
        assert scheduler.get_last_lr() == optimizer.lrs()
        assert optimizer.momenta() == pytest.approx(momenta[epoch], rel=1e-12), epoch
        if epoch + 1 < len(golden["lrs"]):
            advance(optimizer, scheduler, 1)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden["schedule"])
def test_a_saved_schedule_goes_on_as_if_never_stopped(golden):
    optimizer = Groups(*golden["groups"])
    scheduler = make(golden["schedule"], optimizer)
    advance(optimizer, scheduler, 5)
    state = json.loads(json.dumps(scheduler.state_dict()))
    groups = [dict(group) for group in optimizer.param_groups]

    later = Groups(*golden["groups"])
    resumed = make(golden["schedule"], later)
    for group, saved in zip(later.param_groups, groups, strict=True):
        group.update(saved)
    resumed.load_state_dict(state)
    assert resumed.get_last_lr() == scheduler.get_last_lr()
    for _ in range(7):
        advance(optimizer, scheduler, 1)
        advance(later, resumed, 1)
        assert later.param_groups == optimizer.param_groups
    assert later.lrs() == pytest.approx(golden["lrs"][12], rel=1e-12, abs=1e-15)


def test_state_is_a_copy():
    optimizer = sgd()
    scheduler = MultiStepLR(optimizer, [1, 2])
    state = scheduler.state_dict()
    state["milestones"].append(3)
    state["base_lrs"][0] = 9.0
    scheduler.get_last_lr()[0] = 9.0
    assert scheduler.milestones == [1, 2] and scheduler.base_lrs == scheduler.get_last_lr() == [0.1]
    scheduler.load_state_dict(state)
    state["milestones"].append(4)
    assert scheduler.milestones == [1, 2, 3]


def test_loaded_hyperparameters_count():
    optimizer = sgd()
    scheduler = StepLR(optimizer, 3)
    scheduler.load_state_dict(StepLR(sgd(), 1, gamma=0.5).state_dict())
    advance(optimizer, scheduler, 2)
    assert optimizer.lrs() == [0.025]


class Decay:
    """A callable object, whose attributes are part of a schedule's state."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, epoch):
        return self.rate**epoch


def test_callable_objects_are_saved_and_functions_are_not():
    state = LambdaLR(sgd(0.1, 0.2, 0.3), [Decay(0.5), lambda epoch: 1.0, abs]).state_dict()
    assert state["lr_lambdas"] == [{"rate": 0.5}, None, None]
    optimizer = sgd(0.1, 0.2)
    scheduler = LambdaLR(optimizer, [Decay(0.9), lambda epoch: 1.0])
    scheduler.load_state_dict(LambdaLR(sgd(0.1, 0.2), [Decay(0.5), lambda epoch: 2.0]).state_dict())
    advance(optimizer, scheduler, 2)
    assert optimizer.lrs() == [0.025, 0.2]


def test_initial_lr_is_kept_for_a_second_schedule():
    optimizer = sgd(0.1)
    optimizer.param_groups[0]["initial_lr"] = 0.4
    assert LambdaLR(optimizer, lambda epoch: 0.5).get_last_lr() == [0.2]


def test_schedules_compose():
    optimizer = sgd(1.0)
    first, second = ExponentialLR(optimizer, 0.5), StepLR(optimizer, 2, gamma=0.1)
    for _ in range(2):
        optimizer.step()
        first.step()
        second.step()
    assert optimizer.lrs() == pytest.approx([0.025])
    optimizer.param_groups[0]["lr"] = 8.0
    first.step()
    assert optimizer.lrs() == [4.0]


@pytest.mark.parametrize(
    ("schedule", "lr"),
    [
        ("StepLR(optimizer, 4, 0.5)", 0.025),
        ("MultiStepLR(optimizer, [9, 3, 3], 0.5)", 0.0125),
        ("ExponentialLR(optimizer, 0.5)", 0.1 / 512),
        ("LinearLR(optimizer, 0.5, 1.0, 18)", 0.075),
        ("CosineAnnealingLR(optimizer, 18, 0.02)", 0.06),
        ("LambdaLR(optimizer, lambda epoch: 1 / epoch if epoch else 1)", 0.1 / 9),
    ],
)
def test_jumping_to_an_epoch_uses_the_closed_form(schedule, lr):
    optimizer = sgd(0.1)
    scheduler = make(schedule, optimizer)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 77.0
    with pytest.warns(UserWarning, match="deprecated"):
        scheduler.step(9)
    assert scheduler.last_epoch == 9
    assert scheduler.get_last_lr() == pytest.approx([lr])


def test_warns_when_the_first_lr_is_skipped():
    optimizer = sgd()
    scheduler = StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match=r"before optimizer\.step\(\)"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


def test_steps_before_the_schedule_was_made_do_not_count():
    optimizer = sgd()
    optimizer.step()
    with pytest.warns(UserWarning, match=r"before optimizer\.step\(\)"):
        StepLR(optimizer, 1).step()


def test_an_optimizer_that_does_not_count_is_not_warned_about():
    optimizer = sgd()
    del optimizer._step_count
    scheduler = StepLR(optimizer, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
    assert optimizer.lrs() == pytest.approx([0.01])


def test_one_cycle_starts_at_the_top_where_the_way_up_takes_no_time():
    optimizer = sgd()
    scheduler = OneCycleLR(optimizer, 0.5, total_steps=10, pct_start=0.1)
    assert (optimizer.lrs(), optimizer.momenta()) == ([0.5], [0.85])
    advance(optimizer, scheduler, 9)
    assert optimizer.lrs() == pytest.approx([0.5 / 25 / 1e4])
    assert optimizer.momenta() == pytest.approx([0.95])


def test_one_cycle_refuses_to_go_on_and_stays_where_it_is():
    optimizer = sgd()
    scheduler = OneCycleLR(optimizer, 0.5, total_steps=4)
    advance(optimizer, scheduler, 4)
    groups, state = [dict(group) for group in optimizer.param_groups], scheduler.state_dict()
    with pytest.raises(ValueError, match=r"step 5 is beyond total_steps=4"):
        scheduler.step()
    assert optimizer.param_groups == groups and scheduler.state_dict() == state


def test_one_cycle_leaves_other_betas_alone():
    optimizer = Groups({"lr": 0.1, "betas": (0.9, 0.987)})
    advance(optimizer, OneCycleLR(optimizer, 0.5, 10), 3)
    assert optimizer.param_groups[0]["betas"][1] == 0.987


WRONG = [
    (lambda o: StepLR(o, 0), r"StepLR: step_size must be a positive integer, got 0"),
    (lambda o: StepLR(o, 2.5), r"step_size .* got 2.5"),
    (lambda o: StepLR(o, 2, gamma="0.1"), r"gamma must be a finite number, got '0.1'"),
    (lambda o: StepLR(o, 2, last_epoch=-2), r"last_epoch must be an integer of at least -1, got -2"),
    (lambda o: StepLR(o, 2, last_epoch=3), r"last_epoch=3 .* param_groups\[0\] has no 'initial_lr'"),
    (lambda o: MultiStepLR(o, 5), r"milestones must be a list of epochs.* got 5"),
    (lambda o: MultiStepLR(o, [1, "2"]), r"milestones .* got \[1, '2'\]"),
    (lambda o: MultiStepLR(o, [1], gamma=None), r"gamma .* got None"),
    (lambda o: ExponentialLR(o, float("nan")), r"gamma must be a finite number, got nan"),
    (lambda o: ExponentialLR(o, True), r"gamma must be a finite number, got True"),
    (lambda o: LinearLR(o, start_factor=0), r"start_factor must be greater than 0 and at most 1, got 0"),
    (lambda o: LinearLR(o, start_factor=1.1), r"start_factor .* got 1.1"),
    (lambda o: LinearLR(o, end_factor=-0.1), r"end_factor must be between 0 and 1, got -0.1"),
    (lambda o: LinearLR(o, total_iters=0), r"total_iters must be a positive integer, got 0"),
    (lambda o: CosineAnnealingLR(o, 0), r"T_max must be a positive number of epochs, got 0"),
    (lambda o: CosineAnnealingLR(o, 5, eta_min="low"), r"eta_min .* got 'low'"),
    (lambda o: LambdaLR(o, 0.5), r"lr_lambda must be a function .* got 0.5"),
    (lambda o: LambdaLR(o, [len]), r"lr_lambda must be .* list of 2, one per param group"),
    (lambda o: LambdaLR(o, lambda epoch: None), r"lr_lambda\[0\] at epoch 0 must be .* got None"),
    (lambda o: OneCycleLR(o, 0.1), r"give total_steps, or both epochs and steps_per_epoch"),
    (lambda o: OneCycleLR(o, 0.1, epochs=3), r"epochs=3, steps_per_epoch=None"),
    (lambda o: OneCycleLR(o, 0.1, 0), r"total_steps must be a positive integer, got 0"),
    (lambda o: OneCycleLR(o, 0.1, 2.0), r"total_steps .* got 2.0"),
    (lambda o: OneCycleLR(o, 0.1, epochs=-1, steps_per_epoch=3), r"epochs .* got -1"),
    (lambda o: OneCycleLR(o, 0.1, epochs=1, steps_per_epoch=0), r"steps_per_epoch .* got 0"),
    (lambda o: OneCycleLR(o, 0.1, 9, pct_start=1.5), r"pct_start must be between 0 and 1, got 1.5"),
    (lambda o: OneCycleLR(o, 0.1, 9, anneal_strategy="exp"), r"'cos' or 'linear', got 'exp'"),
    (lambda o: OneCycleLR(o, [0.1], 9), r"max_lr must be a number or a list of 2"),
    (lambda o: OneCycleLR(o, 0.1, 9, base_momentum=[0.8]), r"base_momentum must be .* list of 2"),
    (lambda o: OneCycleLR(o, 0.1, 9, max_momentum="m"), r"max_momentum .* got 'm'"),
    (lambda o: OneCycleLR(o, 0.1, 9, div_factor=0), r"div_factor must be a positive number, got 0"),
    (lambda o: OneCycleLR(o, 0.1, 9, final_div_factor=-1), r"final_div_factor .* got -1"),
    (lambda o: OneCycleLR(o, 0.1, 9, last_epoch=2), r"param_groups\[0\] has no 'initial_lr'"),
    (lambda o: StepLR(o, 2).step("3"), r"epoch must be an integer of at least 0, got '3'"),
]


@pytest.mark.parametrize(("build", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_arguments_are_named(build, message):
    optimizer = sgd(0.1, 0.2)
    optimizer._step_count = None
    with pytest.raises(ValueError, match=message):
        build(optimizer)
    assert optimizer.lrs() == [0.1, 0.2] and optimizer.momenta() == [0.9, 0.9]


def test_momentum_to_cycle_is_missing():
    with pytest.raises(ValueError, match=r"param_groups\[0\] has neither; give cycle_momentum=False"):
        OneCycleLR(Groups({"lr": 0.1}), 0.5, 10)


def test_learning_rate_that_is_no_number():
    with pytest.raises(ValueError, match=r"param_groups\[1\]\['lr'\] must be a finite number, got 'fast'"):
        StepLR(Groups({"lr": 0.1}, {"lr": "fast"}), 1)


def test_what_is_no_optimizer():
    for build in (lambda o: StepLR(o, 1), lambda o: LambdaLR(o, len), lambda o: OneCycleLR(o, 0.1, 5)):
        with pytest.raises(TypeError, match="needs an optimizer, got dict"):
            build({})


def test_groups_added_after_the_schedule():
    optimizer = sgd(0.1)
    scheduler = StepLR(optimizer, 1)
    optimizer.param_groups.append({"lr": 0.2})
    with pytest.raises(ValueError, match=r"made for 1 param groups, but the optimizer now has 2"):
        scheduler.step()


def test_state_of_another_schedule():
    scheduler = StepLR(sgd(0.1), 1)
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match=r"state of a StepLR: entries missing \['step_size'\], unknown \[\]"):
        scheduler.load_state_dict(ExponentialLR(sgd(0.1), 0.5).state_dict())
    with pytest.raises(ValueError, match="is for 2 param groups, but the optimizer has 1"):
        scheduler.load_state_dict(StepLR(sgd(0.1, 0.2), 9).state_dict())
    assert scheduler.state_dict() == before
