"""The hosts in examples/hosts train an exported LeNet to the losses of the compiled step, each on its own runtime.

`make hosts` installs what they run on; where something is not installed, the reason of the skipped test tells.
"""

from __future__ import annotations

import importlib.util
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lenetc

ROOT = Path(__file__).parents[2]
HOSTS = ROOT / "examples" / "hosts"
STEPS, BATCH, RATE = 50, 64, 0.02


class Reference:
    """LeNet as prepare.py compiles it, started from the state that its init.onnx draws."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = runpy.run_path(str(HOSTS / "prepare.py"))
        self.made["main"](folder)
        session = onnxruntime.InferenceSession(folder / "lenet" / "init.onnx")
        names = [output.name for output in session.get_outputs()]
        self.load(dict(zip(names, session.run(names, {"seed": np.array(0)}), strict=True)))
        digits = lenetc.data.load_mnist()
        self.losses = [
            self.made["train_step"](digits.train_images[i : i + BATCH], digits.train_labels[i : i + BATCH]).item()
            for i in range(0, STEPS * BATCH, BATCH)
        ]
        self.test_digits = lenetc.from_numpy(digits.test_images), lenetc.from_numpy(digits.test_labels)
        self.test_loss, self.correct = self.evaluate()

    def load(self, state: dict[str, Any]) -> None:
        net = self.made["net"]
        net.load_state_dict({name: lenetc.from_numpy(np.array(state[name])) for name in net.state_dict()})

    def evaluate(self) -> tuple[float, int]:
        loss, correct = self.made["evaluate"](*self.test_digits)
        return loss.item(), correct.item()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference(tmp_path_factory.mktemp("hosts"))


def environment(version: str) -> Path:
    """The Python beside this version of ONNX Runtime."""
    return ROOT / ".hosts" / f"ort-{version}" / "bin" / "python"


def needs(installed: object, what: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not installed, reason=f"{what} is not installed: make hosts")


def make_c(folder: Path) -> None:
    libraries = Path(onnxruntime.__file__).parent / "capi"
    subprocess.run(["make", "-sC", HOSTS / "c", f"ORT={libraries}", f"OUT={folder}"], check=True)


@pytest.mark.parametrize(
    ("source", "lines", "command"),
    [
        pytest.param("python/train.py", 60, [sys.executable], id="python"),
        *(
            pytest.param(
                "python/train.py",
                60,
                [environment(version)],
                id=f"python with ONNX Runtime {version}",
                marks=needs(environment(version).exists(), f"ONNX Runtime {version}"),
            )
            for version in ("1.17", "1.20")
        ),
        pytest.param(
            "openvino/train.py",
            60,
            [sys.executable],
            id="openvino",
            marks=needs(importlib.util.find_spec("openvino"), "OpenVINO"),
        ),
        pytest.param("c/train.c", 151, [], id="c", marks=needs(shutil.which("cc"), "a C compiler")),
    ],
)
def test_a_host_trains_as_the_compiled_step_does(
    source: str, lines: int, command: list[str | Path], reference: Reference, tmp_path: Path
) -> None:
    script = HOSTS / source
    assert len(script.read_text().splitlines()) < lines
    given = [reference.folder / "lenet", reference.folder / "digits"]
    if source == "c/train.c":
        make_c(tmp_path)
        command = [tmp_path / "train", *given, str(RATE)]
    else:
        command = [*command, "-I", script, *given, tmp_path / "trained.safetensors"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    *steps, last = run.stdout.splitlines()
    losses = [float(line.split()[-1]) for line in steps]
    np.testing.assert_allclose(losses, reference.losses, rtol=0, atol=1e-4)
    loss, correct, count = re.fullmatch(r"test loss (\S+), (\d+) of (\d+) recognized", last).groups()
    assert abs(float(loss) - reference.test_loss) < 1e-4
    assert abs(int(correct) - reference.correct) <= 1 and int(count) == 2000
    assert losses[-1] < losses[0] / 2 and int(correct) > 1400


def test_what_python_saves_is_the_trained_state(reference: Reference, tmp_path: Path) -> None:
    out = tmp_path / "trained.safetensors"
    command = [sys.executable, "-I", HOSTS / "python" / "train.py", reference.folder / "lenet"]
    subprocess.run([*command, reference.folder / "digits", out], check=True, capture_output=True, timeout=300)
    reference.load({name: value.numpy() for name, value in lenetc.load(out).items()})
    assert reference.evaluate()[0] == pytest.approx(reference.test_loss, abs=1e-4)


def test_the_python_hosts_import_nothing_of_lenetc() -> None:
    for folder, runtime in (("python", "onnxruntime"), ("openvino", "openvino")):
        source = (HOSTS / folder / "train.py").read_text()
        imported = set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE))
        assert imported == {"json", "sys", "pathlib", "numpy", runtime}
