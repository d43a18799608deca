"""The tutorial runs as written, and prints what PyTorch prints up to the random numbers."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc

EXAMPLE = Path(__file__).parents[2] / "examples" / "neural_networks.py"
NUMBER = r"-?\d\.\d{4}(?:e[+-]\d\d)?"
PRINTED = [
    re.escape(
        """Net(
  (conv1): Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))
  (conv2): Conv2d(6, 16, kernel_size=(5, 5), stride=(1, 1))
  (fc1): Linear(in_features=400, out_features=120, bias=True)
  (fc2): Linear(in_features=120, out_features=84, bias=True)
  (fc3): Linear(in_features=84, out_features=10, bias=True)
)"""
    ),
    "10",
    re.escape("lenetc.Size([6, 1, 5, 5])"),
    rf"tensor\(\[\[(?:\s*{NUMBER},?){{10}}\]\],\s+grad_fn=<AddmmBackward0>\)",
    re.escape("lenetc.Size([1, 10])"),
    rf"tensor\({NUMBER}, grad_fn=<MseLossBackward0>\)",
    "<MseLossBackward0 object at 0x[0-9a-f]+>",
    "<AddmmBackward0 object at 0x[0-9a-f]+>",
    "<AccumulateGrad object at 0x[0-9a-f]+>",
    "conv1.bias.grad before backward",
    "None",
    "conv1.bias.grad after backward",
    rf"tensor\(\[(?:\s*{NUMBER},?){{6}}\]\)",
]


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    lenetc.manual_seed(0)
    names = runpy.run_path(str(EXAMPLE))
    return names, capsys.readouterr().out


def test_it_prints_what_pytorch_prints(ran: tuple[dict[str, Any], str]) -> None:
    assert re.fullmatch("\n".join(PRINTED) + "\n", ran[1]), ran[1]


def test_its_last_step_lowers_the_loss(ran: tuple[dict[str, Any], str]) -> None:
    names = ran[0]
    before = names["loss"].item()
    after = names["criterion"](names["net"](names["input"]), names["target"]).item()
    assert after < before


def test_gradients_add_up_until_they_are_cleared(ran: tuple[dict[str, Any], str]) -> None:
    net, criterion, input, target = (ran[0][name] for name in ("net", "criterion", "input", "target"))
    net.zero_grad()
    criterion(net(input), target).backward()
    once = net.conv1.bias.grad.numpy()
    criterion(net(input), target).backward()
    np.testing.assert_allclose(net.conv1.bias.grad.numpy(), 2 * once, rtol=1e-6)
    net.zero_grad()
    assert net.conv1.bias.grad is None


def test_a_second_backward_needs_retain_graph(ran: tuple[dict[str, Any], str]) -> None:
    net, criterion, input, target = (ran[0][name] for name in ("net", "criterion", "input", "target"))
    loss = criterion(net(input), target)
    loss.backward(retain_graph=True)
    loss.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        loss.backward()


def test_a_single_image_is_refused_with_both_shapes(ran: tuple[dict[str, Any], str]) -> None:
    with pytest.raises(RuntimeError, match=r"f32\[16,25\].*\n?.*f32\[120,400\]") as error:
        ran[0]["net"](lenetc.randn(1, 32, 32))
    assert "fc1" in str(error.value)
    assert "neural_networks.py" in str(error.value)
