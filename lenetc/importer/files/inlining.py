"""Functions that a model brings with it, put in the places where they are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import onnx

from lenetc.importer.errors import OnnxError
from lenetc.importer.names import free

OPSET = "lenetc.opset"  # what a node of a function has of it among its metadata
_MOST = 1_000_000  # nodes of a graph

_Key = tuple[str, str, str]


def inlined(model: onnx.ModelProto) -> Sequence[onnx.NodeProto]:
    """The nodes of the main graph without calls of functions of the model's own. What comes of a call is called after
    it, "call/node", and says with OPSET which opset its function is of.

    (`onnx.inliner` leaves out defaults of attributes and functions of other opsets, and copies weights.) Raises
    OnnxError for functions that call themselves.
    """
    if not model.functions:
        return list(model.graph.node)
    _need_end(model)
    taken = {tensor.name for tensor in model.graph.initializer} | {port.name for port in model.graph.input}
    for node in nodes_of(model.graph.node):
        taken.update(node.output)
    return list(_Inliner(model, taken).expanded(model.graph.node, None))


class _Inliner:
    """taken: names of values that there are."""

    def __init__(self, model: onnx.ModelProto, taken: set[str]) -> None:
        self.functions = {_key(f.domain, f.name, f.overload): f for f in model.functions}
        self.taken = taken

    def expanded(
        self, nodes: Iterable[onnx.NodeProto], opsets: Mapping[str, int] | None
    ) -> Iterator[onnx.NodeProto]:
        """`nodes` and what calls among them stand for. opsets: of the function that they are of, if they are."""
        for node in nodes:
            function = self.functions.get(_key(node.domain, node.op_type, node.overload))
            if function is not None:
                made = {_domain(entry.domain): entry.version for entry in function.opset_import}
                yield from self.expanded(self._called(function, node), made)
                continue
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            if opsets is not None and (version := opsets.get(_domain(node.domain))) is not None:
                copy.metadata_props.add(key=OPSET, value=str(version))
            for body in _bodies(copy):
                inner = list(self.expanded(body.node, opsets))
                del body.node[:]
                body.node.extend(inner)
            yield copy

    def _called(self, function: onnx.FunctionProto, call: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The nodes of `function` with the names and the attributes of `call`."""
        if len(call.input) > len(function.input) or len(call.output) > len(function.output):
            raise OnnxError(
                f"{call.op_type} {call.name!r} has {len(call.input)} inputs and {len(call.output)} outputs; its "
                f"function has {len(function.input)} and {len(function.output)}"
            )
        prefix = call.name or next((name for name in call.output if name), call.op_type)
        given = {attribute.name: attribute for attribute in (*function.attribute_proto, *call.attribute)}
        names = {name: call.input[i] if i < len(call.input) else "" for i, name in enumerate(function.input)}
        nodes = []
        for i, name in enumerate(function.output):
            output = call.output[i] if i < len(call.output) else ""
            if not output:
                continue
            if name in names:  # an input, or an output for the second time
                nodes.append(onnx.NodeProto(op_type="Identity", input=[names[name]], output=[output]))
            else:
                names[name] = output
        made = []
        for node in function.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = f"{prefix}/{node.name or node.op_type}"
            self._rename(copy, names, prefix)
            _resolve(copy, given)
            made.append(copy)
        return [*made, *nodes]

    def _rename(self, node: onnx.NodeProto, names: dict[str, str], prefix: str) -> None:
        """Give the values of a function's `node` names that are free where it is called."""
        node.input[:] = [names.get(name, name) for name in node.input]
        for body in _bodies(node):
            inner = dict(names)
            for port in (*body.input, *body.initializer):
                inner[port.name] = self._free(port.name, prefix)
                port.name = inner[port.name]
            for child in body.node:
                self._rename(child, inner, prefix)
            for port in body.output:
                port.name = inner.get(port.name, port.name)
            del body.value_info[:]
        for name in node.output:
            if name and name not in names:
                names[name] = self._free(name, prefix)
        node.output[:] = [names.get(name, name) for name in node.output]

    def _free(self, name: str, prefix: str) -> str:
        found = free(f"{prefix}/{name}", self.taken)
        self.taken.add(found)
        return found


def _resolve(node: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto]) -> None:
    """Put the call's attributes in the places of references to them; those that nobody gives are absent."""
    for i in reversed(range(len(node.attribute))):
        attribute = node.attribute[i]
        if not attribute.ref_attr_name:
            continue
        value, name = given.get(attribute.ref_attr_name), attribute.name
        if value is None:
            del node.attribute[i]
        else:
            attribute.CopyFrom(value)
            attribute.name = name
    for body in _bodies(node):
        for child in body.node:
            _resolve(child, given)


def _bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g


def nodes_of(nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """`nodes` and those of their bodies."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from nodes_of(body.node)


def _need_end(model: onnx.ModelProto) -> None:
    functions = {_key(f.domain, f.name, f.overload): f for f in model.functions}
    sizes: dict[_Key, int] = {}

    def size(nodes: Sequence[onnx.NodeProto], inside: tuple[_Key, ...]) -> int:
        """The nodes that `nodes` become."""
        total = 0
        for node in nodes_of(nodes):
            key = _key(node.domain, node.op_type, node.overload)
            if key in inside:
                raise OnnxError(f"the function {node.op_type!r} of the model calls itself")
            if key in functions and key not in sizes:
                sizes[key] = size(functions[key].node, (*inside, key))
            total += sizes.get(key, 1)
        return total

    if size(model.graph.node, ()) > _MOST:
        raise OnnxError(f"the functions of the model make a graph of more than {_MOST} nodes")


def _key(domain: str, name: str, overload: str) -> _Key:
    return _domain(domain), name, overload


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain
