"""What a step leaves besides its loss, as an exported file has it: gradients, returned state, what Python keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from lenetc import nn
from lenetc.compiler.structure import ArgumentError
from lenetc.optim import SGD
from tests.lenetc.artifact.host import Host

F = nn.functional
OUTSIDE = lenetc.ones(3)
RNG = np.random.default_rng(0)
BATCHES = [(RNG.standard_normal((5, 6), np.float32), RNG.integers(0, 4, 5)) for _ in range(4)]


def loss_of(net: nn.Module, x: Any, y: Any) -> Any:
    return F.cross_entropy(net(x), y)


def accumulating(net: nn.Module, optimizer: Any) -> Callable[..., Any]:
    def step(x: Any, y: Any) -> Any:
        loss = loss_of(net, x, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def only_gradients(net: nn.Module, optimizer: Any) -> Callable[..., Any]:
    def step(x: Any, y: Any) -> Any:
        loss = loss_of(net, x, y)
        loss.backward()
        return loss, net.weight.grad

    return step


def forgetting_last(net: nn.Module, optimizer: Any) -> Callable[..., Any]:
    loss_of(net, *map(lenetc.from_numpy, BATCHES[0])).backward()  # a gradient that the first step adds to

    def step(x: Any, y: Any) -> Any:
        loss = loss_of(net, x, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step


def returning(net: nn.Module, optimizer: Any) -> Callable[..., Any]:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(net, x, y)
        loss.backward()
        optimizer.step()
        return loss, loss, net.weight

    return step


def made(make: Callable[..., Any]) -> Callable[..., Any]:
    lenetc.manual_seed(0)
    net = nn.Linear(6, 4)
    return make(net, SGD(net.parameters(), 0.1))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("make", "results", "state"),
    [
        (accumulating, ["loss", "valid"], {"weight.grad", "bias.grad"}),
        (only_gradients, ["loss", "result1", "valid"], {"weight.grad", "bias.grad"}),
        (forgetting_last, ["loss", "valid"], {"weight.grad", "bias.grad"}),
        (returning, ["loss", "loss_1", "result2", "valid"], set()),
    ],
)
def test_gradients_and_state_are_what_they_are_in_python(
    make: Any, results: list[str], state: set[str], tmp_path: Path
) -> None:
    lenetc.compile(made(make)).lower(*BATCHES[0]).export(tmp_path)
    host, step = Host(tmp_path), made(make)
    assert [entry["name"] for entry in host.models["train"]["results"]] == results
    assert {entry["name"] for entry in host.manifest["state"]} == {"weight", "bias"} | state
    now = host.state
    for x, y in BATCHES:
        found, now = host.run("train", now, x=x, y=y)
        expected = step(lenetc.from_numpy(x), lenetc.from_numpy(y))
        for value, (name, got) in zip(
            expected if isinstance(expected, tuple) else [expected], found.items(), strict=False
        ):
            np.testing.assert_allclose(got, value.detach().numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


def test_gradients_that_a_step_leaves_are_called_after_their_parameters(tmp_path: Path) -> None:
    net = nn.Linear(6, 4)

    def step(x: Any, y: Any) -> Any:
        net.zero_grad()
        loss = nn.CrossEntropyLoss()(net(x), y)
        loss.backward()
        return loss

    lenetc.compile(step).lower(*BATCHES[0]).export(tmp_path)
    names = {entry["name"] for entry in Host(tmp_path).models["train"]["results"]}
    assert names == {"loss", "weight.grad", "bias.grad", "valid"}


def test_what_python_counts_is_told(tmp_path: Path) -> None:
    net, count = nn.Linear(6, 4), [0]
    optimizer = SGD(net.parameters(), 0.1)

    def step(x: Any, y: Any) -> Any:
        count[0] += 1
        optimizer.zero_grad()
        loss = loss_of(net, x, y) * count[0]
        loss.backward()
        optimizer.step()
        return loss

    program = lenetc.compile(step).lower(*BATCHES[0])
    with pytest.warns(
        UserWarning, match=r"does for ever what it did when it was traced, but it changes count"
    ):
        program.export(tmp_path)
    (note,) = Host(tmp_path).manifest["notes"]
    assert "it changes count, which it reads" in note and "test_results.py" in note


@pytest.mark.parametrize(
    ("infer", "message"),
    [
        (lambda x: None, "returns no tensor"),
        (nn.Linear, "Linear is a class"),
        (lambda x: OUTSIDE, "neither computed by the function nor state"),
    ],
)
def test_an_inference_that_gives_nothing_is_refused(infer: Any, message: str, tmp_path: Path) -> None:
    program = lenetc.compile(made(returning)).lower(*BATCHES[0])
    with pytest.raises(ArgumentError, match=message):
        program.export(tmp_path, infer=infer)


def test_an_averaged_model_takes_what_its_module_takes(tmp_path: Path) -> None:
    net = nn.Linear(6, 4)
    average, optimizer = lenetc.optim.swa_utils.AveragedModel(net), SGD(net.parameters(), 0.1)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(net, x, y)
        loss.backward()
        optimizer.step()
        return loss

    lenetc.compile(step).lower(*BATCHES[0]).export(tmp_path, infer=average)
    found, _ = Host(tmp_path).run("infer", {}, x=BATCHES[0][0])
    expected = average(lenetc.from_numpy(BATCHES[0][0]))
    np.testing.assert_allclose(found["output"], expected.detach().numpy(), rtol=1e-5)
