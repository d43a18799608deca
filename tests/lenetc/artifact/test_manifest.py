"""manifest.json: whatever is changed in it gives one clear error, and no training with it."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from lenetc.artifact import manifest as manifests
from lenetc.artifact.checkpoint import CheckpointError
from lenetc.artifact.manifest import Manifest, read_manifest, write_manifest
from tests.lenetc.artifact import folders

Place = tuple[str | int, ...]
CHANGES: dict[str, Any] = {
    "deleted": None,
    "null": lambda old: None,
    "another type": lambda old: 7 if isinstance(old, str | list | dict) else "seven",
    "an object": lambda old: {"x": [{}]},
    "huge": lambda old: 10**400 if isinstance(old, int | float) else "x" * 5000,
    "negative": lambda old: -1,
    "not a number": lambda old: float("nan"),
    "an element more": lambda old: [*old, "x"] if isinstance(old, list) else [old],
}


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every entry; of lists and of files the first alone."""
    if at:
        yield at
    if isinstance(value, dict):
        for key in list(value)[: 1 if at == ("files",) else None]:
            yield from places(value[key], (*at, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*at, 0))


def changed(document: Any, place: Place, change: str) -> Any:
    """A copy with one entry changed."""
    document = copy.deepcopy(document)
    parent = document
    for key in place[:-1]:
        parent = parent[key]
    if change == "deleted":
        del parent[place[-1]]
    else:
        parent[place[-1]] = CHANGES[change](parent[place[-1]])
    return document


def sealed(document: Any) -> str:
    """As somebody would write it who means to deceive, or who just wrote another one."""
    if isinstance(document, dict) and "sha256" in document:
        document = {**document, "sha256": manifests.digest(document)}
    return json.dumps(document)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("artifact")
    folders.write(path)
    return path


@pytest.fixture(scope="module")
def whole(folder: Path) -> str:
    return (folder / "manifest.json").read_text()


@pytest.fixture(autouse=True)
def restored(folder: Path, whole: str) -> Iterator[None]:
    yield
    (folder / "manifest.json").write_text(whole)


def refusal(folder: Path, text: str | bytes) -> str:
    """The message with which a folder with this manifest is refused."""
    path = folder / "manifest.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(CheckpointError) as raised:
        read_manifest(folder)
    message = str(raised.value)
    assert str(path) in message and len(message) < 700 and re.search("export|update|copy", message)
    return message


def test_the_schema_is_one_and_says_what_every_entry_is() -> None:
    schema = manifests.schema()
    jsonschema.Draft202012Validator.check_schema(schema)

    def undescribed(node: Any, place: str) -> Iterator[str]:
        if "$ref" in node:  # what it refers to is described there
            return
        for name, entry in node.get("properties", {}).items():
            target = entry
            while "description" not in target and "$ref" in target:
                target = schema["$defs"][target["$ref"].rpartition("/")[2]]
            if "description" not in target:
                yield f"{place}.{name}"
        for key, value in node.items():
            if isinstance(value, dict):
                yield from undescribed(value, f"{place}.{key}")

    assert list(undescribed(schema, "$")) == []


def test_what_is_written_is_read(folder: Path, whole: str) -> None:
    read = read_manifest(folder)
    assert read == json.loads(whole) and read["models"]["train"]["updates"]["w"] == "w.next"


def run_everything(folder: Path) -> None:
    artifact, batch = lenetc.load(folder), folders.BATCH
    artifact(**batch)
    artifact.apply(artifact.gradients(**batch)[1])
    artifact.scan(**{name: np.stack([array, array]) for name, array in batch.items()})
    artifact.evaluate(**batch)
    artifact.predict(x=batch["x"])
    artifact.initialize(3)


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_no_changed_entry_is_trained_with(number: int, folder: Path, whole: str) -> None:
    """With the checksum as it was, each is refused; with one that fits, an error says what is wrong, or the entry means
    what it says now."""
    change, document = list(CHANGES)[number], json.loads(whole)
    chosen = list(places(document))
    assert len(chosen) > 150
    for place in chosen[number :: len(CHANGES)]:
        refusal(folder, json.dumps(changed(document, place, change)))
    accepted = set()
    for place in chosen[number % 4 :: 4]:
        (folder / "manifest.json").write_text(sealed(changed(document, place, change)))
        try:
            run_everything(folder)
        except LenetcError:
            continue
        accepted.add(place)
    assert accepted <= {("notes",), ("notes", 0), ("hyperparameters", 0, "default"), ("sha256",)}, accepted


def test_no_byte_of_it_may_differ(folder: Path, whole: str) -> None:
    content, draw = whole.encode(), random.Random(0)
    for _ in range(60):
        position, bit = draw.randrange(len(content)), draw.randrange(8)
        flipped = content[:position] + bytes([content[position] ^ 1 << bit]) + content[position + 1 :]
        if not is_same_json(flipped, whole):
            refusal(folder, flipped)
    for size in (0, 1, 2, len(content) // 2, len(content) - 1):
        refusal(folder, content[:size])
    refusal(folder, content + b"}")


def is_same_json(content: bytes, whole: str) -> bool:
    """Another kind of space between entries, say."""
    try:
        return bool(json.loads(content) == json.loads(whole))
    except ValueError:
        return False


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "holds no manifest"),
        ("null", "holds no manifest"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("9" * 5000, "cannot be read as JSON"),
        ('{"format": 2, "format": 2}', "the key 'format' stands twice"),
        ('{"format": NaN}', "'NaN' is no number"),
        ('{"format": -Infinity}', "'-Infinity' is no number"),
        ('{"format": 1e999}', "'1e999' is no number"),
        ('{"format": 1}', r"format is 1, .* reads format 2; export the step again"),
        ('{"format": 3}', "format is 3, .* reads format 2; update lenetc"),
        ('{"format": true}', "format is True"),
        ('{"inputs": []}', "format is None"),
        (b"\xff\xfe{}", "cannot be read as JSON"),
        (" " * (manifests.MAX_BYTES + 1), f"a manifest at most {manifests.MAX_BYTES}"),
    ],
)
def test_what_is_no_manifest_of_this_format(text: str | bytes, says: str, folder: Path) -> None:
    assert re.search(says, refusal(folder, text))


def with_entries(**entries: Any) -> Any:
    def change(document: dict[str, Any]) -> None:
        for place, value in entries.items():
            *parents, last = place.split("__")
            parent: Any = document
            for key in parents:
                parent = parent[int(key) if key.isdigit() else key]
            parent[int(last) if last.isdigit() else last] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_entries(state__0__name="seen"), r"\$.state: the name 'seen' stands twice"),
        (with_entries(models__train__state=["w", "v"]), r"\$.models.train.state: 'v' is not in \$.state"),
        (with_entries(models__eval__hyperparameters=["rate"]), r"eval.hyperparameters: 'rate' is not in"),
        (with_entries(models__train__updates__v="v.next"), r"train.updates: 'v' is not in \$.state"),
        (with_entries(models__grad__gradients__seen="g"), r"apply.gradients: they are not those of grad"),
        (with_entries(models__train__updates__w="loss"), r"\$.models.train: the output 'loss' stands twice"),
        (with_entries(models__train__inputs__0__name="w"), r"\$.models.train: the input 'w' stands twice"),
        (with_entries(models__apply__updates__seen="s"), r"apply.updates: seen is among the updates of grad"),
        (with_entries(models__eval__file="infer.onnx"), r"\$.models: the file 'infer.onnx' stands twice"),
        (with_entries(models__eval__file="other.onnx"), r"models.eval.file: other.onnx is not in \$.files"),
        (with_entries(models__eval__updates={"w": "q"}), r"\$.models.eval.updates: "),
        (with_entries(models__train__inputs__1__ranges__0__high=0), r"ranges\[0\]: low is not below high"),
        (with_entries(models__train__inputs__0__shape=["N", -1]), r"shape\[1\]: -1 is less than"),
        (with_entries(models__train__inputs__0__shape=["N", True]), r"shape\[1\]: True is not of type"),
        (with_entries(models__train__inputs__0__shape=["N", 3.0]), r"shape\[1\]: 3.0 is not of type"),
        (with_entries(models__train__inputs__0__shape=["N.x", 3]), r"shape\[0\]: .*'N.x'"),
        (with_entries(models__train__inputs__0__shape=["N +", 3]), r"shape\[0\]: 'N \+' does not match"),
        (with_entries(hyperparameters__0__default=1e39), r"default: float32 does not hold 1e\+39"),
        (with_entries(hyperparameters__0__dtype="int64"), r"default: int64 does not hold 0.05"),
        (
            with_entries(state__1__trained=True),
            r"state\[1\].trained: scale is True here, and train.onnx says",
        ),
        (with_entries(learning_rate=0.1), r"\$: Additional properties .*'learning_rate'"),
        (with_entries(lowest_runtime="1.17\n"), r"lowest_runtime: '1.17\\n' does not match"),
        *(
            (with_entries(**{f"files__{name}": {"sha256": "0" * 64, "bytes": 0}}), r"\$.files: ")
            for name in (
                "../a",
                "/etc/passwd",
                "a/b",
                "a\\b",
                "..",
                ".",
                "",
                "C:a",
                "a\n",
                "manifest.json",
                "é",
            )
        ),
    ],
)
def test_entries_that_contradict_one_another_or_the_schema(
    change: Any, says: str, folder: Path, whole: str
) -> None:
    document: Manifest = json.loads(whole)
    change(document)
    assert re.search(says, refusal(folder, sealed(document)))
    with pytest.raises(CheckpointError, match=says):
        write_manifest(folder, document)


def test_the_manifest_is_a_file_of_the_folder(folder: Path, whole: str, tmp_path: Path) -> None:
    path = folder / "manifest.json"
    (tmp_path / "elsewhere.json").write_text(whole)
    for make, says in (
        (lambda: None, "does not exist"),
        (path.mkdir, "is no file of this folder"),
        (lambda: path.symlink_to(tmp_path / "elsewhere.json"), "is no file of this folder"),
        (lambda: path.symlink_to(path), "is no file of this folder"),
    ):
        path.unlink(missing_ok=True)
        make()
        with pytest.raises(CheckpointError, match=f"not an exported artifact: manifest.json {says}"):
            read_manifest(folder)
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
