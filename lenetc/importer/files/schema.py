"""What ONNX's own schemas say of a node: counts of inputs and outputs, attributes and their types."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import AttributeProto


def differences(node: onnx.NodeProto, opset: int, domain: str) -> Iterator[str]:
    """What is wrong with `node` by the schema of its operator; nothing where there is none of it."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, domain)
    except onnx.defs.SchemaError:
        return
    for what, found, least, most in (
        ("inputs", len(node.input), schema.min_input, schema.max_input),
        ("outputs", len(node.output), schema.min_output, schema.max_output),
    ):
        if not least <= found <= most:
            wanted = (
                str(least) if least == most else f"{least} to {most}" if most < 1000 else f"{least} or more"
            )
            yield f"it has {found} {what}, not {wanted}"
    attributes = schema.attributes  # a new dict at each look
    for attribute in node.attribute:
        known = attributes.get(attribute.name)
        if known is None:
            yield f"ONNX has no attribute {attribute.name!r} of it"
        elif (wanted := str(known.type).rpartition(".")[2]) != (given := _type(attribute)):
            yield f"the attribute {attribute.name!r} is of the type {given}, not {wanted}"
    there = {attribute.name for attribute in node.attribute}
    for name, known in attributes.items():
        if known.required and name not in there:
            yield f"the attribute {name!r} is missing"


def _type(attribute: AttributeProto) -> str:
    types = AttributeProto.AttributeType
    return types.Name(attribute.type) if attribute.type in types.values() else str(attribute.type)
