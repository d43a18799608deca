"""`from_onnx`: from a file to a module."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.folding import constants, held
from lenetc.importer.interpreter import attributes_of, entry_of
from lenetc.importer.module import OnnxModule, module_of
from lenetc.importer.records import OnnxGraph
from lenetc.importer.training import own_statistics, with_dropout
from lenetc.importer.weights import weights

if TYPE_CHECKING:
    import onnx


def from_onnx(
    path_or_model: str | os.PathLike[str] | bytes | onnx.ModelProto,
    *,
    dropout: Mapping[str, float] | None = None,
) -> OnnxModule:
    """The network of an ONNX file as a module to train.

    dropout: puts dropout behind nodes, which in training sets parts of their output to zero: {"/fc1/Relu": 0.5}, or
        patterns of names.
    """
    from lenetc.importer.reading import Reader, read_model  # onnx is slow to import

    folder = Path(path_or_model).parent if isinstance(path_or_model, (str, os.PathLike)) else None
    graph = Reader(read_model(path_or_model), folder).graph()
    if problems := _problems(graph):
        raise OnnxOperatorError("; ".join(problems))
    graph = own_statistics(with_dropout(graph, dropout or {}))
    first = weights(graph, graph.initializers, [port.name for port in graph.outputs])
    varying = {weight.name for weight in first if weight.role != "constant"} | {p.name for p in graph.inputs}
    folded = constants(graph, varying)
    more = weights(graph, held(graph, folded), [port.name for port in graph.outputs])
    # What is computed of the constants that are trained after all is no constant.
    trained = {weight.name for weight in more if weight.role != "constant"}
    if trained:
        folded = constants(graph, varying | trained)
    return module_of(graph, [*first, *(w for w in more if w.name in trained)], folded)


def _problems(graph: OnnxGraph) -> list[str]:
    found = []
    for node in graph.nodes:
        try:
            attributes_of(entry_of(node), node)
        except OnnxOperatorError as error:
            found.append(str(error))
        for body in node.attributes.values():
            if isinstance(body, OnnxGraph):
                found += _problems(body)
    return found
