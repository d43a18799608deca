"""init.onnx: a state that a seed draws, as `manual_seed` and the modules' `reset_parameters` do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from lenetc import nn
from tests.lenetc.artifact.host import Host, State


def exported(net: nn.Module, example: Any, folder: Path, **options: Any) -> Host:
    optimizer = lenetc.optim.Adam([p for p in net.parameters() if p.requires_grad], 1e-2)

    def step(x: Any) -> Any:
        loss = net(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    compiled = lenetc.compile(step)
    for _ in range(2):  # not as they began
        compiled(example)
    compiled.lower(example).export(folder, **options)
    return Host(folder)


def drawn(host: Host, seed: int) -> State:
    return host.run("init", {}, seed=np.int64(seed))[1]


def initialized(host: Host) -> dict[str, bool]:
    return {entry["name"]: entry["initialized"] for entry in host.manifest["state"]}


NETS: dict[str, Callable[[], tuple[nn.Module, Any]]] = {
    "convolutions": lambda: (
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.ConvTranspose2d(3, 2, 3)),
        lenetc.ones(2, 2, 6, 6),
    ),
    "recurrent": lambda: (Outputs(nn.LSTM(3, 4, num_layers=2)), lenetc.ones(5, 2, 3)),
    "attention": lambda: (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), lenetc.ones(2, 3, 8)),
    "normalized": lambda: (
        nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 3, bias=False), nn.PReLU(), nn.GroupNorm(1, 3)),
        lenetc.ones(2, 4),
    ),
}


class Outputs(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        return self.inner(x)[0]


def _parts_first(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        yield from _parts_first(child)
    yield module


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("seed", [0, -7, 123456789012345])
def test_a_seed_gives_the_state_that_it_gives_in_python(name: str, seed: int, tmp_path: Path):
    net, example = NETS[name]()
    host = exported(net, example, tmp_path)
    found = drawn(host, seed)
    assert found.keys() == host.state.keys()
    lenetc.manual_seed(seed)
    for part in _parts_first(net):
        if isinstance(part, nn.MultiheadAttention):
            part._reset_parameters()
        elif hasattr(part, "reset_parameters"):
            part.reset_parameters()
    for key, value in net.state_dict().items():
        np.testing.assert_allclose(found[key], value.numpy(), rtol=1e-6, atol=1e-7, err_msg=key)
    counts = [key for key in found if key.endswith(("step", "exp_avg", "exp_avg_sq"))]
    assert counts and not any(found[key].any() for key in counts)
    assert all(initialized(host).values())
    assert any((drawn(host, seed + 1)[key] != found[key]).any() for key in net.state_dict())


def test_random_numbers_go_on_as_after_the_draw(tmp_path: Path):
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    host = exported(net, lenetc.ones(3, 4), tmp_path)
    lenetc.manual_seed(9)
    net[0].reset_parameters()
    key, counter = (cell.numpy() for cell in lenetc.random.default_generator.cells())
    found = drawn(host, 9)
    np.testing.assert_array_equal(found["rng.key"], key)
    np.testing.assert_array_equal(found["rng.counter"], counter)


def test_what_cannot_be_drawn_keeps_its_values_and_is_listed(tmp_path: Path):
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(lenetc.ones(3))

        def forward(self, x: Any) -> Any:
            return x * self.weight

    class Orthogonal(nn.Linear):
        def reset_parameters(self) -> None:
            nn.init.orthogonal_(self.weight)

    net = nn.Sequential(Own(), Orthogonal(3, 3, bias=False), nn.Linear(3, 2))
    host = exported(net, lenetc.ones(2, 3), tmp_path)
    marks = initialized(host)
    assert (marks["0.weight"], marks["1.weight"], marks["2.weight"]) == (False, False, True)
    found = drawn(host, 1)
    for key in ("0.weight", "1.weight"):
        np.testing.assert_array_equal(found[key], host.state[key])
    (note,) = host.manifest["notes"]
    assert (
        "keeps the exported values of Orthogonal, whose reset_parameters orthogonal_ is not a formula" in note
    )


def test_a_parameter_without_elements(tmp_path: Path):
    net = nn.Linear(4, 3)
    net.register_parameter("none", nn.Parameter(lenetc.zeros(0)))
    optimizer = lenetc.optim.Adam(net.parameters(), 1e-2)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).square().mean() + net.none.sum()
        loss.backward()
        optimizer.step()
        return loss

    lenetc.compile(step).lower(lenetc.ones(2, 4)).export(tmp_path)
    assert drawn(Host(tmp_path), 1)["none.exp_avg"].shape == (0,)


def test_init_is_the_users_function(tmp_path: Path):
    net = nn.Linear(3, 500)

    def init() -> None:
        nn.init.trunc_normal_(net.weight, std=0.5, a=-0.5, b=1.0)
        nn.init.constant_(net.bias, 0.25)

    host = exported(net, lenetc.ones(2, 3), tmp_path, init=init)
    found = drawn(host, 4)
    assert (found["bias"] == 0.25).all()
    weight = found["weight"]
    assert weight.min() >= -0.5 and weight.max() <= 1.0
    # The mean and deviation of a normal distribution cut off at -1 and 2 deviations.
    assert abs(weight.mean() - 0.5 * 0.2296) < 0.03 and abs(weight.std() - 0.5 * 0.7213) < 0.03


def test_frozen_parts_are_marked(tmp_path: Path):
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    net[0].requires_grad_(False)
    host = exported(net, lenetc.ones(2, 3), tmp_path)
    marks = {entry["name"]: (entry["kind"], entry["trained"]) for entry in host.manifest["state"]}
    assert marks["0.weight"] == ("parameter", False) and marks["1.weight"] == ("parameter", True)
    assert marks["optimizer.step"] == ("optimizer", True)
    found = drawn(host, 3)
    np.testing.assert_array_equal(found["0.weight"], host.state["0.weight"])
    assert (found["1.weight"] != host.state["1.weight"]).any() and not initialized(host)["0.weight"]
