"""Lazy steps take the formulas of steps that were alike: they are those that would be made anew, whatever changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetc
from lenetc import nn, optim

ROWS: dict[str, tuple[Any, dict[str, Any]]] = {
    "SGD, nesterov": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "Adam": (optim.Adam, {"lr": 0.01, "amsgrad": True}),
    "AdamW, a tensor": (optim.AdamW, {"lr": lenetc.tensor(0.01)}),
    "NAdam": (optim.NAdam, {"lr": 0.01}),
    "ASGD": (optim.ASGD, {"lr": 0.01}),
    "betas in a list": (optim.Adamax, {"lr": 0.01, "betas": [0.9, 0.99]}),
}


def trained(make: Any, options: dict[str, Any], named: bool) -> list[Any]:
    """Parameters after each of some steps. named: with names for parameters, for which formulas are made anew."""
    lenetc.manual_seed(0)
    options = {key: value.clone() if lenetc.is_tensor(value) else value for key, value in options.items()}
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    optimizer = make(net.named_parameters() if named else net.parameters(), **options)
    draw, found = np.random.default_rng(0), []
    for i in range(9):
        optimizer.zero_grad()
        net(lenetc.from_numpy(draw.standard_normal((5, 3)).astype(np.float32))).square().sum().backward()
        if i in (3, 6):
            net[0].weight.grad = None
        if i == 5:
            optimizer.param_groups[0]["weight_decay"] = 0.1
        if i > 6 and not isinstance(optimizer.param_groups[0]["lr"], lenetc.Tensor):
            optimizer.param_groups[0]["lr"] *= 0.5
        if i == 7:
            optimizer.param_groups[0]["maximize"] = True
        if i == 8 and isinstance(optimizer.param_groups[0]["lr"], lenetc.Tensor):
            optimizer.param_groups[0]["lr"].mul_(0.5)
        optimizer.step()
        found += [parameter.detach().numpy() for parameter in net.parameters()]
    return found


@pytest.mark.parametrize("name", ROWS)
def test_steps_are_those_that_are_made_anew(name: str) -> None:
    make, options = ROWS[name]
    for mine, anew in zip(trained(make, options, False), trained(make, options, True), strict=True):
        np.testing.assert_array_equal(mine, anew)
