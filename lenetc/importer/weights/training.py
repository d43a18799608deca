"""What a file that was exported for inference lacks to be trained: statistics of their own, and dropout."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np

from ir.types import Array
from lenetc.importer.errors import OnnxError
from lenetc.importer.interpreter import Context, apply
from lenetc.importer.records import OnnxGraph, OnnxNode
from lenetc.importer.values import Host, Value
from lenetc.importer.weights.roles import Weight
from lenetc.importer.weights.tying import module_of
from lenetc.tensors.tensor import Tensor

_STATISTICS = {3: "running_mean", 4: "running_var"}  # inputs of BatchNormalization


def own_statistics(graph: OnnxGraph) -> tuple[OnnxGraph, dict[str, str]]:
    """`graph`, where the running statistics of each batch normalization are initializers that nothing else reads; and
    what the file calls each of those that it has not.

    Exporters write values that are equal once: of an untrained network the variances are the scales, and the means of
    all layers are one. What an Identity, or another node that reads nothing but initializers, makes of them keeps its
    name; a copy is called after the scale's module. Normalizations with the same scale are one module that is used
    twice, and share their statistics.
    """
    given = {output: node for node in graph.nodes for output in node.outputs if output}
    elsewhere = _read_elsewhere(graph)
    initializers, nodes = dict(graph.initializers), []
    owners: dict[str, tuple[str, int]] = {}
    called: dict[tuple[str, str, int], str] = {}
    copies: dict[str, str] = {}
    for node in graph.nodes:
        inputs = list(node.inputs)
        for position, what in _STATISTICS.items():
            if not _is_statistic(node, position):
                continue
            name, scale = inputs[position], inputs[1]
            value = _computed(name, graph.initializers, given)
            if value is None:
                continue
            if name in elsewhere or owners.setdefault(name, (scale, position)) != (scale, position):
                module = scale.rpartition(".")[0] or module_of(node)
                wanted = f"{module}.{what}" if module else f"{name}_{what}_of_{node.name}"
                key = (name, scale, position)
                if key not in called:
                    called[key] = _free(wanted, initializers.keys() | given.keys())
                inputs[position] = called[key]
            if inputs[position] not in graph.initializers:
                initializers[inputs[position]] = np.array(value)
                copies[inputs[position]] = _origin(name, given)
        nodes.append(replace(node, inputs=tuple(inputs)))
    nodes = [node for node in nodes if not any(output in copies for output in node.outputs)]
    return replace(graph, nodes=tuple(nodes), initializers=initializers), copies


def _read_elsewhere(graph: OnnxGraph) -> set[str]:
    """The values that are read as something else than statistics, or by nodes that make statistics of them."""
    found = {port.name for port in graph.outputs}
    for node in reversed(graph.nodes):
        if any(output in found for output in node.outputs) or any(
            _is_statistic(node, i) for i in _STATISTICS
        ):
            found.update(name for i, name in enumerate(node.inputs) if not _is_statistic(node, i))
    return found


def _origin(name: str, given: Mapping[str, OnnxNode]) -> str:
    """The value that `name` is made of in the end."""
    while name in given and given[name].inputs:
        name = given[name].inputs[0]
    return name


def _is_statistic(node: OnnxNode, position: int) -> bool:
    return node.operator == "BatchNormalization" and not node.domain and position in _STATISTICS


def _computed(name: str, initializers: Mapping[str, Array], given: Mapping[str, OnnxNode]) -> Host | None:
    """The value of `name`, if it is made of initializers alone."""
    if name in initializers:
        return initializers[name]
    node = given.get(name)
    if node is None or len(node.outputs) > 1:
        return None
    inputs: list[Value] = []
    for read in node.inputs:
        value = _computed(read, initializers, given) if read else None
        if read and value is None:
            return None
        inputs.append(value)
    (found,) = apply(node, inputs, Context())
    return (
        found.detach().numpy()
        if isinstance(found, Tensor)
        else found
        if isinstance(found, np.ndarray)
        else None
    )


def _free(name: str, taken: set[str]) -> str:
    found, n = name, 2
    while found in taken:
        found, n = f"{name}_{n}", n + 1
    return found


def is_folded(weight: Weight) -> bool:
    """Whether a batch normalization seems to have been folded into `weight`, by what exporters call it and its node."""
    return weight.array.ndim > 1 and any(_has_folded(node, weight.name) for node in weight.readers)


def _has_folded(node: OnnxNode, weight: str) -> bool:
    if node.operator not in ("Conv", "ConvTranspose", "Gemm", "MatMul") or node.domain:
        return False
    if re.fullmatch(r"onnx::Conv\w*_\d+", weight):  # PyTorch's older exporter
        return True
    if re.fullmatch(r"node_[A-Z]\w*_\d+", node.name) and re.fullmatch(r"getitem(_\d+)?", node.outputs[0]):
        return True  # the newer one: a part of what a batch normalization returns
    names = (*node.inputs[1:], *node.outputs)
    return any(re.search(r"batch_?norm|(^|[/._])bn\d*([/._]|$)", name, re.IGNORECASE) for name in names)


def with_dropout(graph: OnnxGraph, dropout: Mapping[str, float]) -> OnnxGraph:
    """`graph` with a Dropout behind the first output of each node that `dropout` names, by its name or a pattern of
    names ("*/attn/Softmax"), with the probability beside it. Where several patterns mean a node, the last one counts.

    Raises OnnxError for a name that no node has, and for probabilities that are none.
    """
    if not isinstance(dropout, Mapping):
        raise OnnxError(f"dropout is of nodes and probabilities, as {{'*/Relu': 0.5}}, not {dropout!r}")
    for name, p in dropout.items():
        if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p <= 1 or math.isnan(p):
            raise OnnxError(f"dropout: {name!r}: {p!r} is no probability")
    left = set(dropout)
    found = _with_dropout(graph, dropout, left)
    if left:
        names = ", ".join(repr(node.name) for node in graph.nodes[:12])
        raise OnnxError(
            f"dropout: no node is called {', '.join(map(repr, sorted(left)))}; the nodes are called {names}"
            + (", ..." if len(graph.nodes) > 12 else "")
        )
    return found


def _with_dropout(graph: OnnxGraph, dropout: Mapping[str, float], left: set[str]) -> OnnxGraph:
    """`graph`, its bodies included. left: takes out of it the names that were found."""
    nodes = []
    for node in graph.nodes:
        bodies = {
            key: _with_dropout(value, dropout, left)
            for key, value in node.attributes.items()
            if isinstance(value, OnnxGraph)
        }
        if bodies:
            node = replace(node, attributes={**node.attributes, **bodies})
        meant = [name for name in dropout if name == node.name or fnmatchcase(node.name, name)]
        left.difference_update(meant)
        if not meant:
            nodes.append(node)
            continue
        exact = [name for name in meant if name == node.name]
        whole, inner = node.outputs[0], f"{node.outputs[0]}_before_dropout"
        nodes.append(replace(node, outputs=(inner, *node.outputs[1:])))
        attributes = {"ratio": float(dropout[(exact or meant)[-1]])}
        nodes.append(
            OnnxNode(f"{node.name}_dropout", "", "Dropout", node.opset, (inner,), (whole,), attributes)
        )
    return replace(graph, nodes=tuple(nodes))
