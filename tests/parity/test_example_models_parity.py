"""The example models, trained beside PyTorch from the same weights by one source text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lenetc
from examples.models.run import NAMES, load

pytestmark = pytest.mark.parity
STEPS = 12
# Of random numbers in them, and of sums whose rounding grows from step to step: how far losses may part.
APART = {"lenet_bn": 0.15, "vae": 0.02, "mobilenet": 0.02, "resnet20": 0.02}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """PyTorch's threads wait for one another by spinning, beside other tests for seconds a step."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def both(name: str) -> tuple[Any, Any, list[Any], Any]:
    """(PyTorch's step, a compiled step of ours, schedules of both, batches), from the same weights"""
    torch.manual_seed(0)
    lenetc.manual_seed(0)
    theirs, mine = load(name, "torch"), load(name, "lenetc")
    their_net, their_step, *their_schedules = theirs.build()
    net, step, *schedules = mine.build()
    net.load_state_dict(their_net.state_dict())
    return their_step, lenetc.compile(step), [*their_schedules, *schedules], theirs.batches


@pytest.mark.filterwarnings("ignore:the exported step takes batches of the sizes")  # a state of fixed size
@pytest.mark.parametrize("name", NAMES)
def test_losses_agree_and_the_step_is_one_program_that_exports(name: str, tmp_path: Path) -> None:
    their_step, step, schedules, batches = both(name)
    found, wanted = [], []
    for batch in batches(STEPS):
        wanted.append(float(their_step(*map(torch.from_numpy, batch)).detach()))
        found.append(float(step(*map(lenetc.from_numpy, batch)).detach()))
        for schedule in schedules:
            schedule.step()
    apart = APART.get(name, 2e-3)
    np.testing.assert_allclose(found, wanted, rtol=apart, atol=apart)
    assert np.mean(found[-3:]) < np.mean(found[:3]) or name == "dcgan"
    program = step.lower(*map(lenetc.from_numpy, next(iter(batches(1)))))
    files = {path.name for path in program.export(tmp_path)}
    assert {"train.onnx", "manifest.json"} <= files


def test_each_is_under_a_hundred_lines() -> None:
    for name in NAMES:
        lines = (Path(__file__).parents[2] / "examples" / "models" / f"{name}.py").read_text().splitlines()
        assert len(lines) < 100, name
