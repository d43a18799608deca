"""manifest.json, which says what is in an exported folder: its types, its schema, and what no schema can say.

`manifest.schema.json` beside this file is the reference, with a description of every entry (JSON Schema 2020-12).
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn, NotRequired, TypedDict, cast

import ml_dtypes  # noqa: F401 - importing it teaches NumPy the name bfloat16
import numpy as np

from ir.dims import Dim, symbol
from lenetc.artifact.checkpoint import CheckpointError
from lenetc.files import atomic_write

FORMAT = 2  # of the folder
MANIFEST = "manifest.json"
STATE = "state.safetensors"
VALID = "valid"  # the result that is false where a label or an index is out of its range
MAX_BYTES = 16 << 20  # of a manifest: a thousand layers take less than two megabytes
_AGAIN = "export the step again with program.export"


class Range(TypedDict):
    low: int
    high: int
    ignore: int | None


class Port(TypedDict):
    """An input or a result of a model."""

    name: str
    dtype: str
    shape: list[int | str]
    ranges: NotRequired[list[Range]]


class Hyperparameter(TypedDict):
    name: str
    dtype: str
    shape: list[int]
    default: float


class StateEntry(TypedDict):
    name: str
    dtype: str
    shape: list[int]
    kind: str
    trained: bool
    initialized: bool


class Model(TypedDict):
    file: str
    inputs: list[Port]
    hyperparameters: list[str]
    state: list[str]
    gradients: NotRequired[dict[str, str]]
    results: list[Port]
    updates: dict[str, str]


class File(TypedDict):
    sha256: str
    bytes: int


class Manifest(TypedDict):
    """What manifest.schema.json describes."""

    format: int
    producer: dict[str, str]
    name: str
    opset: int
    ir_version: int
    operators: str
    lanes: int
    device: str
    compiled_for: dict[str, int]
    lowest_runtime: str
    session_options: dict[str, Any]
    notes: list[str]
    hyperparameters: list[Hyperparameter]
    state: list[StateEntry]
    models: dict[str, Model]
    files: dict[str, File]
    sha256: NotRequired[str]  # which write_manifest adds


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of an exported folder, with all that it must be.

    Raises CheckpointError, naming the file, the place in it and what to do, where it is not there, is no regular file
    of this folder, is larger than 16 MiB, is no JSON (a key twice, NaN), is of another format, does not fit the schema
    or itself, or is not as it was exported. Files beside it are not looked at.
    """
    path = Path(folder) / MANIFEST
    try:
        document = _parsed(_content(path))
        _require_format(path, document)
        _check(path, document)
        if document["sha256"] != digest(document):
            raise CheckpointError(
                f"{path} was changed after it was exported: $.sha256 is not the SHA-256 of the rest. Take another "
                f"copy, or {_AGAIN}; other hyperparameters are given at a call, or set in artifact.hyperparameters"
            )
    except (RecursionError, ValueError) as error:  # JSON that is none, or nested without end
        if isinstance(error, CheckpointError):
            raise
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise CheckpointError(
            f"{path} cannot be read as JSON ({reason}): it is truncated or was changed. Take another copy, or {_AGAIN}"
        ) from None
    return cast(Manifest, document)


def write_manifest(folder: str | Path, manifest: Manifest) -> Path:
    """Write `manifest` into `folder`, with its own SHA-256 in the place of any. Raises CheckpointError for one that
    `read_manifest` would refuse."""
    path = Path(folder) / MANIFEST
    document: dict[str, Any] = {key: value for key, value in manifest.items() if key != "sha256"}
    document["sha256"] = digest(document)
    _check(path, document)
    atomic_write(path, json.dumps(document, indent=1).encode())
    return path


def schema() -> dict[str, Any]:
    """The JSON Schema of a manifest."""
    text = resources.files("lenetc.artifact").joinpath("manifest.schema.json").read_text("utf-8")
    return cast(dict[str, Any], json.loads(text))


def _content(path: Path) -> str:
    try:
        if not path.is_file() or path.resolve().parent != path.parent.resolve():
            what = "is no file of this folder" if path.exists() or path.is_symlink() else "does not exist"
            raise CheckpointError(
                f"{path.parent} is not an exported artifact: {path.name} {what}. Give the folder that "
                "program.export wrote"
            )
        if (size := path.stat().st_size) > MAX_BYTES:
            raise CheckpointError(
                f"{path} has {size} bytes, and a manifest at most {MAX_BYTES}: it is none. Take another copy, or "
                f"{_AGAIN}"
            )
        return path.read_bytes().decode()
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} cannot be read ({error})") from None


def _parsed(text: str) -> Any:
    def entries(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for _, message in _repeated("", (key for key, _ in pairs), "the key"):
            raise ValueError(f"{message} in one object")
        return dict(pairs)

    def number(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError(f"{_short(text)} is no number that JSON or a float64 holds")
        return value

    return json.loads(text, object_pairs_hook=entries, parse_float=number, parse_constant=number)


def _require_format(path: Path, document: Any) -> None:
    """Told before all else: another format has other entries."""
    if not isinstance(document, dict):
        raise CheckpointError(f"{path} holds no manifest, but {_short(document)}; {_AGAIN}")
    found = document.get("format")
    if found == FORMAT:
        return
    is_newer = isinstance(found, int) and not isinstance(found, bool) and found > FORMAT
    advice = "update lenetc" if is_newer else _AGAIN
    raise CheckpointError(
        f"{path}: $.format is {_short(found)}, and this version of lenetc reads format {FORMAT}; {advice}"
    )


def digest(document: Mapping[str, Any]) -> str:
    """The SHA-256 of a manifest without its own entry, as the schema says."""
    rest = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@functools.cache
def _validator() -> Any:
    import jsonschema  # takes a quarter of a second

    # The draft takes 1.0 for an integer, which Python does not.
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    )
    return jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=types)(schema())


def _check(path: Path, document: dict[str, Any]) -> None:
    """Raise CheckpointError for the first entry that does not fit the schema, or the others."""
    for error in _validator().iter_errors(document):
        while error.context:  # of alternatives, what is wrong with the last
            error = error.context[-1]
        message = (
            error.message if len(error.message) < 200 else f"{error.message[:100]} ... {error.message[-90:]}"
        )
        _refuse(path, error.json_path, message)
    for place, message in _contradictions(cast(Manifest, document)):
        _refuse(path, place, message)


def _refuse(path: Path, place: str, message: str) -> NoReturn:
    raise CheckpointError(
        f"{path}: {place}: {message}. It was changed, or another program wrote it: take another copy, or {_AGAIN}"
    )


def _contradictions(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """(JSON path, what is wrong) of entries that do not fit one another."""
    state = {entry["name"]: entry for entry in manifest["state"]}
    hyper = {entry["name"] for entry in manifest["hyperparameters"]}
    yield from _repeated("$.state", (entry["name"] for entry in manifest["state"]))
    yield from _repeated("$.hyperparameters", (entry["name"] for entry in manifest["hyperparameters"]))
    for i, entry in enumerate(manifest["hyperparameters"]):
        if not holds(entry["dtype"], entry["default"]):
            yield f"$.hyperparameters[{i}].default", f"{entry['dtype']} does not hold {entry['default']}"
    models = manifest["models"]
    yield from _repeated("$.models", (model["file"] for model in models.values()), "the file")
    for kind, model in models.items():
        place = f"$.models.{kind}"
        if model["file"] not in manifest["files"]:
            yield f"{place}.file", f"{model['file']} is not in $.files"
        yield from _unknown(f"{place}.hyperparameters", model["hyperparameters"], hyper, "$.hyperparameters")
        for key, names in (
            ("state", model["state"]),
            ("updates", model["updates"]),
            ("gradients", model.get("gradients", ())),
        ):
            yield from _unknown(f"{place}.{key}", names, state, "$.state")
        gradients = list(model.get("gradients", {}).values())
        fed = [entry["name"] for entry in model["inputs"]] + model["hyperparameters"] + model["state"]
        given = [entry["name"] for entry in model["results"]] + list(model["updates"].values())
        yield from _repeated(place, fed + (gradients if kind == "apply" else []), "the input")
        yield from _repeated(place, given + (gradients if kind == "grad" else []), "the output")
        for key, ports in (("inputs", model["inputs"]), ("results", model["results"])):
            for i, port in enumerate(ports):
                for where, message in _wrong_in_port(port, is_flag=key == "results" and kind != "infer"):
                    yield f"{place}.{key}[{i}].{where}", message
    yield from _disagreements(models, state)


def _wrong_in_port(port: Port, is_flag: bool) -> Iterator[tuple[str, str]]:
    for i, dim in enumerate(port["shape"]):
        try:
            dim_of(dim)
        except ValueError as error:
            yield f"shape[{i}]", str(error)
    for i, allowed in enumerate(port.get("ranges", ())):
        if allowed["low"] >= allowed["high"]:
            yield f"ranges[{i}]", "low is not below high"
    if is_flag and port["name"] == VALID and port["dtype"] != "bool":
        yield "dtype", f"{VALID} is a bool, not {port['dtype']}"


def _disagreements(models: Mapping[str, Model], state: Mapping[str, StateEntry]) -> Iterator[tuple[str, str]]:
    """What one model says and another one, or the list of the state, contradicts."""

    def updated(kind: str) -> set[str]:
        return set(models[kind]["updates"])

    if ("grad" in models) != ("apply" in models):
        yield "$.models", "grad and apply are two parts of one step, and one of them is missing"
    elif "grad" in models:
        if models["grad"]["gradients"].keys() != models["apply"]["gradients"].keys():
            yield "$.models.apply.gradients", "they are not those of grad"
        if both := updated("grad") & updated("apply"):
            yield "$.models.apply.updates", f"{min(both)} is among the updates of grad as well"
        if "train" in models and updated("grad") | updated("apply") != updated("train"):
            yield "$.models.apply.updates", "with those of grad, they are not those of train"
    if "train" in models:
        for i, (name, entry) in enumerate(state.items()):
            if entry["trained"] != (name in updated("train")):
                yield (
                    f"$.state[{i}].trained",
                    f"{name} is {entry['trained']} here, and train.onnx says otherwise",
                )
        if "train_scan" in models and updated("train_scan") != updated("train"):
            yield "$.models.train_scan.updates", "they are not those of train"
    if "init" in models and (missing := state.keys() - updated("init")):
        yield "$.models.init.updates", f"{min(missing)} of the state is missing"


def _repeated(place: str, names: Iterable[str], what: str = "the name") -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield place, f"{what} {_short(name)} stands twice"
        seen.add(name)


def _unknown(place: str, names: Iterable[str], known: Collection[str], of: str) -> Iterator[tuple[str, str]]:
    for name in names:
        if name not in known:
            yield place, f"{_short(name)} is not in {of}"


@functools.lru_cache(1024)
def dim_of(text: int | str) -> Dim:
    """A dim of the manifest: a number, or a polynomial as `str` writes it (`N*2 + 1`). Raises ValueError for what
    names no size."""
    if isinstance(text, int):
        return text
    total: Dim = 0
    for sign, product in re.findall(r"(?:^|([+-]) )(\S+)", text):
        term: Dim = -1 if (sign == "-") != product.startswith("-") else 1
        for factor in product.lstrip("-").split("*"):
            term = term * (int(factor) if factor.isdigit() else symbol(factor))
        total = total + term
    return total


def holds(dtype: str, value: float) -> bool:
    """Whether a finite number stays one, and an integer this one, in a dtype."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return value in (0, 1)
    if kind.kind in "iu":
        return int(np.iinfo(kind).min) <= value <= int(np.iinfo(kind).max) and value == int(value)
    try:
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.float64(value).astype(kind)))
    except OverflowError:  # an integer beyond all floats
        return False


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
