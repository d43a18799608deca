"""Trainings against losses stored from PyTorch (tests/parity/test_training_parity.py stores them)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import lenetc
from tests.training import TRAININGS, losses, prepared

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "training.json").read_text())


@pytest.mark.parametrize("name", TRAININGS)
def test_the_losses_of_fifty_steps_are_pytorchs(name: str) -> None:
    run = prepared(TRAININGS[name], lenetc)
    found = losses(run, lenetc.compile(run.step, device="cpu"))
    np.testing.assert_allclose(found, GOLDENS[name], rtol=1e-4)


def test_uncompiled_training_takes_the_same_steps() -> None:
    run = prepared(TRAININGS["adam"], lenetc)
    found = losses(
        run, lambda images, labels: run.step(lenetc.from_numpy(images), lenetc.from_numpy(labels)), 5
    )
    np.testing.assert_allclose(found, GOLDENS["adam"][:5], rtol=1e-4)
