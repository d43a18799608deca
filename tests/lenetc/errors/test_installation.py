"""An installation that is not whole: `import lenetc` says what is in its place, or what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def import_lenetc(folder: Path, *, before: str = "") -> str:
    """What `import lenetc` prints to stderr in a fresh process, with `folder` first on the path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = [sys.executable, "-c", f"{before}\nimport lenetc"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=folder, timeout=120
    ).stderr


@pytest.mark.parametrize("name", ["ir", "passes"])
@pytest.mark.parametrize("kind", ["module", "package"])
def test_a_foreign_module_in_the_place_of_ours(tmp_path: Path, name: str, kind: str) -> None:
    file = tmp_path / f"{name}.py" if kind == "module" else tmp_path / name / "__init__.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("x = 1\n")
    says = f"ImportError: {file} hides lenetc's package '{name}', which is in {ROOT}"
    assert says in import_lenetc(tmp_path) and "Rename it" in import_lenetc(tmp_path, before=f"import {name}")


def test_a_folder_without_init_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "ir").mkdir()
    assert import_lenetc(tmp_path) == ""


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    assert "ImportError: lenetc needs Python 3.11 or newer, this is Python 3.8.1" in import_lenetc(
        tmp_path, before="import sys; sys.version_info = (3, 8, 1)"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [("raise ImportError('no module of that name')", "no module of that name"), ("", "cannot import name")],
)
def test_no_runtime(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "onnxruntime.py").write_text(content)
    error = import_lenetc(tmp_path)
    assert f"lenetc needs ONNX Runtime, which cannot be imported ({why}" in error
    assert "pip install onnxruntime-gpu" in error and "pip install onnxruntime`" in error


@pytest.mark.parametrize(
    "how", ["raise KeyboardInterrupt", "raise ImportError('initialization failed') from KeyboardInterrupt()"]
)
def test_ctrl_c_while_the_runtime_is_imported_is_no_broken_installation(tmp_path: Path, how: str) -> None:
    """A module written in C makes an ImportError of it."""
    (tmp_path / "onnxruntime.py").write_text(how)
    error = import_lenetc(tmp_path)
    assert error.rstrip().endswith("KeyboardInterrupt")
    assert "pip install" not in error
