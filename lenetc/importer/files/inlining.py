"""Functions that a model brings with it, put in the places where they are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx
from onnx import inliner

from lenetc.importer.errors import OnnxError

_MOST = 1_000_000  # nodes of a graph

_Key = tuple[str, str, str]


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` without functions of its own. Raises OnnxError for functions that call themselves."""
    if not model.functions:
        return model
    _need_end(model)
    try:
        return inliner.inline_local_functions(model)
    except (RuntimeError, ValueError, TypeError) as error:
        raise OnnxError(f"the functions of the model cannot be put in their places: {error}") from None


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
    return "" if domain == "ai.onnx" else domain, name, overload
