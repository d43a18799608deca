"""From an ONNX file to records: decoded, checked, local functions put in their places."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import onnx
from onnx import AttributeProto, TensorProto, helper

from lenetc.importer.errors import OnnxError
from lenetc.importer.files.arrays import array
from lenetc.importer.files.composed import composed
from lenetc.importer.files.inlining import OPSET, inlined
from lenetc.importer.files.lifting import lifted
from lenetc.importer.files.linear import with_weights
from lenetc.importer.files.original import without_weights
from lenetc.importer.files.schema import differences
from lenetc.importer.files.source import Source, read_model
from lenetc.importer.records import OnnxFile, OnnxGraph, OnnxNode, Port, Problem
from lenetc.importer.registry import TABLE

_RANGE = (6, 28)  # opsets of ai.onnx whose operators are known
_DEEPEST = 50  # bodies in bodies


def read(source: Source) -> OnnxFile:
    """The records of a model. Raises OnnxError for anything that is no model, or a broken one, FileNotFoundError where
    there is no file."""
    model, folder = read_model(source)
    try:
        return Reader(model, folder).file()
    except OnnxError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError) as error:
        raise OnnxError(f"the model is broken: {type(error).__name__}: {error}") from error


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
        self.given = model
        self.model = composed(model, TABLE)
        self.nodes = inlined(self.model)
        self.problems: list[Problem] = []

    def file(self) -> OnnxFile:
        """The model. Raises OnnxError where it is broken."""
        producer = " ".join(part for part in (self.model.producer_name, self.model.producer_version) if part)
        graph = with_weights(lifted(self._graph(self.model.graph, frozenset(), 0)))
        skeleton = without_weights(self.given)
        return OnnxFile(graph, self.opsets, self.model.ir_version, producer, tuple(self.problems), skeleton)

    def _graph(self, proto: onnx.GraphProto, outer: frozenset[str], depth: int) -> OnnxGraph:
        if depth > _DEEPEST:
            raise OnnxError(f"more than {_DEEPEST} bodies stand one in the other")
        initializers = {}
        for tensor in proto.initializer:
            if tensor.name in initializers:
                raise OnnxError(f"two initializers are named {tensor.name!r}")
            initializers[tensor.name] = array(tensor, self.folder)
        if proto.sparse_initializer:
            names = ", ".join(repr(sparse.values.name) for sparse in proto.sparse_initializer)
            raise OnnxError(f"sparse initializers are not read: {names}; make them dense")
        inputs = tuple(_port(value) for value in proto.input if value.name not in initializers)
        own = [*initializers, *(port.name for port in inputs)]
        if len(set(own)) < len(own):
            twice = next(name for name in own if own.count(name) > 1)
            raise OnnxError(f"two inputs of the graph {proto.name!r} are named {twice!r}")
        seen = {*outer, *own}
        nodes: list[OnnxNode] = []
        for node in _ordered(proto.node if depth else self.nodes, seen, set(own), proto.name):
            nodes.append(self._node(node, len(nodes), seen, depth))
            seen.update(name for name in node.output if name)
        outputs = tuple(_port(value) for value in proto.output)
        if missing := [port.name for port in outputs if port.name not in seen]:
            raise OnnxError(f"outputs that nothing computes: {', '.join(map(repr, missing))}")
        if not outputs and not depth:
            raise OnnxError("the graph of the model has no outputs")
        inner = {value.name: _port(value) for value in proto.value_info}
        return OnnxGraph(proto.name, inputs, outputs, tuple(nodes), initializers, inner)

    def _node(self, node: onnx.NodeProto, index: int, known: set[str], depth: int) -> OnnxNode:
        domain = _domain(node.domain)
        told = [int(entry.value) for entry in node.metadata_props if entry.key == OPSET]
        opset = told[0] if told else self.opsets.get(domain)
        if opset is None:
            raise OnnxError(
                f"{node.op_type} {node.name!r} is of the domain {node.domain!r}, of which the model imports no opset"
            )
        attributes: dict[str, Any] = {}
        made = OnnxNode(
            _name(node, index),
            domain,
            node.op_type,
            opset,
            tuple(node.input),
            tuple(node.output),
            attributes,
            _module(node),
        )
        wrong = list(differences(node, made.opset, domain))
        self.problems += [Problem(made, reason) for reason in wrong]
        for attribute in node.attribute:
            if not wrong:
                attributes[attribute.name] = self._attribute(attribute, made, known, depth)
        return made

    def _attribute(self, attribute: AttributeProto, node: OnnxNode, known: set[str], depth: int) -> Any:
        kinds = AttributeProto
        if attribute.ref_attr_name:
            raise OnnxError(f"{node}: the attribute {attribute.name!r} refers to a function's")
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
                return array(attribute.t, self.folder)
            case kinds.GRAPH:
                return self._graph(attribute.g, frozenset(known), depth + 1)
            case kinds.TYPE_PROTO:
                return attribute.tp.WhichOneof("value") or ""
            case _:
                self.problems.append(
                    Problem(node, f"the attribute {attribute.name!r} is of a type that is not read")
                )
                return None


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _name(node: onnx.NodeProto, index: int) -> str:
    """The node's name, or that of its first output; those that are numbers alone say nothing."""
    name = node.name or next((output for output in node.output if output), str(index))
    return f"{node.op_type}_{name}" if name.isdigit() else str(name)


def _module(node: onnx.NodeProto) -> str:
    """The path of the module of PyTorch's that a node comes from: its exporter says "['', 'net', 'net.fc', 'linear']",
    the last of which is the operation."""
    modules = _told(node, "pkg.torch.onnx.name_scopes")[:-1]
    return modules[-1] if modules else ""


def _told(proto: onnx.NodeProto | onnx.ValueInfoProto, key: str) -> tuple[str, ...]:
    """The strings, in Python's notation, that an exporter has left under `key`."""
    for entry in proto.metadata_props:
        if entry.key == key:
            with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
                found = ast.literal_eval(entry.value)
                return tuple(map(str, found)) if isinstance(found, (list, tuple)) else ()
    return ()


def _ordered(
    nodes: Sequence[onnx.NodeProto], seen: set[str], own: set[str], graph: str
) -> Iterator[onnx.NodeProto]:
    """`nodes`, each after those whose outputs it reads, as nearly all files have them. seen: what is there before.

    Raises OnnxError for circles, for values that nothing gives, and for such as two give.
    """
    given: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in node.output:
            if name and (name in given or name in own):
                raise OnnxError(f"the value {name!r} in the graph {graph!r} is given twice")
            given[name] = index
    reads = [_reads(node) for node in nodes]
    for node, names in zip(nodes, reads, strict=True):
        if absent := next((name for name in names if name not in given and name not in seen), None):
            raise OnnxError(
                f"{node.op_type} {node.name!r} in the graph {graph!r} reads {absent!r}, which no initializer, no input "
                "and no node gives"
            )
    if all(given.get(name, -1) < i for i, names in enumerate(reads) for name in names):
        yield from nodes
        return
    before = {i: {given[name] for name in names if name in given} for i, names in enumerate(reads)}
    try:
        yield from [nodes[i] for i in TopologicalSorter(before).static_order()]
    except CycleError as error:
        circle = ", ".join(repr(nodes[i].name or nodes[i].op_type) for i in error.args[1][:6])
        raise OnnxError(f"nodes of the graph {graph!r} wait for one another: {circle}") from None


def _reads(node: onnx.NodeProto) -> list[str]:
    """What a node reads, its bodies' reads of what is outside of them included."""
    found = [name for name in node.input if name]
    for attribute in node.attribute:
        if attribute.HasField("g"):
            body = attribute.g
            inside = {value.name for value in (*body.input, *body.initializer)}
            inside.update(name for inner in body.node for name in inner.output)
            read = [name for inner in body.node for name in _reads(inner)]
            read += [value.name for value in body.output]
            found += [name for name in read if name and name not in inside]
    return found


def _port(value: onnx.ValueInfoProto) -> Port:
    props = {entry.key: entry.value for entry in value.metadata_props}
    return Port(
        value.name,
        *_type(value),
        props.get("pkg.torch.export.graph_signature.InputSpec.kind", ""),
        _told(value, "pkg.onnxscript.optimizer.folded_from"),
    )


def _type(value: onnx.ValueInfoProto) -> tuple[str, tuple[int | str | None, ...] | None]:
    kind = value.type
    if not kind.HasField("tensor_type"):
        return kind.WhichOneof("value") or "", None
    tensor = kind.tensor_type
    if tensor.elem_type and tensor.elem_type not in TensorProto.DataType.values():
        raise OnnxError(f"{value.name!r} is of the type {tensor.elem_type}, which there is none of")
    dtype = TensorProto.DataType.Name(tensor.elem_type).lower() if tensor.elem_type else ""
    if not tensor.HasField("shape"):
        return dtype, None
    shape = tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim
    )
    if any(isinstance(dim, int) and dim < 0 for dim in shape):
        raise OnnxError(f"{value.name!r} has the shape {list(shape)}")
    return dtype, shape
