"""docs/artifact.md says what the schema says; its code and the README's is that of the hosts, or runs as it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ir.types import Array
from lenetc.data import load_mnist
from tests.hosts.reference import HOSTS, ROOT, Reference

PAGE = ROOT / "docs" / "artifact.md"
BEGIN, END = "--update-goldens -->\n", "<!-- end of manifest -->"
SCHEMA = json.loads((ROOT / "lenetc" / "artifact" / "manifest.schema.json").read_text())


def blocks(language: str, page: Path = PAGE) -> list[str]:
    """A page's code in a language, without the indentation that it has in a list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


@pytest.mark.parametrize("page", [PAGE, ROOT / "README.md"], ids=["artifact", "readme"])
@pytest.mark.parametrize(("language", "source"), [("js", "node/train.js"), ("c", "c/train.c")])
def test_code_of_other_languages_is_that_of_the_hosts(language: str, source: str, page: Path) -> None:
    (block,) = blocks(language, page)
    assert block in (HOSTS / source).read_text()


def test_the_code_in_python_runs(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One block after the other, beside the folder that prepare.py writes; `model` is that of the host."""
    first, *rest = blocks("python")
    assert first in (HOSTS / "prepare.py").read_text()
    (function,) = re.findall(r"def model.*?return call\n", rest[0], re.DOTALL)
    assert function in (HOSTS / "python" / "train.py").read_text()
    (tmp_path / "lenet").symlink_to(reference.given[0])
    monkeypatch.chdir(tmp_path)
    digits = load_mnist()
    scope: dict[str, Any] = {
        "images": digits.train_images,
        "labels": digits.train_labels,
        "test_images": digits.test_images,
        "test_labels": digits.test_labels,
    }
    for number, block in enumerate(rest):
        exec(compile(block, f"block {number} of {PAGE.name}", "exec"), scope)
    assert scope["digits"].shape == (5,)

    batches = [(digits.train_images[i : i + 64], digits.train_labels[i : i + 64]) for i in (0, 64, 128)]
    same_in_parts_and_at_once(scope, batches)
    readme: dict[str, Any] = {"batches": batches, "lr": scope["rates"]["lr"]}
    exec(compile(blocks("python", ROOT / "README.md")[2], "README.md", "exec"), readme)
    state = scope["read_state"](tmp_path / "lenet" / "state.safetensors")
    for images, labels in batches:
        results, state = scope["train"](state, images=images, labels=labels, **scope["rates"])
    assert readme["found"]["loss"] == results["loss"]


def same_in_parts_and_at_once(page: dict[str, Any], batches: list[tuple[Array, Array]]) -> None:
    """The page's functions: gradients of quarters make the update of the whole, and a scan makes that of its steps."""
    _, start = page["init"]({}, seed=np.array(1, np.int64))
    rates, expected = page["rates"], start
    for number, (images, labels) in enumerate(batches):
        _, expected = page["train"](expected, images=images, labels=labels, **rates)
        if number == 0:
            quarters = zip(np.split(images, 4), np.split(labels, 4), strict=True)
            shares = [page["grad"](start, images=x, labels=y)[0] for x, y in quarters]
            _, accumulated = page["apply"](start, **page["mean"](shares), **rates)
            assert_close(accumulated, expected)
    images, labels = map(np.stack, zip(*batches, strict=True))
    _, scanned = page["scan"](start, images=images, labels=labels, **rates)
    assert_close(scanned, expected)


def assert_close(found: dict[str, Array], expected: dict[str, Array]) -> None:
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def resolved(entry: dict[str, Any]) -> dict[str, Any]:
    return {**SCHEMA["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {}), **entry}


def rows(place: str, entry: dict[str, Any]) -> Iterator[str]:
    """The table's line of an entry of the manifest, and those of what is in it."""
    is_dtype, entry = entry.get("$ref") == "#/$defs/dtype", resolved(entry)
    allowed = entry.get("enum", [entry["const"]] if "const" in entry else [])
    kind = "dtype" if is_dtype else quoted(allowed) or entry.get("type", "integer, null")
    yield f"| `{place}` | {kind} | {entry.get('description', '')} |\n"
    if re.fullmatch(r"models\.\w+", place):
        return  # what is in a model is told once
    for key, inner in entry.get("properties", {}).items():
        yield from rows(f"{place}.{key}", inner)
    if place == "models":
        yield from members("models.*", SCHEMA["$defs"]["part"])
    yield from members(f"{place}.*", entry.get("additionalProperties"))
    yield from members(f"{place}[]", entry.get("items"))


def quoted(values: list[Any]) -> str:
    return ", ".join(f"`{json.dumps(value)}`" for value in values)


def members(place: str, entry: Any) -> Iterator[str]:
    for key, inner in resolved(entry).get("properties", {}).items() if isinstance(entry, dict) else ():
        yield from rows(f"{place}.{key}", inner)


def listed() -> str:
    lines = [line for key, entry in SCHEMA["properties"].items() for line in rows(key, entry)]
    dtypes = f"\nA dtype is one of {quoted(SCHEMA['$defs']['dtype']['enum'])}.\n"
    return "".join(["\n| entry | type | what it is |\n|---|---|---|\n", *lines, dtypes, "\n"])


def test_the_manifests_entries_are_those_of_the_schema(request: pytest.FixtureRequest) -> None:
    head, rest = PAGE.read_text().split(BEGIN)
    stored, tail = rest.split(END)
    if request.config.getoption("--update-goldens"):
        PAGE.write_text(head + BEGIN + listed() + END + tail)
        stored = listed()
    assert stored == listed(), "run pytest tests/hosts/test_page.py --update-goldens"
    assert all(f"`models.*.{key}`" in stored for key in SCHEMA["$defs"]["model"]["properties"])
