"""Folders that are exported for CUDA, trained there and on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lenetc
from lenetc.compiler.function import CompiledFunction
from tests.training import TRAININGS, digits, prepared

pytestmark = pytest.mark.cuda


@pytest.mark.parametrize("name", ["sgd", "adam", "normalized"])
def test_a_folder_for_cuda_trains_as_on_the_cpu(name: str, tmp_path: Path) -> None:
    run = prepared(TRAININGS[name], lenetc)
    program = CompiledFunction(run.step, "cuda").lower(*next(digits(1, 16)))
    program.export(tmp_path, infer=run.net)
    gpu, cpu = (lenetc.load(tmp_path, device=device) for device in ("cuda", "cpu"))
    assert gpu.manifest["device"] == "cuda"
    for images, labels in digits(4, 16):
        found, expected = (each(images=images, labels=labels)["loss"] for each in (gpu, cpu))
        np.testing.assert_allclose(found, expected, rtol=1e-3)
    for name_, value in cpu.state.items():
        np.testing.assert_allclose(gpu.state[name_], value, rtol=5e-2, atol=5e-3, err_msg=name_)
