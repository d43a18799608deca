"""A loaded artifact against the compiled step that it was exported from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lenetc
from ir.types import Array
from lenetc.artifact.checkpoint import CheckpointError
from lenetc.compiler.function import CompiledFunction
from passes.emit import external
from tests.training import TRAININGS, digits, prepared


def close(found: dict[str, Array], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        scale = max(float(np.abs(value.numpy()).max()), 1e-3)
        np.testing.assert_allclose(found[name], value.numpy(), rtol=1e-4, atol=1e-5 * scale, err_msg=name)


def test_it_trains_evaluates_and_predicts_as_the_step_does(tmp_path: Path) -> None:
    run = prepared(TRAININGS["normalized"], lenetc)
    step, batches = CompiledFunction(run.step, "cpu"), list(digits(8, 16))
    step.lower(*batches[0]).export(tmp_path, infer=run.net)
    loaded = lenetc.load(tmp_path)
    for number, (images, labels) in enumerate(batches[:4]):
        expected = step(images, labels).item()
        if number % 2:
            results, gradients = loaded.gradients(images=images, labels=labels)
            loaded.apply(gradients)
        else:
            results = loaded(images=images, labels=labels)
        np.testing.assert_allclose(results["loss"], expected, rtol=1e-5)
    images, labels = (np.stack(part) for part in zip(*batches[4:], strict=True))
    expected = [step(*batch).item() for batch in batches[4:]]
    np.testing.assert_allclose(loaded.scan(images=images, labels=labels)["loss"], expected, rtol=1e-5)
    close(loaded.state, run.net.state_dict())
    run.net.eval()
    images = batches[0][0]
    outputs = {"output": run.net(lenetc.from_numpy(images)).detach()}
    close(loaded.predict(images=images), outputs)
    close(loaded.evaluate(images=images), outputs)
    (path,) = loaded.bake(tmp_path / "trained.onnx")
    (found,) = onnxruntime.InferenceSession(path).run(["output"], {"images": images})
    close({"output": found}, outputs)
    first, second = loaded.state, (loaded.initialize(5), loaded.state)[1]
    assert (first["0.weight"] != second["0.weight"]).all() and second["1.num_batches_tracked"] == 0
    loaded.load_state(lenetc.average_states([first, first]))
    close(loaded.state, run.net.state_dict())


def test_tensors_that_stand_beside_their_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of models over 2 GB do."""
    monkeypatch.setattr(external.to_files, "__defaults__", (10_000,))
    run = prepared(TRAININGS["sgd"], lenetc)
    step, (images, labels) = CompiledFunction(run.step, "cpu"), next(digits(1, 4))
    step.lower(images, labels).export(tmp_path, infer=run.net)
    beside = {path.name for path in tmp_path.iterdir() if path.suffix == ".data"}
    assert "infer.onnx.data" in beside
    loaded = lenetc.load(tmp_path)
    assert beside < loaded.manifest["files"].keys()
    before = loaded.predict(images=images)["output"]
    np.testing.assert_allclose(
        loaded(images=images, labels=labels)["loss"], step(images, labels).item(), rtol=1e-5
    )
    after = loaded.predict(images=images)["output"]
    assert not np.allclose(before, after)
    paths = loaded.bake(tmp_path / "trained.onnx")
    assert [path.name for path in paths] == ["trained.onnx", "trained.onnx.data"]
    (found,) = onnxruntime.InferenceSession(paths[0]).run(["output"], {"images": images})
    np.testing.assert_allclose(found, after, rtol=1e-4, atol=1e-6)
    loaded.initialize(0)
    for name in beside:
        content = bytearray((tmp_path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=name):
            lenetc.load(tmp_path)
        content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
