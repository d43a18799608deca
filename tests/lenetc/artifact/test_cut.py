"""grad.onnx and apply.onnx: together the step, to the bit; and what cannot be cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from lenetc import nn
from tests.lenetc.artifact.host import Host

F = nn.functional
Step = Callable[..., Any]


def nets() -> tuple[nn.Module, nn.Module]:
    lenetc.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(144, 5)
    )
    return net, nn.Sequential(nn.Linear(64, 8, bias=False), nn.Tanh(), nn.Linear(8, 5))


def stepping(net: nn.Module, optimizer: Any, clips: float = 0.0, accumulates: bool = False) -> Step:
    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(net(x), y)
        if not accumulates:
            optimizer.zero_grad()
        loss.backward()
        if clips:
            nn.utils.clip_grad_norm_(net.parameters(), clips)
        optimizer.step()
        return loss

    return step


def sgd(net: nn.Module) -> Step:
    return stepping(net, lenetc.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=1e-2))


def adamw(net: nn.Module) -> Step:
    return stepping(net, lenetc.optim.AdamW(net.parameters(), 1e-2, amsgrad=True))


def clipped(net: nn.Module) -> Step:
    return stepping(net, lenetc.optim.Adam(net.parameters(), 1e-2), clips=0.1)


def accumulated(net: nn.Module) -> Step:
    return stepping(net, lenetc.optim.SGD(net.parameters(), 0.01), accumulates=True)


def two_optimizers(net: nn.Module) -> Step:
    first, second = list(net.parameters())[:1], list(net.parameters())[1:]
    optimizers = lenetc.optim.SGD(first, 0.1), lenetc.optim.Adam(second, 1e-2)

    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(net(x), y)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss

    return step


def averaged(net: nn.Module) -> Step:
    ema = [parameter.detach().clone() for parameter in net.parameters()]
    inner = sgd(net)

    def step(x: Any, y: Any) -> Any:
        loss = inner(x, y)
        with lenetc.no_grad():
            for old, new in zip(ema, net.parameters(), strict=True):
                old.mul_(0.9).add_(new, alpha=0.1)
        return loss

    return step


def batches(count: int, conv: bool) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    shape = (6, 1, 8, 8) if conv else (6, 64)
    return [(rng.standard_normal(shape, np.float32), rng.integers(0, 5, 6)) for _ in range(count)]


@pytest.mark.parametrize("conv", [True, False])
@pytest.mark.parametrize("make", [sgd, adamw, clipped, accumulated, two_optimizers, averaged])
def test_apply_of_grad_is_train_to_the_bit(make: Callable[[nn.Module], Step], conv: bool, tmp_path: Path):
    step = make(nets()[0 if conv else 1])
    data = batches(4, conv)
    lenetc.compile(step).lower(*data[0]).export(tmp_path)
    host = Host(tmp_path)
    whole = parts = many = host.state
    losses = []
    for x, y in data:
        expected, whole = host.run("train", whole, x=x, y=y)
        found, parts = host.run("grad", parts, x=x, y=y)
        _, parts = host.run("apply", parts, **found)
        assert found["loss"].tobytes() == expected["loss"].tobytes()
        assert found.keys() - expected.keys() == set(host.models["grad"]["gradients"].values())
        losses.append(expected["loss"])
        for name, value in whole.items():
            assert value.tobytes() == parts[name].tobytes(), name
    assert len(set(map(float, losses))) == 4
    stacked, many = host.run(
        "train_scan", many, x=np.stack([x for x, _ in data]), y=np.stack([y for _, y in data])
    )
    np.testing.assert_allclose(stacked["loss"], losses, rtol=1e-6)
    for name, value in whole.items():
        np.testing.assert_allclose(many[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_what_is_whose(tmp_path: Path):
    net = nets()[0]
    lenetc.compile(adamw(net)).lower(*batches(1, True)[0]).export(tmp_path)
    models = Host(tmp_path).models
    random = {"rng.counter"}
    buffers = {f"1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert set(models["grad"]["updates"]) == random | buffers
    assert set(models["grad"]["gradients"]) == {name for name, _ in net.named_parameters()}
    assert models["grad"]["hyperparameters"] == [] and models["apply"]["hyperparameters"] == ["lr"]
    assert models["apply"]["inputs"] == [] and models["apply"]["results"] == []
    read = set(models["apply"]["state"])
    assert "optimizer.step" in read and not read & (random | buffers)


def test_equal_gradients_of_two_parameters_are_two_inputs(tmp_path: Path):
    a, b = (nn.Parameter(lenetc.zeros(3)) for _ in range(2))
    optimizer = lenetc.optim.SGD([a, b], 0.5)

    def step(x: Any) -> Any:
        loss = ((x + a + b) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    lenetc.compile(step).lower(lenetc.ones(4, 3)).export(tmp_path)
    host = Host(tmp_path)
    found, _ = host.run("grad", host.state, x=np.ones((4, 3), np.float32))
    _, second = host.models["apply"]["gradients"].values()
    found[second] = np.zeros(3, np.float32)
    _, new = host.run("apply", host.state, **found)
    moved = {name: bool(value.any()) for name, value in new.items() if name in ("a", "b")}
    assert sorted(moved.values()) == [False, True]


def test_updates_in_turns_are_one_file_with_a_note(tmp_path: Path):
    lenetc.manual_seed(0)
    made, judge = nn.Linear(3, 2), nn.Linear(2, 1)
    first, second = (lenetc.optim.SGD(net.parameters(), 0.1) for net in (judge, made))

    def step(x: Any) -> Any:
        first.zero_grad()
        loss = judge(made(x).detach()).mean()
        loss.backward()
        first.step()
        second.zero_grad()
        other = judge(made(x)).square().mean()
        other.backward()
        second.step()  # here
        return loss, other

    paths = lenetc.compile(step).lower(lenetc.ones(4, 3)).export(tmp_path)
    assert {"grad.onnx", "apply.onnx"}.isdisjoint(path.name for path in paths)
    (note,) = Host(tmp_path).manifest["notes"]
    line = next(
        i for i, text in enumerate(Path(__file__).read_text().splitlines(), 1) if text.endswith("# here")
    )
    assert "made.weight depends on an update" in note and f"test_cut.py:{line}" in note


def test_an_update_that_reads_the_batch_is_one_file_with_a_note(tmp_path: Path):
    weight = nn.Parameter(lenetc.ones(3))
    optimizer = lenetc.optim.SGD([weight], 0.1)

    def step(x: Any) -> Any:
        loss = (x * weight).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with lenetc.no_grad():
            weight.add_(x.mean())
        return loss

    lenetc.compile(step).lower(lenetc.ones(4, 3)).export(tmp_path)
    host = Host(tmp_path)
    assert (
        "grad" not in host.models
        and "an update needs x otherwise than through gradients" in host.manifest["notes"][0]
    )


@pytest.mark.parametrize("other", [False, True])
def test_two_updates_of_a_parameter_are_one_file_with_a_note(other: bool, tmp_path: Path):
    net = nn.Linear(3, 2)
    first = lenetc.optim.SGD(net.parameters(), 0.1)
    second = lenetc.optim.Adam(net.parameters(), 0.1) if other else first

    def step(x: Any) -> Any:
        first.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        first.step()
        second.step()  # twice
        return loss

    x = np.eye(4, 3, dtype=np.float32)
    lenetc.compile(step).lower(x).export(tmp_path)
    host = Host(tmp_path)
    line = next(
        i for i, text in enumerate(Path(__file__).read_text().splitlines(), 1) if text.endswith("# twice")
    )
    assert not {"grad", "apply"} & host.models.keys()
    (note,) = host.manifest["notes"]
    assert "is updated twice" in note and f"test_cut.py:{line}" in note
    (_, state) = host.run("train", host.state, x=x)
    step(lenetc.from_numpy(x))
    np.testing.assert_allclose(state["weight"], net.weight.detach().numpy(), rtol=1e-5)
