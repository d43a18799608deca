"""Operator schemas as probes and tables need them: ONNX's own, and those of ONNX Runtime's domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from onnx import defs

OLDEST = 17  # opset that can be exported


@dataclass(frozen=True)
class Parameter:
    """An input or output. type: the name of a type constraint, or a type."""

    name: str
    type: str


@dataclass(frozen=True)
class Schema:
    """An operator in one version. least, least_outputs: how many inputs and
    outputs a model has to have. constraints: element types by name."""

    name: str
    domain: str
    version: int
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    least: int
    least_outputs: int
    constraints: Mapping[str, frozenset[str]]
    attributes: Mapping[str, tuple[str, bool]]

    @property
    def key(self) -> str:
        """Its name in the tables: with the domain where that is not ai.onnx."""
        return f"{self.domain}.{self.name}" if self.domain else self.name


def of_onnx() -> dict[tuple[str, int], list[int]]:
    """(operator, version) of ai.onnx -> the opsets from OLDEST on in which that version is the one."""
    found: dict[tuple[str, int], list[int]] = {}
    names = {schema.name for schema in defs.get_all_schemas_with_history() if schema.domain == ""}
    for name in sorted(names):
        for opset in range(OLDEST, defs.onnx_opset_version() + 1):
            try:
                schema = defs.get_schema(name, opset, "")
            except defs.SchemaError:
                continue
            if not schema.deprecated:
                found.setdefault((name, schema.since_version), []).append(opset)
    return found


def onnx_schemas() -> Iterator[tuple[Schema, int]]:
    """ONNX's schemas, each with the lowest opset that it is of."""
    for (name, version), opsets in of_onnx().items():
        schema = defs.get_schema(name, version, "")
        yield _schema(schema), opsets[0]


def _schema(schema: Any) -> Schema:
    return Schema(
        schema.name,
        schema.domain,
        schema.since_version,
        tuple(Parameter(p.name, p.type_str) for p in schema.inputs),
        tuple(Parameter(p.name, p.type_str) for p in schema.outputs),
        max(schema.min_input, min(1, len(schema.inputs))),
        max(schema.min_output, min(1, len(schema.outputs))),
        {c.type_param_str: elements(c.allowed_type_strs) for c in schema.type_constraints},
        {name: (a.type.name, a.required) for name, a in schema.attributes.items()},
    )


def listed_schemas(listed: list[dict[str, Any]]) -> list[Schema]:
    """The schemas that runtimes/inside/list_kernels.py wrote."""
    return [
        Schema(
            s["name"],
            s["domain"],
            s["version"],
            tuple(Parameter(*p) for p in s["inputs"]),
            tuple(Parameter(*p) for p in s["outputs"]),
            s["least"],
            s["least_outputs"],
            {name: elements(types) for name, types in s["constraints"].items()},
            {name: (kind, required) for name, (kind, required) in s["attributes"].items()},
        )
        for s in listed
    ]


def elements(types: Any) -> frozenset[str]:
    """The element types of tensor types; where there are none, the other types as they are."""
    tensors = [t for t in types if t.startswith("tensor(")]
    return frozenset(t.removeprefix("tensor(").removesuffix(")") for t in tensors or types)
