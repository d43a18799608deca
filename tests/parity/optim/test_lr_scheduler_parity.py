"""Schedules against live PyTorch, 60 steps each."""

import copy
import json
import math
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenetc import optim
from lenetc.optim import lr_scheduler

torch = pytest.importorskip("torch")

STEPS = 60
GOLDENS = json.loads((Path(__file__).parents[2] / "lenetc" / "goldens" / "lr_scheduler.json").read_text())
SGD = [{"lr": 0.1, "momentum": 0.9}, {"lr": 0.02, "momentum": 0.5}, {"lr": 3.0, "momentum": 0.0}]
ADAM = [{"lr": 0.01, "betas": (0.9, 0.999)}, {"lr": 0.003, "betas": (0.8, 0.99)}]
SCHEDULED = {
    *("lr", "momentum", "betas", "initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum", "swa_lr"),
}

CHAINED = [
    "StepLR(optimizer, 7{})",
    "StepLR(optimizer, step_size=1, gamma=0.97{})",
    "StepLR(optimizer, 30, gamma=2{})",
    "MultiStepLR(optimizer, [10, 25, 25, 59], 0.3{})",
    "MultiStepLR(optimizer, (40, 0, 1, 21), gamma=0.5{})",
    "ExponentialLR(optimizer, 0.93{})",
    "ExponentialLR(optimizer, gamma=1.01{})",
    "LinearLR(optimizer{})",
    "LinearLR(optimizer, 1.0, 0.0, 50{})",
    "LinearLR(optimizer, start_factor=0.01, end_factor=0.9, total_iters=21{})",
    "CosineAnnealingLR(optimizer, 60{})",
    "CosineAnnealingLR(optimizer, T_max=7, eta_min=0.004{})",
    "CosineAnnealingLR(optimizer, 1, 0.001{})",
    "CosineAnnealingLR(optimizer, 20.5{})",
    "LambdaLR(optimizer, lambda epoch: 0.95**epoch{})",
    "LambdaLR(optimizer, lambda epoch: min((epoch + 1) / 10, (epoch + 1) ** -0.5){})",
    "MultiplicativeLR(optimizer, lambda epoch: 1 - 1 / (epoch + 2){})",
    "ConstantLR(optimizer{})",
    "ConstantLR(optimizer, 0.25, total_iters=20{})",
    "PolynomialLR(optimizer{})",
    "PolynomialLR(optimizer, 61, power=2.0{})",
    "CosineAnnealingWarmRestarts(optimizer, 7{})",
    "CosineAnnealingWarmRestarts(optimizer, 5, T_mult=2, eta_min=0.004{})",
    "CyclicLR(optimizer, 0.01, 0.2, 7, cycle_momentum=False, mode='exp_range', gamma=0.97{})",
    "CyclicLR(optimizer, 0.01, 0.2, 7, 4, scale_fn=lambda x: 1 / x, cycle_momentum=False{})",
    "swa_utils.SWALR(optimizer, 0.05{})",
    "swa_utils.SWALR(optimizer, 0.2, anneal_epochs=21, anneal_strategy='linear'{})",
    "swa_utils.SWALR(optimizer, 0.2, anneal_epochs=0{})",
]
ONE_CYCLE = [
    "OneCycleLR(optimizer, 0.5, 60{})",
    "OneCycleLR(optimizer, max_lr=0.5, epochs=5, steps_per_epoch=12, anneal_strategy='linear'{})",
    "OneCycleLR(optimizer, 0.5, 61, pct_start=0.25, three_phase=True{})",
    "OneCycleLR(optimizer, 0.5, 60, three_phase=True, anneal_strategy='linear', pct_start=0.4{})",
    "OneCycleLR(optimizer, 0.5, 60, three_phase=True, pct_start=0.7{})",
    "OneCycleLR(optimizer, 0.5, 60, pct_start=0.0{})",
    "OneCycleLR(optimizer, 0.5, 100, div_factor=10, final_div_factor=2.0{})",
    "OneCycleLR(optimizer, 0.5, 60, cycle_momentum=False{})",
    "OneCycleLR(optimizer, 0.5, 60, base_momentum=0.1, max_momentum=0.99{})",
    "CyclicLR(optimizer, 0.01, 0.2, 7{})",
    "CyclicLR(optimizer, 0.01, 0.2, 7, mode='triangular2', base_momentum=0.5{})",
]
COMBINED = [
    "SequentialLR(optimizer, [LinearLR(optimizer, 0.1, total_iters=9), CosineAnnealingLR(optimizer, 50)], [10])",
    "SequentialLR(optimizer, [ConstantLR(optimizer, 0.1, 4), ExponentialLR(optimizer, 0.9), StepLR(optimizer, 5)],"
    " [5, 20])",
    "SequentialLR(optimizer, [SequentialLR(optimizer, [StepLR(optimizer, 2), StepLR(optimizer, 3)], [5]),"
    " ExponentialLR(optimizer, 0.9)], [20])",
    "ChainedScheduler([ConstantLR(optimizer, 0.1, 10), ExponentialLR(optimizer, 0.9)])",
    "ChainedScheduler([MultiStepLR(optimizer, [5, 25]), CosineAnnealingWarmRestarts(optimizer, 7)], optimizer)",
]
PLATEAU = [
    "ReduceLROnPlateau(optimizer)",
    "ReduceLROnPlateau(optimizer, 'max', 0.5, 2, threshold=0.1, cooldown=3, min_lr=0.001)",
    "ReduceLROnPlateau(optimizer, factor=0.7, patience=0, threshold=0.05, threshold_mode='abs', eps=1e-3)",
    "ReduceLROnPlateau(optimizer, mode='max', patience=1, threshold_mode='abs', min_lr=[0.01, 0.001, 0.5])",
]


class Groups:
    """What a schedule sees of an optimizer."""

    def __init__(self, groups):
        self.param_groups = copy.deepcopy(groups)
        self._step_count = 0

    def step(self):
        self._step_count += 1


def torch_optimizer(groups):
    groups = [{**group, "params": [torch.nn.Parameter(torch.zeros(1))]} for group in copy.deepcopy(groups)]
    return (torch.optim.Adam if "betas" in groups[0] else torch.optim.SGD)(groups)


def schedules(expression, groups):
    """The same schedule in each library, as (optimizer, schedule) pairs: ours, then PyTorch's."""
    return [
        (
            optimizer,
            eval(
                expression,
                {**vars(module.lr_scheduler), "optimizer": optimizer, "swa_utils": module.swa_utils},
            ),
        )
        for optimizer, module in ((Groups(groups), optim), (torch_optimizer(groups), torch.optim))
    ]


def assert_equal_groups(ours, theirs, at):
    assert len(ours.param_groups) == len(theirs.param_groups)
    for our, their in zip(ours.param_groups, theirs.param_groups, strict=True):
        for key in our:
            assert our[key] == pytest.approx(their[key], rel=1e-12, abs=1e-15), (key, at)


def compare(pairs, steps=STEPS):
    (ours, our_schedule), (theirs, their_schedule) = pairs
    for step in range(steps + 1):
        assert_equal_groups(ours, theirs, step)
        assert getattr(our_schedule, "last_epoch", None) == getattr(their_schedule, "last_epoch", None)
        assert our_schedule.get_last_lr() == pytest.approx(their_schedule.get_last_lr(), rel=1e-12, abs=1e-15)
        if step < steps:
            for optimizer, schedule in pairs:
                optimizer.step()
                schedule.step()


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden["schedule"])
def test_goldens_are_what_pytorch_gives(golden):
    groups = [{k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in golden["groups"]]
    optimizer, schedule = schedules(golden["schedule"], groups)[1]
    for lrs in golden["lrs"]:
        assert schedule.get_last_lr() == pytest.approx(lrs, rel=1e-12, abs=1e-15)
        if schedule.last_epoch < len(golden["lrs"]) - 1:
            optimizer.step()
            schedule.step()


@pytest.mark.parametrize("groups", [SGD, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("schedule", CHAINED + ONE_CYCLE)
def test_sixty_steps(schedule, groups):
    compare(schedules(schedule.format(""), groups))


@pytest.mark.parametrize("last_epoch", [0, 6, 19, 24])
@pytest.mark.parametrize("schedule", CHAINED + ONE_CYCLE)
def test_resumed_by_last_epoch(schedule, last_epoch):
    optimizer, first = schedules(schedule.format(""), SGD)[1]
    for _ in range(last_epoch):
        optimizer.step()
        first.step()
    groups = [{k: group[k] for k in SCHEDULED & group.keys()} for group in optimizer.param_groups]
    pairs = schedules(schedule.format(f", last_epoch={last_epoch}"), groups)
    compare(pairs, steps=STEPS - last_epoch - 1)


@pytest.mark.parametrize("schedule", CHAINED + ONE_CYCLE)
def test_jumps_and_edited_rates(schedule):
    pairs = schedules(schedule.format(""), SGD)
    for action in ("step", 13, "step", "edit", "step", 40, "step", 3, "step", "step"):
        for optimizer, scheduler in pairs:
            optimizer.step()
            if action == "step":
                scheduler.step()
            elif action == "edit":
                optimizer.param_groups[1]["lr"] = 0.77
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    scheduler.step(action)
        assert_equal_groups(pairs[0][0], pairs[1][0], action)


# A SequentialLR in another takes a step when the other is made, which both libraries warn of.
nested = pytest.mark.filterwarnings("ignore:.*before .?optimizer.step")


@nested
@pytest.mark.parametrize("schedule", COMBINED)
def test_schedules_of_schedules(schedule):
    compare(schedules(schedule, SGD))


@pytest.mark.parametrize("schedule", PLATEAU)
def test_metrics(schedule):
    pairs = schedules(schedule, SGD)
    for epoch in range(STEPS):
        metric = math.sin(epoch / 5) + (epoch % 7) / 7 - epoch / 40
        for optimizer, scheduler in pairs:
            optimizer.step()
            scheduler.step(metric)
        assert_equal_groups(pairs[0][0], pairs[1][0], epoch)
        ours, theirs = (scheduler.state_dict() for _, scheduler in pairs)
        assert ours.keys() == theirs.keys()
        assert {k: ours[k] for k in ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")} == {
            k: theirs[k] for k in ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
        }


def test_fractions_of_epochs():
    for expression in (
        "CosineAnnealingWarmRestarts(optimizer, 3)",
        "CosineAnnealingWarmRestarts(optimizer, 2, 2)",
    ):
        pairs = schedules(expression, SGD)
        for epoch in [x / 4 for x in range(60)] + [1.5, 0, 9, None, None]:
            for optimizer, scheduler in pairs:
                optimizer.step()
                scheduler.step(epoch)
            assert_equal_groups(pairs[0][0], pairs[1][0], epoch)


@nested
@pytest.mark.parametrize("schedule", [*CHAINED, *ONE_CYCLE, *COMBINED])
def test_states_of_pytorch_are_taken(schedule):
    (ours, mine), (theirs, other) = schedules(schedule.format(""), SGD)
    for _ in range(13):
        theirs.step()
        other.step()
    mine.load_state_dict(copy.deepcopy(other.state_dict()))
    for group, source in zip(ours.param_groups, theirs.param_groups, strict=True):
        group.update({key: source[key] for key in SCHEDULED & source.keys()})
    for _ in range(9):
        for optimizer, scheduler in ((ours, mine), (theirs, other)):
            optimizer.step()
            scheduler.step()
        assert_equal_groups(ours, theirs, schedule)


@pytest.mark.parametrize("steps_first", [0, 1])
def test_warning_about_the_order(steps_first):
    for optimizer, scheduler in schedules("StepLR(optimizer, 2)", SGD):
        for _ in range(steps_first):
            optimizer.step()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            scheduler.step()
            scheduler.step()
        assert len(caught) == (0 if steps_first else 1)


@settings(max_examples=80, deadline=None)
@given(
    max_lr=st.floats(1e-4, 10),
    total=st.integers(2, 80),
    pct_start=st.floats(0, 1),
    three_phase=st.booleans(),
    anneal_strategy=st.sampled_from(["cos", "linear"]),
    div_factor=st.floats(1, 100),
)
def test_one_cycle(max_lr, total, pct_start, three_phase, anneal_strategy, div_factor):
    expression = (
        f"OneCycleLR(optimizer, {max_lr}, {total}, pct_start={pct_start}, three_phase={three_phase}, "
        f"anneal_strategy={anneal_strategy!r}, div_factor={div_factor})"
    )
    try:
        compare(schedules(expression, ADAM), steps=total)
    except ZeroDivisionError:
        # PyTorch divides by zero where a phase has no length; ours alone must get through.
        optimizer = Groups(ADAM)
        scheduler = eval(expression, {**vars(lr_scheduler), "optimizer": optimizer})
        for _ in range(total):
            optimizer.step()
            scheduler.step()
        assert all(math.isfinite(lr) for lr in scheduler.get_last_lr())
