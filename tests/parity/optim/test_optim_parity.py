"""Optimizers against live PyTorch: the same gradients, 20 steps, every parameter and state tensor."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

import lenetc
from lenetc import optim

torch = pytest.importorskip("torch")

STEPS = 20
GOLDENS = json.loads((Path(__file__).parents[2] / "lenetc" / "goldens" / "optim.json").read_text())
CASES = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.5, "dampening": 0.5, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-4}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Adam", {"lr": 0.05, "betas": (0.0, 0.9999)}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.5, "centered": True, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2}),
    ("Adagrad", {"lr": 0.1, "maximize": True}),
]
SCHEDULES = [
    "StepLR(optimizer, 3, 0.5)",
    "OneCycleLR(optimizer, 0.1, 21)",
    "LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))",
]
cases = pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}-{o}" for name, o in CASES])


def inputs():
    """Weights and biases of a 4-5-2 network, and the generator for its data."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (5, 4), "b1": (5,), "w2": (2, 5), "b2": (2,)}
    return {key: rng.normal(size=shape).astype(np.float32) for key, shape in shapes.items()}, rng


class Pair:
    """The same network and optimizer in both libraries. Ours gets PyTorch's gradients, so that rounding in
    the network does not add up."""

    def __init__(self, name, groups, **options):
        self.start, rng = inputs()
        self.data = rng.normal(size=(STEPS, 8, 4)).astype(np.float32)
        self.target = rng.normal(size=(STEPS, 8, 2)).astype(np.float32)
        self.theirs = {k: torch.nn.Parameter(torch.tensor(v)) for k, v in self.start.items()}
        self.ours = {k: lenetc.tensor(v, requires_grad=True) for k, v in self.start.items()}
        self.largest = {}
        self.optimizers = [
            getattr(module, name)([{**g, "params": [p[k] for k in g["params"]]} for g in groups], **options)
            for module, p in ((optim, self.ours), (torch.optim, self.theirs))
        ]

    def step(self, number, frozen=()):
        p = self.theirs
        self.optimizers[1].zero_grad()
        hidden = torch.tanh(torch.tensor(self.data[number]) @ p["w1"].T + p["b1"])
        (((hidden @ p["w2"].T + p["b2"]) - torch.tensor(self.target[number])) ** 2).mean().backward()
        for key, ours in self.ours.items():
            if key in frozen:
                p[key].grad = ours.grad = None
            else:
                ours.grad = lenetc.tensor(p[key].grad.numpy())
        for optimizer in self.optimizers:
            optimizer.step()

    def close(self, ours, theirs, what):
        """Equal to 1e-6 of the largest element so far: what has cancelled out since left its rounding."""
        largest = self.largest[what] = max(self.largest.get(what, 0), np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * largest, err_msg=str(what))

    def check(self):
        for key, ours in self.ours.items():
            self.close(ours.detach().numpy(), self.theirs[key].detach().numpy(), key)
        ours, theirs = (optimizer.state_dict() for optimizer in self.optimizers)
        # PyTorch's SGD keeps the step of our state without using it.
        assert ours["state"].keys() == theirs["state"].keys()
        for number, entry in theirs["state"].items():
            for key, value in entry.items():
                if not (key == "step" and "momentum_buffer" in entry and "square_avg" not in entry):
                    self.close(np.asarray(ours["state"][number][key]), value.numpy(), (number, key))
        for group, other in zip(ours["param_groups"], theirs["param_groups"], strict=True):
            for key, value in group.items():
                is_number = isinstance(value, float | tuple)  # betas too, of a schedule of momentum
                assert value == (pytest.approx(other[key], rel=1e-12) if is_number else other[key])


ALL = [{"params": ["w1", "b1", "w2", "b2"]}]


@cases
def test_twenty_steps(name, options):
    pair = Pair(name, ALL, **options)
    for number in range(STEPS):
        pair.step(number)
        pair.check()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_schedules_and_groups(name, schedule):
    momentum = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    pair = Pair(
        name,
        [{"params": ["w1", "b1"], "lr": 0.02}, {"params": ["w2", "b2"], "weight_decay": 0.1}],
        **momentum,
    )
    schedules = [
        eval(schedule, {**vars(module.lr_scheduler), "optimizer": optimizer})
        for module, optimizer in zip((optim, torch.optim), pair.optimizers, strict=True)
    ]
    for number in range(STEPS):
        pair.step(number)
        for each in schedules:
            each.step()
        pair.check()


@cases
def test_gradients_that_are_missing_at_times(name, options):
    pair = Pair(name, ALL, **options)
    for number in range(STEPS):
        pair.step(number, frozen=[("w1", "b2"), ("w1",), (), ("w2",)][number % 4])
        pair.check()


@cases
def test_a_group_added_on_the_way(name, options):
    pair = Pair(name, [{"params": ["w1", "b1", "w2"]}], **options)
    for number in range(STEPS):
        if number == 7:
            for optimizer, params in zip(pair.optimizers, (pair.ours, pair.theirs), strict=True):
                optimizer.add_param_group({"params": [params["b2"]], "lr": 0.03})
        pair.step(number)
        pair.check()


@cases
@pytest.mark.parametrize("to_ours", [True, False], ids=["to lenetc", "to PyTorch"])
def test_state_taken_over_from_the_other_library(name, options, to_ours):
    pair = Pair(name, ALL, **options)
    for number in range(STEPS):
        if number == 9:
            source = pair.optimizers[to_ours].state_dict()
            module, params = (optim, pair.ours) if to_ours else (torch.optim, pair.theirs)
            optimizer = getattr(module, name)([{"params": list(params.values())}], lr=0.77)
            if to_ours:
                optimizer.load_state_dict(copy.deepcopy(source))
            else:
                state = {
                    n: {k: torch.tensor(np.asarray(v)) for k, v in entry.items()}
                    for n, entry in source["state"].items()
                }
                optimizer.load_state_dict({"state": state, "param_groups": source["param_groups"]})
            pair.optimizers[not to_ours] = optimizer
        pair.step(number)
        pair.check()


@cases
@pytest.mark.parametrize("wrapped", [lambda step: step, lenetc.compile], ids=["lazily", "compiled"])
def test_parameters_of_one_storage(name, options, wrapped):
    def trained(library, wrapped):
        first = library.nn.Parameter(library.tensor([1.0, -2.0, 0.5]))
        second = library.nn.Parameter(first.data)
        optimizer = getattr(library.optim, name)([first, second], **options)

        def step(x):
            optimizer.zero_grad()
            (first * x + (second * second * x)).sum().backward()
            optimizer.step()

        step = wrapped(step)
        for k in range(4):
            step(library.tensor([1.0, 2.0, 3.0]) * (k + 1) / 9)
        return first.detach().numpy(), second.detach().numpy()

    expected = trained(torch, lambda step: step)
    for mine, reference in zip(trained(lenetc, wrapped), expected, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=2e-5, atol=2e-6)


@cases
def test_named_parameters(name, options):
    params, _ = inputs()
    ours = getattr(optim, name)(
        [(k, lenetc.tensor(v, requires_grad=True)) for k, v in params.items()], **options
    )
    theirs = getattr(torch.optim, name)(
        [(k, torch.nn.Parameter(torch.tensor(v))) for k, v in params.items()], **options
    )
    (mine,), (other,) = (optimizer.state_dict()["param_groups"] for optimizer in (ours, theirs))
    assert mine == {key: other[key] for key in mine}
    assert other.keys() - mine.keys() <= {"foreach", "fused", "capturable", "differentiable"}


@pytest.mark.parametrize(
    "golden", GOLDENS["cases"], ids=lambda golden: f"{golden['optimizer']}-{golden['options']}"
)
def test_goldens_are_what_pytorch_gives(golden):
    params = {k: torch.nn.Parameter(torch.tensor(v)) for k, v in GOLDENS["start"].items()}
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in golden["options"].items()}
    optimizer = getattr(torch.optim, golden["optimizer"])(params.values(), **options)
    for grad, expected in zip(GOLDENS["grads"], golden["steps"], strict=True):
        for key, param in params.items():
            param.grad = torch.tensor(grad[key])
        optimizer.step()
        for key, param in params.items():
            assert param.detach().flatten().tolist() == pytest.approx(expected[key], rel=1e-6, abs=1e-7)
    for number, entry in golden["state"].items():
        for name, value in optimizer.state_dict()["state"][int(number)].items():
            assert value.flatten().tolist() == pytest.approx(
                np.ravel(entry[name]).tolist(), rel=1e-6, abs=1e-7
            )
