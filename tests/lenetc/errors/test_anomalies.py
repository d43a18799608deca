"""detect_anomaly: the first operation that made a NaN or an infinity is named, and the state stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from lenetc import nn, optim
from lenetc.autograd import AnomalyError, detect_anomaly
from tests.lenetc.errors.small import IMAGES, line_with


@pytest.mark.parametrize("compiled", [False, True])
def test_anomalies_name_the_first_op_and_keep_the_state(compiled: bool) -> None:
    w = lenetc.tensor([1.0, 0.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        logs = lenetc.log(w)  # log line
        loss = (logs * lenetc.as_tensor(x)).sum()
        loss.backward()
        optimizer.step()
        return loss

    run = lenetc.compile(step) if compiled else step
    with (
        pytest.raises(
            AnomalyError,
            match=r"log \(forward\) made 1 infinite of 3 values out of finite operands: f32\[3\] -> "
            r"f32\[3\]. Nothing was changed",
        ) as raised,
        detect_anomaly(),
    ):
        run(np.ones(3, np.float32))
    assert f"at {line_with('log line', __file__)}" in str(raised.value)
    assert w.tolist() == [1.0, 0.0, 2.0]
    assert all(not s["momentum_buffer"].numpy().any() for s in optimizer.state.values())
    w.data.add_(1.0)
    with detect_anomaly():
        assert np.isfinite(run(np.ones(3, np.float32)).item())
    assert w.tolist() == pytest.approx([2.0 - 0.05, 1.0 - 0.1, 3.0 - 0.1 / 3])


@pytest.mark.parametrize("compiled", [False, True])
def test_an_anomaly_in_the_gradient_alone(compiled: bool) -> None:
    w = lenetc.zeros(2, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    def step() -> Any:
        optimizer.zero_grad()
        loss = lenetc.sqrt(w).sum()  # root line
        loss.backward()
        optimizer.step()
        return loss

    run = lenetc.compile(step) if compiled else step
    with (
        pytest.raises(AnomalyError, match=r"\(backward\) made 2 infinite of 2 values") as raised,
        detect_anomaly(),
    ):
        run()
    assert f"at {line_with('root line', __file__)}" in str(raised.value)
    assert w.tolist() == [0.0, 0.0]


def test_an_anomaly_names_the_module() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    net[0].weight.data.fill_(3e38)
    with (
        pytest.raises(AnomalyError, match=r"matmul \(forward\) made 6 infinite of 6 values") as raised,
        detect_anomaly(),
    ):
        net(lenetc.ones(2, 3)).sum().item()
    assert "\n  at 0, " in str(raised.value)


def test_an_anomaly_in_the_input_blames_nobody_else() -> None:
    bad = np.array([1.0, np.nan], np.float32)
    double = lenetc.compile(lambda x: x * 2.0)
    with detect_anomaly():
        with pytest.raises(
            AnomalyError,
            match=r"the input x of type f32\[2\] holds 1 NaN of 2 values before anything ran; mul",
        ):
            double(bad)
        with pytest.raises(AnomalyError, match=r"holds 1 NaN of 2 values before anything ran; mul"):
            (lenetc.tensor(bad) * 2.0).sum().item()
    assert np.isnan(double(bad).numpy()).tolist() == [False, True]


def test_an_anomaly_in_a_scan_names_the_step() -> None:
    step = lenetc.compile(lambda x: lenetc.log(x).sum())
    with (
        pytest.raises(AnomalyError, match=r"log \(forward\) in step 2 of 3 made 1 infinite of 2 values"),
        detect_anomaly(),
    ):
        step.scan(np.array([[1, 2], [3, 4], [5, 0]], np.float32))


def test_anomalies_are_about_what_the_block_computes() -> None:
    x = lenetc.log(lenetc.zeros(2))
    with detect_anomaly():
        assert lenetc.ones(2).sum().item() == 2
    with pytest.raises(AnomalyError), detect_anomaly():
        y = lenetc.log(lenetc.zeros(2))  # nobody looks inside of the block
    assert np.isinf(x.numpy()).all() and np.isinf(y.numpy()).all()
    with pytest.raises(LenetcError, match="put it around the call"):
        lenetc.compile(lambda v: detect_anomaly().__enter__())(IMAGES)
