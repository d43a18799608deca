"""The files of an exported folder: each is the one that was exported, or an error names it and nothing is run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy
from onnx import numpy_helper

import lenetc
from ir.errors import LenetcError
from ir.types import Array
from lenetc.artifact.checkpoint import CheckpointError
from lenetc.artifact.manifest import Manifest, write_manifest
from tests.lenetc.artifact import folders


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original")
    folders.write(path)
    return path


def flip(place: float) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(place * (len(content) - 1))] ^= 1
        path.write_bytes(content)

    return change


def become(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def outside(path: Path) -> None:
    """The same content, by a link that leads out of the folder."""
    path.rename(path.parent.parent / f"{path.parent.name}-{path.name}")
    path.symlink_to(path.parent.parent / f"{path.parent.name}-{path.name}")


CHANGES: list[tuple[Callable[[Path], object], str]] = [
    *((flip(place), "SHA-256 differs") for place in (0, 0.1, 0.5, 0.9, 1)),
    (lambda path: path.write_bytes(path.read_bytes()[:-1]), "was exported with"),
    (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "was exported with"),
    (lambda path: path.write_bytes(b""), "has 0 bytes"),
    (lambda path: os.truncate(path, 1 << 40), "has 1099511627776 bytes"),
    (become(lambda path: None), "is missing"),
    (become(Path.mkdir), "is no regular file"),
    (become(lambda path: path.symlink_to("manifest.json")), "was exported with|SHA-256"),
    (become(lambda path: path.symlink_to(path)), "is a link that leads out of the folder or nowhere"),
    (become(lambda path: os.mkfifo(path)), "is no regular file"),
    (outside, "is a link that leads out of the folder"),
]


@pytest.mark.parametrize("file", [*folders.contents(), "state.safetensors"])
def test_a_file_that_is_not_the_exported_one(file: str, original: Path, tmp_path: Path) -> None:
    for number, (change, says) in enumerate(CHANGES):
        folder = tmp_path / str(number)
        shutil.copytree(original, folder)
        change(folder / file)
        with pytest.raises(CheckpointError, match=says) as raised:
            lenetc.load(folder)
        message = str(raised.value)
        assert message.startswith(str(folder / file)) and "Take another copy" in message


def test_files_that_changed_places(original: Path, tmp_path: Path) -> None:
    files = [*folders.contents(), "state.safetensors", "manifest.json"]
    for first, second in zip(files, [*files[1:], files[0]], strict=True):
        folder = tmp_path / first
        shutil.copytree(original, folder)
        for file, other in ((first, second), (second, first)):
            shutil.copy(original / other, folder / file)
        with pytest.raises(CheckpointError, match=f"{re.escape(str(folder))}/({first}|{second})"):
            lenetc.load(folder)


def test_a_model_that_changes_after_the_folder_was_loaded(original: Path, tmp_path: Path) -> None:
    """Models are loaded when they are first run."""
    folder = shutil.copytree(original, tmp_path / "folder")
    artifact = lenetc.load(folder)
    flip(0.5)(folder / "train.onnx")
    (folder / "eval.onnx").unlink()
    for run, says in ((artifact, "train.onnx is not the file"), (artifact.evaluate, "eval.onnx is missing")):
        with pytest.raises(CheckpointError, match=says):
            run(**folders.BATCH)
    assert artifact.predict(x=folders.BATCH["x"])["output"].shape == (4,)


def test_a_folder_by_way_of_a_link_and_with_more_files(original: Path, tmp_path: Path) -> None:
    shutil.copytree(original, tmp_path / "folder")
    (tmp_path / "folder" / "notes.txt").write_text("nothing")
    (tmp_path / "link").symlink_to("folder")
    assert lenetc.load(tmp_path / "link").state["w"].tolist() == [1, -1, 0.5]


def replaced(folder: Path, file: str, content: bytes, **more: bytes) -> None:
    """Put another file into the folder, with a manifest that has it."""
    manifest: Manifest = folders.write(folder)
    for name, data in {file: content, **more}.items():
        (folder / name).write_bytes(data)
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    write_manifest(folder, manifest)


def external(location: str) -> tuple[bytes, bytes]:
    """train.onnx with the constant 2 kept in a file of this name, and that file's content."""
    model = onnx.load_from_string(folders.contents()["train.onnx"])
    constant = next(
        node for node in model.graph.node if node.op_type == "Constant" and node.output[0] == "two"
    )
    model.graph.node.remove(constant)
    tensor = model.graph.initializer.add()
    tensor.CopyFrom(numpy_helper.from_array(np.array(2, np.float32), "two"))
    content = bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(len(content)))):
        tensor.external_data.add(key=key, value=value)
    return model.SerializeToString(), content


def test_tensors_that_are_kept_in_a_file_beside(original: Path, tmp_path: Path) -> None:
    expected = lenetc.load(original)(**folders.BATCH)["loss"]
    model, data = external("train.onnx.data")
    replaced(tmp_path, "train.onnx", model, **{"train.onnx.data": data})
    artifact = lenetc.load(tmp_path)
    assert artifact(**folders.BATCH)["loss"] == expected and artifact.state["w"][0] != 1
    (tmp_path / "train.onnx.data").write_bytes(np.array(3, np.float32).tobytes())
    with pytest.raises(CheckpointError, match=r"train.onnx.data is not the file"):
        lenetc.load(tmp_path)


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/hostname", "unlisted.data", "a/../train.onnx.data", ""]
)
def test_tensors_in_files_that_are_not_of_the_folder(location: str, tmp_path: Path) -> None:
    model, data = external(location)
    (tmp_path / "secret").write_bytes(data)
    replaced(tmp_path / "folder", "train.onnx", model)
    (tmp_path / "folder" / "unlisted.data").write_bytes(data)
    artifact = lenetc.load(tmp_path / "folder")
    with pytest.raises(LenetcError, match="not among the files of the folder"):
        artifact(**folders.BATCH)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no readable checkpoint"),
        (b"\xff" * 16, "no readable checkpoint"),
        ((1 << 40).to_bytes(8, "little") + b"{}", "no readable checkpoint"),
        ((1 << 17).to_bytes(8, "little") + b"[" * (1 << 17), "no readable checkpoint"),
        (b"\x80\x04N.", "is a pickle.*never reads them"),
        (safetensors.numpy.save({"w": np.zeros(3, np.float32)}), r"scale is missing|seen is missing"),
        (
            safetensors.numpy.save({**folders.STATE, "w": np.zeros(4, np.float32)}),
            r"w is float32 \[3\] here and float32 \[4\] there",
        ),
        (
            safetensors.numpy.save({**folders.STATE, "w": np.zeros(3, np.float64)}),
            r"w is float32 \[3\] here and float64 \[3\] there",
        ),
        (safetensors.numpy.save({**folders.STATE, "v": np.zeros(3)}), "v is unknown"),
    ],
)
def test_a_state_that_is_none_of_the_manifest(content: bytes, says: str, tmp_path: Path) -> None:
    replaced(tmp_path, "state.safetensors", content)
    with pytest.raises(CheckpointError, match=says) as raised:
        lenetc.load(tmp_path)
    assert str(tmp_path / "state.safetensors") in str(raised.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "ONNX Runtime failed loading"),
        (b"not a model", "ONNX Runtime failed loading"),
        (
            folders.contents()["eval.onnx"],
            r"train.onnx: the input lr is missing there and .* in the manifest",
        ),
        (folders.contents()["init.onnx"], r"train.onnx: the input lr is missing there"),
    ],
)
def test_a_model_that_is_not_what_the_manifest_says(content: bytes, says: str, tmp_path: Path) -> None:
    replaced(tmp_path, "train.onnx", content)
    artifact = lenetc.load(tmp_path)
    before: dict[str, Array] = artifact.state
    with pytest.raises(LenetcError, match=says):
        artifact(**folders.BATCH)
    assert_same(artifact.state, before)


def assert_same(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"lowest_runtime": "99.1"}, "needs ONNX Runtime 99.1, and this one is"),
        ({"lanes": 8}, "was exported with lanes=8, and ONNX Runtime takes"),
    ],
)
def test_a_folder_for_another_machine(
    entries: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lenetc.runtime.lanes", lambda device: 16)
    manifest: Any = folders.write(tmp_path)
    write_manifest(tmp_path, {**manifest, **entries})
    with pytest.raises(LenetcError, match=says):
        lenetc.load(tmp_path)
