"""A loaded artifact against the compiled step that it was exported from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import lenetc
from ir.types import Array
from lenetc.compiler.function import CompiledFunction
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
