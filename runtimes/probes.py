"""Models of one node, which tell whether a runtime has a kernel for an operator and the element types in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto, helper

from runtimes.schemas import Schema

TYPES = (
    "float float16 bfloat16 double int8 uint8 int16 int32 uint32 int64 uint64 bool".split()
)  # that a step may hold

# What is an input of the graph has no known shape, so that these attributes fit.
_REQUIRED: dict[str, Any] = {
    "axis": 0,
    "axes": [0],
    "blocksize": 2,
    "block_size": 2,
    "bits": 4,
    "K": 32,
    "N": 32,
    "equation": "ij->ij",
    "kernel_shape": [2, 2],
    "num_heads": 1,
    "perm": [0],
    "pooled_shape": [2, 2],
    "scale": 1.0,
    "shape": [2],
    "size": 3,
    "spatial_scale": 1.0,
    "epsilon": 1e-5,
    "groups": 1,
    "activation": 0,
    "activation_type": "relu",
    "scales": [1.0],
    "starts": [0],
    "ends": [1],
    "direction": "LEFT",
    "num_groups": 1,
    "num_scan_inputs": 1,
    "qkv_hidden_sizes": [1, 1, 1],
}
_BODIES = ("If", "Loop", "Scan")
_OF_TYPE = ("to", "dtype", "output_datatype", "output_dtype")  # attributes that name the output's type


@dataclass(frozen=True)
class Probe:
    """A model of one node. types: the element type of each type constraint that its inputs and outputs name."""

    operator: str
    version: int
    types: tuple[tuple[str, str], ...]
    model: bytes


def probes(schema: Schema, opset: int, ir_version: int) -> Iterator[Probe]:
    """A probe for each combination of element types that `schema` allows."""
    inputs = schema.inputs if schema.name in _BODIES else schema.inputs[: schema.least]
    outputs = schema.outputs[: schema.least_outputs]
    names = list(dict.fromkeys(p.type for p in (*inputs, *outputs) if p.type in schema.constraints))
    allowed = [[t for t in TYPES if t in schema.constraints[name]] for name in names]
    for chosen in itertools.product(*allowed):
        types = dict(zip(names, chosen, strict=True))
        model = _model(schema, inputs, outputs, types, opset, ir_version)
        if model is not None:
            yield Probe(schema.key, schema.version, tuple(types.items()), model)


def _model(
    schema: Schema, inputs: Any, outputs: Any, types: dict[str, str], opset: int, ir_version: int
) -> bytes | None:
    def value(prefix: str, index: int, type_text: str) -> onnx.ValueInfoProto | None:
        name = types.get(type_text) or type_text.removeprefix("tensor(").removesuffix(")")
        if name not in TYPES:
            return None  # sequences, maps, strings
        return helper.make_tensor_value_info(f"{prefix}{index}", _number(name), None)

    read = [value("x", i, p.type) for i, p in enumerate(inputs)]
    written = [value("y", i, p.type) for i, p in enumerate(outputs)]
    if None in read or None in written:
        return None
    attributes: dict[str, Any] = {}
    for name, (kind, required) in schema.attributes.items():
        if name in _OF_TYPE and kind == "INT":
            attributes[name] = written[0].type.tensor_type.elem_type
        elif name == "value" and schema.key in ("ConstantOfShape", "Constant"):
            attributes[name] = helper.make_tensor("v", written[0].type.tensor_type.elem_type, [1], [0])
        elif kind == "GRAPH":
            attributes[name] = _body(schema.name, read, written)
        elif required:
            if name not in _REQUIRED:
                return None
            attributes[name] = _REQUIRED[name]
    node = helper.make_node(
        schema.name, [v.name for v in read], [v.name for v in written], domain=schema.domain, **attributes
    )
    graph = helper.make_graph([node], "probe", read, written)
    imports = [helper.make_opsetid("", opset)]
    if schema.domain:
        imports.append(helper.make_opsetid(schema.domain, 1))
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version).SerializeToString()


def _body(
    name: str, read: Sequence[onnx.ValueInfoProto], written: Sequence[onnx.ValueInfoProto]
) -> onnx.GraphProto:
    """The branch of an If, or a Loop or Scan that hands on what it was given."""
    types = [value.type.tensor_type.elem_type for value in (written if name == "If" else read)]
    if name == "If":
        nodes = [helper.make_node("Constant", [], ["b0"], value=helper.make_tensor("v", types[0], [1], [0]))]
        return helper.make_graph(nodes, "body", [], [helper.make_tensor_value_info("b0", types[0], None)])
    first = 1 if name == "Loop" else 0  # the number of the iteration is not handed on
    nodes = [helper.make_node("Identity", [f"a{i}"], [f"b{i}"]) for i in range(first, len(types))]
    ins, outs = (
        [helper.make_tensor_value_info(f"{letter}{i}", t, None) for i, t in enumerate(types)]
        for letter in "ab"
    )
    return helper.make_graph(nodes, "body", ins, outs[first:])


def smallest(opset: int, ir_version: int) -> bytes:
    """A model that says only for which opset and IR version it is written."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "probe", [x], [y])
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version).SerializeToString()


def _number(name: str) -> int:
    return int(TensorProto.DataType.Value(name.upper()))
