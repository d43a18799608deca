"""Weights inside of models that were emitted before: replaced, made inputs, or kept in a file beside."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto, helper
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

from ir.types import Array
from passes.emit.builder import EmitError
from passes.emit.external import fill, named, tensors


def external_files(content: bytes) -> set[str]:
    """Names of the files that hold tensors of a model and are not the model's own."""
    if b"location" not in content:  # which every tensor that is kept elsewhere has in its entry
        return set()
    return {
        entry.value
        for tensor in tensors(_model(content))
        if uses_external_data(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    }


def initializers(content: bytes) -> dict[str, tuple[str, list[int]]]:
    """(dtype, shape) of the tensors inside of a model by name."""
    return {tensor.name: _type(tensor) for tensor in _model(content).graph.initializer}


def with_weights(content: bytes, weights: Mapping[str, Array], folder: Path) -> ModelProto:
    """A model with the initializers that `weights` names replaced, and all other tensors inside, those from files in
    `folder` as well.

    What was computed from a weight when the model was made would be stale: no model that is emitted here has such
    tensors. Raises EmitError for a weight that the model lacks, or has in another dtype or shape.
    """
    model = _model(content)
    found = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, array in weights.items():
        value = np.asarray(array)
        tensor = named(value, name)
        if name not in found or _type(found[name]) != _type(tensor):
            has = _type(found[name]) if name in found else "none"
            raise EmitError(f"the model's weight {name} is {has}, not {_type(tensor)}")
        fill(found[name], value)
    _load_rest(model, folder)
    return model


def weights_as_inputs(content: bytes, names: Collection[str], folder: Path) -> bytes:
    """A model whose initializers of these names are inputs, without a value; other tensors are as in
    `with_weights`."""
    model = _model(content)
    graph = model.graph
    weights = [tensor for tensor in graph.initializer if tensor.name in names]
    rest = [tensor for tensor in graph.initializer if tensor.name not in names]
    inputs = {value.name for value in graph.input}
    graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in weights
        if tensor.name not in inputs
    )
    smaller = GraphProto()
    smaller.CopyFrom(graph)
    del smaller.initializer[:]
    smaller.initializer.extend(rest)
    graph.CopyFrom(smaller)
    _load_rest(model, folder)
    return bytes(model.SerializeToString())


def _model(content: bytes) -> ModelProto:
    try:
        model: ModelProto = ModelProto.FromString(content)
    except DecodeError as error:
        raise EmitError(f"this is no ONNX model ({error})") from None
    return model


def _load_rest(model: ModelProto, folder: Path) -> None:
    for tensor in tensors(model):
        if uses_external_data(tensor):
            load_external_data_for_tensor(tensor, str(folder))
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]


def _type(tensor: TensorProto) -> tuple[str, list[int]]:
    dtype: Any = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return np.dtype(dtype).name, list(tensor.dims)
