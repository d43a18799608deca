"""The operators that each runtime has: `python -m runtimes.tables [NAME ...]` makes lenetc/artifact/kernels/*.json.

An ONNX Runtime for Python lists its registered kernels; what it composes of others by an operator's function body, and
all that onnxruntime-web and OpenVINO have, is found by loading a model of one node for each operator, version and
combination of element types (runtimes/probes.py).
"""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from onnx import defs

from lenetc.artifact.kernels.table import FOLDER as TABLES
from runtimes.probes import Probe, probes, smallest
from runtimes.schemas import Schema, elements, listed_schemas, of_onnx, onnx_schemas
from runtimes.sources import SOURCES, Installed, Web

Kernels = dict[str, dict[int, list[dict[str, frozenset[str]]]]]  # operator, version -> alternatives

OPSETS = range(17, 40)
IR_VERSIONS = range(8, 20)
_IR_VERSION = 8  # that all of them read

_ABSENT = (
    "Could not find an implementation",
    "Failed to find kernel",
    "fallback to CPU EP has been explicitly disabled",
    "IsNodeCompatibleWithProvider",  # on no device at all
    "is not a registered function",
    "No conversion rule found",
)
_INVALID = ("Type Error", "InferenceError", "not in range [min=", "under development", "Mismatched attribute")
_BROKEN = ("out of bounds",)  # the runtime itself


def made(name: str) -> dict[str, Any]:
    """The table of a runtime."""
    source = SOURCES[name]
    own: list[Schema] = []
    devices: dict[str, Kernels] = {device: {} for device in source.devices}
    functions = {name for name, _ in of_onnx() if _is_function(name)}
    if isinstance(source, Installed) and source.package != "openvino":
        how = "its registered kernels, and models of one node for operators that it composes of others"
        listed = source.listed()
        own = listed_schemas(listed["schemas"])
        for device, provider in source.providers:
            devices[device] = registered(listed["kernels"], provider)
        asked = [(s, o) for s, o in onnx_schemas() if s.name in functions]
    elif isinstance(source, Web):
        how = "models of one node, loaded in headless Chromium"
        own = listed_schemas(SOURCES["ort-cpu"].listed()["schemas"])  # type: ignore[union-attr]
        asked = [*onnx_schemas(), *((schema, OPSETS[0]) for schema in own)]
    else:
        how = "models of one node, read; element types are not part of it"
        asked = list(onnx_schemas())
    version = ""
    for device, kernels in devices.items():
        wanted = [
            p for schema, opset in asked for p in probes(schema, opset, _IR_VERSION) if not has(kernels, p)
        ]
        version, said = source.answers(device, [p.model for p in wanted])
        add(kernels, accepted(wanted, said))
    if name == "openvino":
        devices = {d: {o: {version: [{}] for version in v} for o, v in k.items()} for d, k in devices.items()}
    device = source.devices[-1]
    opsets = source.answers(device, [smallest(opset, _IR_VERSION) for opset in OPSETS])[1]
    ir_versions = source.answers(device, [smallest(OPSETS[0], version) for version in IR_VERSIONS])[1]
    return {
        "runtime": name,
        "package": source.package,
        "version": version,
        "made": datetime.date.today().isoformat(),
        "how": how,
        "opset": highest(OPSETS, opsets),
        "ir_version": highest(IR_VERSIONS, ir_versions),
        "devices": devices,
        "parameters": {
            schema.key: [[f"{p.name}:{p.type}" for p in side] for side in (schema.inputs, schema.outputs)]
            for schema in own
            if any(schema.key in kernels for kernels in devices.values())
        },
    }


def highest(asked: Sequence[int], said: Sequence[str]) -> int | None:
    """The highest that was loaded; None where all were."""
    loaded = [number for number, text in zip(asked, said, strict=True) if not text]
    return max(loaded) if len(loaded) < len(asked) else None


def registered(listed: Iterable[Mapping[str, Any]], provider: str) -> Kernels:
    """The registered kernels of a provider, for the versions of operators that a model may have.

    As ONNX Runtime looks them up: a kernel without a last version is of the version it was made for, and no later one.
    """
    versions: dict[str, list[int]] = {}
    for name, version in of_onnx():
        versions.setdefault(name, []).append(version)
    kernels: Kernels = {}
    for entry in listed:
        if entry["provider"] != provider:
            continue
        domain, first, last = entry["domain"], entry["first"], entry["last"]
        key = f"{domain}.{entry['operator']}" if domain else entry["operator"]
        types = {name: elements(allowed) for name, allowed in entry["types"].items()}
        for version in [1] if domain else versions.get(key, ()):
            if version == first or (last is not None and first <= version <= last):
                kernels.setdefault(key, {}).setdefault(version, []).append(types)
    return {key: {v: merged(rows) for v, rows in kernels[key].items()} for key in kernels}


def accepted(asked: Iterable[Probe], said: Iterable[str]) -> Iterable[Probe]:
    """The probes that a runtime has kernels for, by what it said to each."""
    for probe, text in zip(asked, said, strict=True):
        if not any(part in text for part in (*_ABSENT, *_INVALID, *_BROKEN)):
            yield probe


def has(kernels: Kernels, probe: Probe) -> bool:
    """Whether a kernel takes the types of a probe."""
    rows = kernels.get(probe.operator, {}).get(probe.version, [])
    return any(all(type in row.get(name, (type,)) for name, type in probe.types) for row in rows)


def add(kernels: Kernels, found: Iterable[Probe]) -> None:
    """Add what probes showed."""
    for probe in found:
        types = {name: frozenset([type]) for name, type in probe.types}
        kernels.setdefault(probe.operator, {}).setdefault(probe.version, []).append(types)
    for versions in kernels.values():
        versions.update({version: merged(rows) for version, rows in versions.items()})


def merged(rows: list[dict[str, frozenset[str]]]) -> list[dict[str, frozenset[str]]]:
    """The same combinations of types in fewer rows: those that differ in one constraint become one."""
    before = len(rows) + 1
    while len(rows) < before:
        before = len(rows)
        for name in sorted({name for row in rows for name in row}):
            groups: dict[Any, frozenset[str]] = {}
            for row in rows:
                rest = tuple(sorted((n, tuple(sorted(t))) for n, t in row.items() if n != name))
                groups[name in row, rest] = groups.get((name in row, rest), frozenset()) | row.get(
                    name, frozenset()
                )
            rows = [
                {**{n: frozenset(t) for n, t in rest}, **({name: types} if has else {})}
                for (has, rest), types in groups.items()
            ]
    return rows


def text(table: Mapping[str, Any]) -> str:
    """A table as JSON, an operator a line."""
    lines = [
        f" {json.dumps(key)}: {json.dumps(v)},"
        for key, v in table.items()
        if key not in ("devices", "parameters")
    ]
    parts = [*((f"devices.{d}", {o: _written(v) for o, v in k.items()}) for d, k in table["devices"].items())]
    body = []
    for name, operators in (*parts, ("parameters", table["parameters"])):
        rows = [f"  {json.dumps(o)}: {json.dumps(v)}" for o, v in sorted(operators.items())]
        body.append(f" {json.dumps(name)}: {{\n" + ",\n".join(rows) + "\n }")
    return "{\n" + "\n".join(lines) + "\n" + ",\n".join(body) + "\n}\n"


def _written(versions: Mapping[int, list[dict[str, frozenset[str]]]]) -> dict[str, list[str]]:
    def one(row: dict[str, frozenset[str]]) -> str:
        return "; ".join(f"{name}: {' '.join(sorted(types))}" for name, types in sorted(row.items()))

    return {str(version): sorted(one(row) for row in rows) for version, rows in sorted(versions.items())}


def _is_function(name: str) -> bool:
    schema = defs.get_schema(name)
    return bool(schema.has_function or schema.has_context_dependent_function)


def main(names: list[str]) -> None:
    """Make the tables of the runtimes named, or of all."""
    for name in names or SOURCES:
        table = made(name)
        path = Path(TABLES) / f"{name}.json"
        path.write_text(text(table))
        counts = ", ".join(f"{len(k)} operators on {d}" for d, k in table["devices"].items())
        print(f"{path.name}: {table['package']} {table['version']}, opset {table['opset']}, {counts}")


if __name__ == "__main__":
    main(sys.argv[1:])
