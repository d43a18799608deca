"""Fifty steps of training on digits: the compiled step against PyTorch eager, live.

The loss of every step agrees to 1e-4 relative with PyTorch in f32, and with PyTorch in f64. After fifty steps
no parameter and no running statistic is further from PyTorch's than 2e-3 of the largest in its tensor: rounding
differs, and each step carries it on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from tests.training import TRAININGS, Run, losses, prepared

torch = pytest.importorskip("torch")
GOLDEN = Path(__file__).parents[1] / "lenetc" / "goldens" / "training.json"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two runtimes whose idle threads spin hold each other up."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run_torch(name: str, dtype: Any) -> tuple[list[float], Run]:
    run = prepared(TRAININGS[name], torch)
    run.net.to(dtype)
    return losses(
        run, lambda x, labels: run.step(torch.from_numpy(x).to(dtype), torch.from_numpy(labels))
    ), run


def assert_alike(ours: Any, theirs: Any) -> None:
    """Every tensor of two state dicts, to 2e-3 of the largest magnitude in it."""
    assert list(ours) == list(theirs)
    for name, expected in theirs.items():
        want, got = expected.detach().numpy(), ours[name].detach().numpy()
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-3 * max(np.abs(want).max(), 1e-3), err_msg=name)


@pytest.mark.parametrize("name", TRAININGS)
def test_fifty_steps_on_digits(name: str, request: pytest.FixtureRequest) -> None:
    expected, theirs = run_torch(name, torch.float32)
    exact, _ = run_torch(name, torch.float64)
    ours = prepared(TRAININGS[name], lenetc)
    step = lenetc.compile(ours.step, device="cpu")
    found = losses(ours, step)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(found, exact, rtol=1e-4)
    assert expected[-1] < expected[0]
    assert_alike(ours.net.state_dict(), theirs.net.state_dict())
    assert len(step.programs()) <= (2 if ours.schedule else 1)
    stored = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if request.config.getoption("--update-goldens"):
        stored[name] = expected
        GOLDEN.write_text(json.dumps(stored, indent=1) + "\n")
    np.testing.assert_allclose(stored[name], expected, rtol=1e-5)
