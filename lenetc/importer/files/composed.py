"""Operators that ONNX itself composes of others, where there is no function here for them: each node of such a one
becomes a call of a function that the model brings with it."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from onnx import FunctionProto, ModelProto, NodeProto, TypeProto, defs, helper, shape_inference

_DOMAIN = "composed"


def composed(model: ModelProto, known: Container[tuple[str, str]]) -> ModelProto:
    """`model` with functions in the place of ai.onnx's operators that are not `known` and that ONNX composes; those
    whose inputs are of types that it cannot tell stay, and those in bodies."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if not any(True for _ in _unknown(model, known, opset)):
        return model
    try:
        typed = shape_inference.infer_shapes(model)
    except (RuntimeError, ValueError):  # what is broken is told by those who read the nodes
        return model
    types = {
        port.name: port.type for port in (*typed.graph.input, *typed.graph.value_info, *typed.graph.output)
    }
    for tensor in typed.graph.initializer:
        types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    found = ModelProto()
    found.CopyFrom(model)
    for node, schema in list(_unknown(found, known, opset)):
        function = _function(schema, node, opset, types)
        if function is not None:
            function.name, function.domain = f"{node.op_type}_{len(found.functions)}", _DOMAIN
            node.op_type, node.domain = function.name, _DOMAIN
            found.functions.append(function)
    found.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    return found


def _unknown(
    model: ModelProto, known: Container[tuple[str, str]], opset: int
) -> Iterator[tuple[NodeProto, Any]]:
    for node in model.graph.node:
        if node.domain in ("", "ai.onnx") and ("", node.op_type) not in known:
            try:
                schema: Any = defs.get_schema(node.op_type, opset)
            except defs.SchemaError:
                continue
            is_whole = schema.min_input <= len(node.input) <= schema.max_input
            if is_whole and (schema.has_function or schema.has_context_dependent_function):
                yield node, schema


def _function(schema: Any, node: NodeProto, opset: int, types: dict[str, TypeProto]) -> FunctionProto | None:
    function = FunctionProto()
    if schema.has_function:
        function.ParseFromString(schema.get_function_with_opset_version(opset))
        return function
    if any(name and name not in types for name in node.input):
        return None
    given = [types.get(name, TypeProto()).SerializeToString() for name in node.input]
    function.ParseFromString(
        schema.get_context_dependent_function_with_opset_version(opset, node.SerializeToString(), given)
    )
    return function if function.node else None
