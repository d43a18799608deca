"""The architectures that come with the onnx package: outputs as in ONNX Runtime, gradients as differences have them,
and training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import lenetc
import lenetc.nn.functional as F
from benchmarks.imported.light import NAMES, light
from tests.lenetc.importer.suite import widened

QUICK = {"squeezenet": 64, "shufflenet": 224}  # with how many pixels, of which the last pool needs its number
# Normalized networks learn three images at once, the others do not hold large steps.
LR = {
    "shufflenet": 2e-3,
    "bvlc_alexnet": 1e-3,
    "vgg19": 5e-5,
    "zfnet512": 1e-3,
    "inception_v1": 1e-3,
    "squeezenet": 5e-4,
}
STEP = {"densenet121": 1e-8}  # of differences; there a ReLU turns within 1e-7

networks = pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.nightly) for name in NAMES]
)


def scores(net: Any, images: Any, ends_in_softmax: bool) -> Any:
    y = net(images).flatten(1)
    return y.log() if ends_in_softmax else y


@networks
def test_output_and_gradient(name: str) -> None:
    pixels, rng = QUICK.get(name, 224), np.random.default_rng(0)
    model = light(name, pixels)
    image = rng.standard_normal((1, 3, pixels, pixels)).astype(np.float32)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {session.get_inputs()[0].name: image})
    found = lenetc.from_onnx(model).eval()(image).detach().numpy()
    assert wanted.std() > 1e-6 * wanted.max() and wanted.max() < 0.999 * np.abs(wanted).sum()
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())

    net = lenetc.from_onnx(widened(model)).eval()
    parameters, wide = list(net.parameters()), lenetc.tensor(image.astype(np.float64))
    before = [parameter.detach().numpy().copy() for parameter in parameters]
    directions = [rng.standard_normal(each.shape) * (1e-3 + np.abs(each).mean()) for each in before]
    of_scores = lenetc.tensor(rng.standard_normal((1, wanted.size)))
    ends_in_softmax = model.graph.node[-1].op_type == "Softmax"

    def moved(by: float) -> float:
        with lenetc.no_grad():
            for parameter, value, direction in zip(parameters, before, directions, strict=True):
                parameter.copy_(lenetc.tensor(value + by * direction))
            return float((scores(net, wide, ends_in_softmax) * of_scores).sum())

    (scores(net, wide, ends_in_softmax) * of_scores).sum().backward()
    derivative = sum(
        float((parameter.grad.numpy() * direction).sum())
        for parameter, direction in zip(parameters, directions, strict=True)
        if parameter.grad is not None
    )
    assert sum(parameter.grad is not None for parameter in parameters) == len(parameters)
    step = STEP.get(name, 1e-7)
    assert derivative == pytest.approx((moved(step) - moved(-step)) / (2 * step), rel=1e-4)


@networks
def test_training(name: str, tmp_path: Path) -> None:
    """Three images are learned, by the compiled step as from the folder, whose files are for batches of any size."""
    pixels, rng = QUICK.get(name, 224), np.random.default_rng(0)
    model = light(name, pixels)
    net = lenetc.from_onnx(model, batch="N").train()
    ends_in_softmax = model.graph.node[-1].op_type == "Softmax"
    optimizer = lenetc.optim.SGD(net.parameters(), lr=LR.get(name, 0.01), momentum=0.9)

    @lenetc.compile
    def step(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        y = scores(net, images, ends_in_softmax)
        loss = F.nll_loss(y, labels) if ends_in_softmax else F.cross_entropy(y, labels)
        loss.backward()
        optimizer.step()
        return loss

    images = rng.standard_normal((3, 3, pixels, pixels)).astype(np.float32)
    labels = np.array([1, 2, 700])
    step.lower(images, labels).export(tmp_path, infer=net)
    artifact = lenetc.load(tmp_path)
    from_file = [float(artifact(images=images, labels=labels)["loss"]) for _ in range(3)]
    del artifact
    compiled = [float(step(images, labels).detach()) for _ in range(3)]
    assert compiled[-1] < compiled[0] and np.isfinite(compiled).all()
    np.testing.assert_allclose(from_file, compiled, rtol=1e-4)
