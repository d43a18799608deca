"""Files and states that cannot be loaded or saved: the error names the file, and nothing is lost."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import DTypeError, LenetcError, ShapeError
from lenetc import optim
from lenetc.artifact.checkpoint import CheckpointError
from lenetc.evaluation.ranges import LabelError
from lenetc.nn import functional as F
from tests.lenetc.errors.small import IMAGES, LABELS, Net, Training


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    net = Net()
    path = tmp_path / "net.safetensors"
    lenetc.save(net.state_dict(), path)
    whole = path.read_bytes()
    cases: list[tuple[bytes, str]] = [
        (pickle.dumps({"a": 1}), "is a pickle.*lenetc never reads them"),
        (whole[: len(whole) // 2], "truncated, corrupt or not a safetensors file"),
        (whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], "is corrupt: the checksum"),
        (b"", r"\(0 bytes\)"),
        (b"not a checkpoint at all", "not a safetensors file"),
    ]
    for content, says in cases:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=says) as raised:
            net.load_state_dict(lenetc.load(path))
        assert str(path) in str(raised.value)
    with pytest.raises(FileNotFoundError, match="nowhere: it does not exist"):
        lenetc.load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="is not an exported artifact"):
        lenetc.load(tmp_path)


def test_half_a_checkpoint_is_not_taken_for_a_pickle(tmp_path: Path) -> None:
    """A pickle begins with the byte 0x80; so does a checkpoint whose header is 128 bytes long, or 384, ..."""
    path = tmp_path / "x.safetensors"
    lengths = set()
    for size in range(0, 300, 8):
        lenetc.save({"w" * (size + 1): np.ones(3, np.float32)}, path)
        content = path.read_bytes()
        lengths.add(content[0])
        path.write_bytes(content[:-3])
        with pytest.raises(CheckpointError, match="truncated, corrupt or not a safetensors file"):
            lenetc.load(path)
    assert 0x80 in lengths


def test_a_state_dict_that_does_not_fit_changes_nothing() -> None:
    training = Training(compiled=True)
    net = training.net
    good = {name: tensor.detach().numpy() + 1 for name, tensor in net.state_dict().items()}
    missing = {name: value for name, value in good.items() if name != "fc.bias"}
    for state, says in (
        (missing, r'Missing key\(s\) in state_dict: "fc.bias"'),
        ({**good, "fc9.bias": good["fc.bias"]}, r'Unexpected key\(s\) in state_dict: "fc9.bias"'),
        (
            {**good, "fc.bias": np.zeros(7)},
            r"size mismatch for fc.bias: .*\[7\].*the shape in current model is .*\[3\]",
        ),
        ({**good, "fc.bias": "text"}, 'the parameter named "fc.bias", expected a tensor or an array'),
        ({"model": good}, "load its entry 'model'"),
    ):
        with pytest.raises(LenetcError, match=r"(?s)loading state_dict for Net:.*" + says):
            net.load_state_dict(state)
    with pytest.raises(TypeError, match=r"dict-like.*lenetc.load\(path\)"):
        net.load_state_dict("net.safetensors")  # type: ignore[arg-type]
    training.assert_unchanged()


def test_a_save_that_fails_keeps_the_file_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net()
    path = tmp_path / "net.safetensors"
    lenetc.save(net.state_dict(), path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    net.conv1.weight.data.add_(1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            CheckpointError,
            match=r"No space left on device. A previous file of that name is as it was; make room",
        ):
            lenetc.save(net.state_dict(), path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(TypeError, match="cannot save the object: a Net is neither dict"):
        lenetc.save(net, path)
    assert path.read_bytes() == before


def test_state_goes_out_and_comes_back(tmp_path: Path) -> None:
    trained, fresh = Training(compiled=True), Training(compiled=False)
    for _ in range(3):
        trained.step(IMAGES, LABELS)
    path = tmp_path / "run.safetensors"
    lenetc.save(
        {"model": trained.net.state_dict(), "optimizer": trained.optimizer.state_dict(), "epoch": 3}, path
    )
    loaded = lenetc.load(path)
    assert loaded["epoch"] == 3
    fresh.net.load_state_dict(loaded["model"])
    fresh.optimizer.load_state_dict(loaded["optimizer"])
    assert fresh.state() == trained.state()
    assert fresh.step(IMAGES, LABELS).item() == pytest.approx(trained.step(IMAGES, LABELS).item(), rel=1e-6)


def test_an_exported_state_loads_into_the_module(tmp_path: Path) -> None:
    lenetc.manual_seed(1)
    net = Net()
    optimizer = optim.Adam(net.parameters())

    @lenetc.compile
    def step(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(F.dropout(net(images), 0.1), labels)
        loss.backward()
        optimizer.step()
        return loss

    step(IMAGES, LABELS)
    step.lower(IMAGES, LABELS).export(tmp_path, infer=net)
    values = lenetc.load(tmp_path / "state.safetensors")
    assert {"conv1.weight.exp_avg", "optimizer.step", "rng.key"} <= values.keys()
    other = Net()
    other.load_state_dict(values)
    for name, tensor in net.state_dict().items():
        assert tensor.numpy().tobytes() == other.state_dict()[name].numpy().tobytes()
    with pytest.raises(LenetcError, match=r'Unexpected key\(s\) in state_dict: "fc.weights"'):
        other.load_state_dict({**values, "fc.weights": values["fc.weight"]})


def test_inputs_that_an_artifact_does_not_take(tmp_path: Path) -> None:
    training = Training(compiled=True)
    training.step.lower(IMAGES, LABELS).export(tmp_path)  # type: ignore[attr-defined]
    artifact = lenetc.load(tmp_path)
    before = {name: array.tobytes() for name, array in artifact.state.items()}
    for inputs, error, says in (
        ({"images": IMAGES}, LenetcError, r"takes images, labels; missing: \['labels'\]"),
        ({"images": IMAGES, "labels": LABELS, "rate": 1}, LenetcError, r"unknown: \['rate'\]"),
        (
            {"images": IMAGES[:, :, :9], "labels": LABELS},
            ShapeError,
            r"images is float32 \['N', 1, 12, 12\], but was given float32 \[4, 1, 9, 12\]",
        ),
        (
            {"images": IMAGES, "labels": LABELS[:3]},
            ShapeError,
            r"labels is int64 \['N'\], but was given int64 \[3\], where N is 4",
        ),
        (
            {"images": IMAGES, "labels": LABELS + 0.5},
            DTypeError,
            r"labels is int64 .* given float64 \[4\]; convert it with .astype\(np.int64\)",
        ),
        (
            {"images": IMAGES, "labels": LABELS + 2},
            LabelError,
            r"label 3 is out of bounds: it must be in 0..2 .*labels\[1\]",
        ),
    ):
        with pytest.raises(error, match=says):
            artifact(**inputs)
        assert {name: array.tobytes() for name, array in artifact.state.items()} == before
    loss = artifact(images=IMAGES, labels=[0, -100, 2, 1])["loss"]
    expected = training.step(IMAGES, np.array([0, -100, 2, 1])).item()
    assert loss == pytest.approx(expected, rel=1e-5)
