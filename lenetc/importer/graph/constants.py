"""What of a graph depends on neither inputs nor weights is computed once, when it is imported."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lenetc.importer.interpreter import Context, apply
from lenetc.importer.records import OnnxGraph
from lenetc.importer.values import Host, Value, array_of, need_few
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor

_RANDOM = (
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Bernoulli",
    "Multinomial",
    "Dropout",  # random when it trains
)


def constants(graph: OnnxGraph, varying: set[str]) -> dict[str, Host]:
    """The outputs of nodes that read constants alone. varying: values that a node may not read for that."""
    known: dict[str, Value] = {
        name: array for name, array in graph.initializers.items() if name not in varying
    }
    found: dict[str, Host] = {}
    for node in graph.nodes:
        if node.operator in _RANDOM or node.bodies or any(name and name not in known for name in node.inputs):
            continue
        if all(name in varying for name in node.outputs if name):
            continue
        with set_grad_enabled(False):
            outputs = apply(node, [known[name] if name else None for name in node.inputs], Context())
        for name, value in zip(node.outputs, outputs, strict=False):
            array = _computed(value)
            if name and name not in varying and isinstance(array, np.ndarray):
                known[name] = found[name] = array
    return found


def _computed(value: Value) -> Value:
    if not isinstance(value, Tensor):
        return value
    need_few(value.shape)
    return array_of(value)


def held(graph: OnnxGraph, found: Mapping[str, Host]) -> dict[str, Host]:
    """Of the folded values those that stand for weights: what Constant and ConstantOfShape nodes give, and the floating
    point numbers that quantized weights are."""
    return {
        name: found[name]
        for node in graph.nodes
        if node.operator in ("Constant", "ConstantOfShape", "DequantizeLinear") and not node.domain
        for name in node.outputs
        if name in found
    }
