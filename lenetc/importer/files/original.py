"""The model of a file without the numbers of its weights, and with other ones put in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import Message
from onnx import TensorProto

from ir.types import Array
from lenetc.importer.files.inlining import nodes_of
from passes.emit.external import fill, named

_SMALL = 256  # bytes of an initializer that stays as it is: shapes, places, single numbers


def without_weights(model: onnx.ModelProto) -> bytes:
    """`model`, of the larger initializers only names, types and shapes. Their numbers are not copied meanwhile."""
    found = onnx.ModelProto()
    _copy(model, found, "graph")
    _copy(model.graph, found.graph, "initializer")
    for tensor in model.graph.initializer:
        small = tensor.data_location != TensorProto.EXTERNAL and tensor.ByteSize() <= _SMALL
        found.graph.initializer.append(
            tensor if small else TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
        )
    return bytes(found.SerializeToString())


def _copy(source: Any, target: Any, but: str) -> None:
    for field, value in source.ListFields():
        if field.name == but:
            continue
        place = getattr(target, field.name)
        if isinstance(value, Message):
            place.CopyFrom(value)
        elif hasattr(place, "extend"):
            place.extend(value)
        else:
            setattr(target, field.name, value)


def with_weights(
    skeleton: bytes, weights: Mapping[str, Array], constants: Mapping[str, Array]
) -> onnx.ModelProto | None:
    """The model that `without_weights` made `skeleton` of, with `weights` as its initializers, and in the place of
    nodes that give a constant; None where it cannot hold them. constants: where other initializers are found.

    It cannot where it lacks one or has it in another type or shape, and where it is made for training: there is no
    evaluation in it.
    """
    model = onnx.ModelProto.FromString(skeleton)
    if any(_trains(node, model) for node in nodes_of(model.graph.node)):
        return None
    left = dict(weights)
    for tensor in model.graph.initializer:
        array = left.pop(tensor.name, None)
        if array is None and _is_filled(tensor):
            continue
        if array is None and (array := constants.get(tensor.name)) is None:
            return None
        like = named(np.asarray(array), tensor.name)
        if (like.data_type, [*like.dims]) != (tensor.data_type, [*tensor.dims]):
            return None
        fill(tensor, np.asarray(array))
    for node in list(model.graph.node):
        if node.op_type in ("Constant", "ConstantOfShape") and node.output[0] in left:
            model.graph.node.remove(node)
            array = np.asarray(left.pop(node.output[0]))
            tensor = model.graph.initializer.add()
            tensor.CopyFrom(named(array, node.output[0]))
            fill(tensor, array)
    return None if left else model


def _is_filled(tensor: TensorProto) -> bool:
    return 0 in tensor.dims or any(
        field.name.endswith("_data") and field.name != "external_data" for field, _ in tensor.ListFields()
    )


def _trains(node: onnx.NodeProto, model: onnx.ModelProto) -> bool:
    if node.op_type == "BatchNormalization":
        return sum(map(bool, node.output)) > 1 or any(
            a.name == "training_mode" and a.i for a in node.attribute
        )
    return node.op_type == "Dropout" and len(node.input) > 2 and bool(node.input[2])
