"""The hosts in examples/hosts train an exported LeNet to the losses of the compiled step, each on its own runtime."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

import lenetc
from runtimes.environments import python_of
from tests.hosts.reference import HOSTS, Reference


def python(script: str, runtime: str | None = None) -> Any:
    """A script run by the Python of these tests, or by one that has that runtime and is made when first needed."""

    def command(reference: Reference, folder: Path) -> list[str]:
        found = python_of(runtime) if runtime else sys.executable
        return [str(found), "-I", str(HOSTS / script), *reference.given, str(folder / "trained.safetensors")]

    return pytest.param(script, 60, command, id=runtime or "onnxruntime")


def c(reference: Reference, folder: Path) -> list[str]:
    library = Path(onnxruntime.__file__).parent / "capi"
    subprocess.run(["make", "-sC", HOSTS / "c", f"ORT={library}", f"OUT={folder}"], check=True)
    return [str(folder / "train"), *reference.given, str(reference.rate)]


@pytest.mark.parametrize(
    ("source", "lines", "command"),
    [
        python("python/train.py"),
        python("python/train.py", "onnxruntime-1.17"),
        python("python/train.py", "onnxruntime-1.20"),
        python("openvino/train.py", "openvino"),
        pytest.param(
            "c/train.c",
            151,
            c,
            id="c",
            marks=pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler"),
        ),
    ],
)
def test_a_host_trains_as_the_compiled_step_does(
    source: str, lines: int, command: Any, reference: Reference, tmp_path: Path
) -> None:
    assert len((HOSTS / source).read_text().splitlines()) < lines
    run = subprocess.run(
        command(reference, tmp_path), capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    reference.check(run.stdout)
    if source == "python/train.py":
        state = lenetc.load(tmp_path / "trained.safetensors")
        found, _ = reference.evaluated({name: value.numpy() for name, value in state.items()})
        assert abs(found - reference.test_loss) < 1e-4


def test_the_python_hosts_import_nothing_of_lenetc() -> None:
    for folder, runtime in (("python", "onnxruntime"), ("openvino", "openvino")):
        source = (HOSTS / folder / "train.py").read_text()
        imported = set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE))
        assert imported == {"json", "sys", "pathlib", "numpy", runtime}
