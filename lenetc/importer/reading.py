"""From an ONNX file to records: decoded, checked, local functions put in their places."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - importing it teaches NumPy the name bfloat16
import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, TensorProto, helper, inliner, numpy_helper

from ir.types import Array
from lenetc.importer.errors import OnnxError
from lenetc.importer.records import OnnxGraph, OnnxNode, Port

_RANGE = (6, 28)  # opsets of ai.onnx whose operators are known


def read_model(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> onnx.ModelProto:
    """The model of a path, of a file's content or as it is; external data stay outside. Raises OnnxError for anything
    that is no model, FileNotFoundError where there is no file."""
    if isinstance(source, onnx.ModelProto):
        return source
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    what = "the content" if isinstance(source, bytes) else str(source)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise OnnxError(f"{what} is no ONNX model, or a damaged one: {error}") from None
    if not model.HasField("graph") or not model.opset_import:
        raise OnnxError(
            f"{what} is no ONNX model: it has no {'opset' if model.HasField('graph') else 'graph'}"
        )
    return model


class Reader:
    """Turns the parts of one model into records. folder: where external data stand, None for a model in memory."""

    def __init__(self, model: onnx.ModelProto, folder: Path | None) -> None:
        self.folder = folder
        self.opsets = {_domain(entry.domain): entry.version for entry in model.opset_import}
        version = self.opsets.get("", _RANGE[1])
        if not _RANGE[0] <= version <= _RANGE[1]:
            raise OnnxError(
                f"the model is of opset {version}; {_RANGE[0]} to {_RANGE[1]} are known. onnx.version_converter makes "
                "others of it"
            )
        if model.functions:
            model = inliner.inline_local_functions(model)
        self.model = model

    def graph(self) -> OnnxGraph:
        """The main graph. Raises OnnxError where it is broken."""
        return self._graph(self.model.graph, frozenset())

    def _graph(self, proto: onnx.GraphProto, outer: frozenset[str]) -> OnnxGraph:
        initializers = {}
        for tensor in proto.initializer:
            if tensor.name in initializers:
                raise OnnxError(f"two initializers are named {tensor.name!r}")
            initializers[tensor.name] = self.array(tensor)
        if proto.sparse_initializer:
            names = ", ".join(repr(sparse.values.name) for sparse in proto.sparse_initializer)
            raise OnnxError(f"sparse initializers are not read: {names}; make them dense")
        inputs = tuple(_port(value) for value in proto.input if value.name not in initializers)
        known = outer | initializers.keys() | {port.name for port in inputs}
        nodes: list[OnnxNode] = []
        for node in _ordered(proto.node, known, proto.name):
            nodes.append(self._node(node, len(nodes), known))
            known |= frozenset(name for name in node.output if name)
        outputs = tuple(_port(value) for value in proto.output)
        if missing := [port.name for port in outputs if port.name not in known]:
            raise OnnxError(f"outputs that nothing computes: {', '.join(map(repr, missing))}")
        inner = {value.name: _port(value) for value in proto.value_info}
        return OnnxGraph(proto.name, inputs, outputs, tuple(nodes), initializers, inner)

    def _node(self, node: onnx.NodeProto, index: int, known: frozenset[str]) -> OnnxNode:
        domain = _domain(node.domain)
        name = node.name or next((output for output in node.output if output), f"{node.op_type}_{index}")
        if domain not in self.opsets:
            raise OnnxError(
                f"{node.op_type} {name!r} is of the domain {node.domain!r}, of which the model imports no opset"
            )
        attributes = {}
        for attribute in node.attribute:
            if attribute.ref_attr_name:
                raise OnnxError(
                    f"{node.op_type} {name!r}: the attribute {attribute.name!r} refers to a function's"
                )
            attributes[attribute.name] = self._attribute(attribute, f"{node.op_type} {name!r}", known)
        return OnnxNode(
            name, domain, node.op_type, self.opsets[domain], tuple(node.input), tuple(node.output), attributes
        )

    def _attribute(self, attribute: AttributeProto, of: str, known: frozenset[str]) -> Any:
        kinds = AttributeProto
        match attribute.type:
            case kinds.FLOAT | kinds.INT:
                return helper.get_attribute_value(attribute)
            case kinds.STRING:
                return attribute.s.decode(errors="replace")
            case kinds.FLOATS | kinds.INTS:
                return tuple(helper.get_attribute_value(attribute))
            case kinds.STRINGS:
                return tuple(text.decode(errors="replace") for text in attribute.strings)
            case kinds.TENSOR:
                return self.array(attribute.t)
            case kinds.GRAPH:
                return self._graph(attribute.g, known)
            case _:
                raise OnnxError(f"{of}: the attribute {attribute.name!r} is of a type that is not read")

    def array(self, tensor: TensorProto) -> Array:
        """The values of `tensor`; bf16 as ml_dtypes has it. Raises OnnxError where they do not fit its shape."""
        of = f"the tensor {tensor.name!r}"
        if any(dim < 0 for dim in tensor.dims):
            raise OnnxError(f"{of} has the shape {list(tensor.dims)}")
        try:
            if tensor.data_location == TensorProto.EXTERNAL:
                return self._external(tensor, of)
            return numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
            raise OnnxError(f"{of} {list(tensor.dims)} cannot be read: {error}") from None

    def _external(self, tensor: TensorProto, of: str) -> Array:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        place = entries.get("location", "")
        if self.folder is None:
            raise OnnxError(f"{of} stands in the file {place!r}: give the path of the model, not its content")
        path = (self.folder / place).resolve()
        if not place or not path.is_relative_to(self.folder.resolve()):
            raise OnnxError(f"{of} stands in {place!r}, outside of the folder of the model")
        if not path.is_file():
            raise OnnxError(f"{of} stands in {place!r}, which is not beside the model")
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        offset = int(entries.get("offset", 0))
        size = int(np.prod(tensor.dims, dtype=object)) * dtype.itemsize
        if offset < 0 or int(entries.get("length", size)) != size or offset + size > path.stat().st_size:
            raise OnnxError(
                f"{of} does not fit {place!r}: {size} bytes from {offset} of {path.stat().st_size}"
            )
        if not size:
            return np.zeros(tuple(tensor.dims), dtype)
        return np.memmap(path, dtype, "r", offset, tuple(tensor.dims))


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _ordered(nodes: Iterable[onnx.NodeProto], known: frozenset[str], graph: str) -> Iterator[onnx.NodeProto]:
    """`nodes`, each after those whose outputs it reads, as files have them but for broken ones. Raises OnnxError for
    circles, for values that nothing gives, and for such as two give."""
    seen, given = set(known), set[str]()
    for node in nodes:
        for name in node.input:
            if name and name not in seen:
                raise OnnxError(
                    f"{node.op_type} {node.name or ''!r} in the graph {graph!r} reads {name!r}, which no "
                    "initializer, no input and no node before it gives"
                )
        for name in node.output:
            if name and name in given:
                raise OnnxError(f"the value {name!r} in the graph {graph!r} is given twice")
            given.add(name)
        seen.update(node.output)
        yield node


def _port(value: onnx.ValueInfoProto) -> Port:
    kind = value.type
    if not kind.HasField("tensor_type"):
        return Port(value.name, kind.WhichOneof("value") or "", None)
    tensor = kind.tensor_type
    dtype = TensorProto.DataType.Name(tensor.elem_type).lower() if tensor.elem_type else ""
    if not tensor.HasField("shape"):
        return Port(value.name, dtype, None)
    shape = tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim
    )
    return Port(value.name, dtype, shape)
