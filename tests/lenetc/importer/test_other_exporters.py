"""Files that Keras, JAX and scikit-learn were exported to (the scripts in `exports` wrote them), trained on."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import lenetc
import lenetc.nn.functional as F
from lenetc.importer.errors import OnnxWarning

EXPORTS = Path(__file__).parent / "exports"
# The inputs' sizes without the batch, the output of scores or probabilities, how many parameters are trained.
FILES = {
    "keras": ((12, 12, 1), 0, 5),
    "jax": ((8,), 0, 4),
    "sklearn_mlp": ((8,), 1, 6),
    "sklearn_logistic": ((8,), 1, 2),
}


@pytest.mark.filterwarnings("ignore:of the file:lenetc.importer.errors.OnnxWarning")
@pytest.mark.parametrize("name", FILES)
def test_the_file_of_another_exporter_is_trained_on(name: str, tmp_path: Path) -> None:
    sizes, index, count = FILES[name]
    path = EXPORTS / f"{name}.onnx"
    # tf2onnx folds batch normalization into the convolution before it, which is told.
    told = pytest.warns(OnnxWarning, match="folded") if name == "keras" else nullcontext()
    with told:
        net = lenetc.from_onnx(path)
    assert sum(parameter.requires_grad for parameter in net.parameters()) == count
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, *sizes)).astype(np.float32)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    wanted = session.run(None, {session.get_inputs()[0].name: x})
    outputs = net(x)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for found, expected in zip(outputs, wanted, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-4, atol=1e-6)

    optimizer = lenetc.optim.Adam(net.parameters(), lr=0.01)
    label = rng.integers(0, wanted[index].shape[1], 12)

    @lenetc.compile
    def step(x: Any, label: Any) -> Any:
        optimizer.zero_grad()
        found = net(x)
        scores = found[index] if isinstance(found, tuple) else found
        # scikit-learn's classifiers give probabilities.
        loss = F.nll_loss(scores.log(), label) if index else F.cross_entropy(scores, label)
        loss.backward()
        optimizer.step()
        return loss

    step.lower(x, label).export(tmp_path)
    exported = lenetc.load(tmp_path)
    losses = [float(step(x, label).detach()) for _ in range(10)]
    assert losses[-1] < losses[0] * 0.98
    for loss in losses[:3]:
        np.testing.assert_allclose(exported(x=x, label=label)["loss"], loss, rtol=1e-4)
