"""What every host must come to: LeNet as examples/hosts/prepare.py compiles it, trained from init.onnx's state."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import lenetc
from ir.types import Array
from lenetc.data import load_mnist

ROOT = Path(__file__).parents[2]
HOSTS = ROOT / "examples" / "hosts"
STEPS, BATCH = 50, 64


class Reference:
    """given: the folders that hosts take, the exported one and that of the digits. losses: of 50 steps; test_loss and
    correct: of the test digits after them."""

    def __init__(self, folder: Path) -> None:
        self._prepared = runpy.run_path(str(HOSTS / "prepare.py"))
        self._prepared["main"](folder)
        self.given = str(folder / "lenet"), str(folder / "digits")
        self.rate = self._prepared["optimizer"].param_groups[0]["lr"]
        self._digits = load_mnist()
        session = onnxruntime.InferenceSession(folder / "lenet" / "init.onnx")
        names = [output.name for output in session.get_outputs()]
        self._load(dict(zip(names, session.run(names, {"seed": np.array(0)}), strict=True)))
        self.losses = [self._step(slice(start, start + BATCH)) for start in range(0, STEPS * BATCH, BATCH)]
        self.test_loss, self.correct = self._evaluate()

    def check(self, output: str) -> None:
        """What a host printed: a line for each step, and one for the test digits."""
        *steps, last = output.splitlines()
        losses = [float(line.split()[-1]) for line in steps]
        np.testing.assert_allclose(losses, self.losses, rtol=0, atol=1e-4)
        loss, correct, count = re.fullmatch(r"test loss (\S+), (\d+) of (\d+) recognized", last).groups()
        assert abs(float(loss) - self.test_loss) < 1e-4
        assert abs(int(correct) - self.correct) <= 1
        assert int(correct) > 0.7 * int(count) == 1400

    def evaluated(self, state: Mapping[str, Array]) -> tuple[float, int]:
        """(loss, how many are right) of the test digits with this state."""
        self._load(state)
        return self._evaluate()

    def _load(self, state: Mapping[str, Array]) -> None:
        net = self._prepared["net"]
        net.load_state_dict({name: lenetc.from_numpy(np.array(state[name])) for name in net.state_dict()})

    def _step(self, rows: slice) -> float:
        loss: Any = self._prepared["train_step"](
            self._digits.train_images[rows], self._digits.train_labels[rows]
        )
        return float(loss.item())

    def _evaluate(self) -> tuple[float, int]:
        images, labels = map(lenetc.from_numpy, (self._digits.test_images, self._digits.test_labels))
        loss, correct = self._prepared["evaluate"](images, labels)
        return loss.item(), correct.item()
