"""Batch normalization trains as PyTorch's does, in whatever form an exporter wrote it."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import lenetc
import lenetc.nn.functional as F

STEPS = 5


class Net(torch.nn.Module):
    """Two normalizations, each with statistics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3, bias=False)
        self.bn = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(4 * 36, 3)
        self.bn2 = torch.nn.BatchNorm1d(3, momentum=0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.bn2(self.fc(self.bn(self.conv(x)).relu().flatten(1)))
        return found


def exported(net: torch.nn.Module, *, train: bool, opset: int, drops: str = "") -> onnx.ModelProto:
    """The file of `net`. drops: an attribute that is taken out of it."""
    mode = torch.onnx.TrainingMode.TRAINING if train else torch.onnx.TrainingMode.PRESERVE
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.train(train),
            (torch.randn(2, 1, 8, 8),),
            file,
            input_names=["x"],
            dynamic_axes={"x": {0: "N"}},
            dynamo=False,
            training=mode,
            do_constant_folding=False,
            opset_version=opset,
        )
    model = onnx.load_from_string(file.getvalue())
    for node in model.graph.node:
        kept = [attribute for attribute in node.attribute if attribute.name != drops]
        del node.attribute[:]
        node.attribute.extend(kept)
    return model


FORMS: dict[str, dict[str, Any]] = {
    "five outputs": {"train": True, "opset": 11},
    "training_mode=1": {"train": True, "opset": 17},
    "training_mode=0": {"train": False, "opset": 16},
    "opset 9": {"train": False, "opset": 9},
    "no attribute": {"train": False, "opset": 18, "drops": "training_mode"},  # as of the newer exporter
}


@pytest.mark.parametrize("form", FORMS)
def test_five_steps_are_pytorchs(form: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    theirs = Net()
    model = exported(theirs, **FORMS[form])
    # Exporting in training mode moves the statistics.
    began = {key: value.numpy().copy() for key, value in lenetc.from_onnx(model).state_dict().items()}
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in began.items()}, strict=False)
    nets = [lenetc.from_onnx(model).train() for _ in range(2)]
    rng = np.random.default_rng(0)
    size = 6
    images = rng.standard_normal((STEPS, size, 1, 8, 8)).astype(np.float32) * 2 + 1
    labels = rng.integers(0, 3, (STEPS, size))

    theirs.train()
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    wanted = []
    for image, label in zip(images, labels, strict=True):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(image)), torch.from_numpy(label))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        wanted.append(loss.item())

    def step_of(net: Any) -> Any:
        optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1)

        def step(image: Any, label: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(image), label)
            loss.backward()
            optimizer.step()
            return loss

        return step

    lazy, compiled = step_of(nets[0]), lenetc.compile(step_of(nets[1]))
    compiled.lower(images[0], labels[0]).export(tmp_path, infer=nets[1])
    artifact = lenetc.load(tmp_path)
    found = {
        "lazy": [
            float(lazy(lenetc.tensor(i), lenetc.tensor(n)).detach())
            for i, n in zip(images, labels, strict=True)
        ],
        "compiled": [float(compiled(i, n).detach()) for i, n in zip(images, labels, strict=True)],
        "exported": [float(artifact(image=i, label=n)["loss"]) for i, n in zip(images, labels, strict=True)],
    }
    for way, losses in found.items():
        np.testing.assert_allclose(losses, wanted, rtol=1e-4, err_msg=way)

    state = theirs.state_dict()
    share = {"bn": size * 36, "bn2": size}  # how many numbers a variance is of
    is_onnx = form in ("five outputs", "training_mode=1")
    keys = [key for key in state if not key.endswith("num_batches_tracked")]
    assert sorted(keys) == sorted(nets[0].state_dict())
    for key in keys:
        value = state[key].numpy()
        if is_onnx and key.endswith("running_var"):
            n = share[key.split(".")[0]]
            kept = began[key] * (0.7**STEPS if key.startswith("bn2") else 0.9**STEPS)
            value = kept + (value - kept) * (n - 1) / n  # what was added is divided by n
        for way, mine in (
            *((str(i), net.state_dict()[key].numpy()) for i, net in enumerate(nets)),
            ("exported", artifact.state[key]),
        ):
            np.testing.assert_allclose(np.asarray(mine), value, rtol=2e-3, atol=1e-5, err_msg=f"{key} {way}")

    theirs.eval()
    if not is_onnx:
        out = theirs(torch.from_numpy(images[0])).detach().numpy()
        np.testing.assert_allclose(nets[0].eval()(images[0]).detach().numpy(), out, rtol=1e-3, atol=1e-4)
    # What predicts uses the statistics that are in its file, those of the beginning, and a baked one those trained.
    fresh = lenetc.from_onnx(model).eval()(images[0]).detach().numpy()
    (predicted,) = artifact.predict(x=images[0]).values()
    np.testing.assert_allclose(predicted, nets[1].eval()(images[0]).detach().numpy(), rtol=1e-3, atol=1e-4)
    (predicted,) = lenetc.load(tmp_path).predict(x=images[0]).values()
    np.testing.assert_allclose(predicted, fresh, rtol=1e-4, atol=1e-5)
