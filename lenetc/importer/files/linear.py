"""Linear models of ai.onnx.ml hold their weights as attributes, of all classes in a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ir.types import Array
from lenetc.importer.errors import OnnxError
from lenetc.importer.records import OnnxGraph


def with_weights(graph: OnnxGraph) -> OnnxGraph:
    """`graph`, in which linear models read their coefficients [C,F] and intercepts [C] from initializers."""
    initializers: dict[str, Array] = dict(graph.initializers)
    nodes = []
    for node in graph.nodes:
        if node.domain != "ai.onnx.ml" or node.operator not in ("LinearClassifier", "LinearRegressor"):
            nodes.append(node)
            continue
        attributes = dict(node.attributes)
        weight = np.asarray(attributes.pop("coefficients"), np.float32)
        bias = np.asarray(attributes.pop("intercepts", ()), np.float32)
        classes = attributes.get("classlabels_ints") or attributes.get("classlabels_strings") or ()
        rows = len(bias) or len(classes) or int(attributes.get("targets", 1))
        if len(weight) % rows:
            raise OnnxError(f"{node}: {len(weight)} coefficients are no matrix of {rows} rows")
        arrays = {"weight": weight.reshape(rows, -1)} | ({"bias": bias} if len(bias) else {})
        names = [f"{node.name}.{name}" for name in arrays]
        initializers.update(zip(names, arrays.values(), strict=True))
        nodes.append(replace(node, inputs=(*node.inputs, *names), attributes=attributes))
    return replace(graph, nodes=tuple(nodes), initializers=initializers)
