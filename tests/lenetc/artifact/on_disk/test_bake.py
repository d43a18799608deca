"""infer.onnx with trained state inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from ir.types import Array
from lenetc.artifact.checkpoint import save_tensors
from lenetc.artifact.load import Artifact
from lenetc.cli import main
from passes.emit import external
from tests.lenetc.artifact import folders

X = folders.BATCH["x"]


@pytest.fixture
def trained(tmp_path: Path) -> Artifact:
    folders.write(tmp_path / "folder")
    artifact = Artifact(tmp_path / "folder")
    artifact(**folders.BATCH)
    return artifact


def output(path: Path) -> Array:
    (found,) = onnxruntime.InferenceSession(path).run(["output"], {"x": X})
    return np.asarray(found)


def test_the_file_predicts_as_the_trained_artifact(trained: Artifact, tmp_path: Path) -> None:
    expected = trained.predict(x=X)["output"]
    assert not np.allclose(output(trained.folder / "infer.onnx"), expected)
    trained.save(tmp_path / "state.safetensors")
    trained.save(tmp_path / "trained.safetensors", trained_only=True)
    save_tensors(tmp_path / "module.safetensors", {name: trained.state[name] for name in ("w", "scale")})
    for name in ("state", "trained", "module"):
        out = tmp_path / f"{name}.onnx"
        assert main(["bake", str(trained.folder), str(tmp_path / f"{name}.safetensors"), "-o", str(out)]) == 0
        np.testing.assert_array_equal(output(out), expected)
        onnx.checker.check_model(out, full_check=True)
    assert trained.bake(tmp_path / "artifact.onnx") == [tmp_path / "artifact.onnx"]
    assert (tmp_path / "artifact.onnx").read_bytes() == (tmp_path / "state.onnx").read_bytes()
    Artifact(trained.folder)  # which is as it was


def test_weights_that_do_not_fit_into_one_file(
    trained: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "_SMALL", 0)
    monkeypatch.setattr(external.to_files, "__defaults__", (10,))
    out = tmp_path / "large.onnx"
    assert trained.bake(out) == [out, tmp_path / "large.onnx.data"]
    np.testing.assert_array_equal(output(out), trained.predict(x=X)["output"])


def test_what_cannot_be_baked(trained: Artifact, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, out, folder = tmp_path / "state.safetensors", tmp_path / "out.onnx", trained.folder
    whole = trained.state

    def says(state: Path, out: Path, folder: Path = folder) -> str:
        assert main(["bake", str(folder), str(state), "-o", str(out)]) == 1
        return capsys.readouterr().err

    for change, message in (
        ({"w": np.ones(4, np.float32)}, "w is float32 [3] here and float32 [4] there"),
        ({"w": np.ones(3)}, "w is float32 [3] here and float64 [3] there"),
        ({"v": np.ones(3)}, "v is unknown"),
    ):
        save_tensors(state, {**whole, **change})
        assert message in says(state, out) and not out.exists()
    save_tensors(state, {"seen": whole["seen"]})
    assert "w is missing" in says(state, out)
    trained.save(state)
    assert "is a file of the exported folder" in says(state, folder / "infer.onnx")
    assert "could not write" in says(state, tmp_path / "nowhere" / "out.onnx")
    assert "no readable checkpoint" in says(folder / "infer.onnx", out)
    assert "is not an exported artifact" in says(state, out, tmp_path)
    (folder / "infer.onnx").write_bytes(b"")
    assert "infer.onnx has 0 bytes" in says(state, out)
