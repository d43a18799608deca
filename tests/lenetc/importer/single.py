"""Models of one node, run here and by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

import lenetc
from ir.types import Array


def node_model(
    operator: str,
    inputs: Sequence[Array | None],
    attributes: dict[str, Any],
    opset: int = 17,
    domain: str = "",
    outputs: str = "y",
    constant: Sequence[int] = (),
) -> onnx.ModelProto:
    """A model of one node. inputs: None for absent ones; constant: which of them are initializers; outputs: a letter
    each, "-" for an absent one."""
    names = ["" if value is None else f"x{i}" for i, value in enumerate(inputs)]
    given = [
        (i, name, value)
        for i, (name, value) in enumerate(zip(names, inputs, strict=True))
        if value is not None
    ]
    results = [f"{letter}{i}" if letter != "-" else "" for i, letter in enumerate(outputs)]
    graph = helper.make_graph(
        [helper.make_node(operator, names, results, domain=domain, **attributes)],
        "net",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for i, name, value in given
            if i not in constant
        ],
        [helper.make_empty_tensor_value_info(name) for name in results if name],
        [numpy_helper.from_array(value, name) for i, name, value in given if i in constant],
    )
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def here(model: onnx.ModelProto, inputs: Sequence[Array | None]) -> list[Array]:
    """The outputs of `model` as lenetc computes them."""
    given = {f"x{i}": lenetc.tensor(value) for i, value in enumerate(inputs) if value is not None}
    results = lenetc.from_onnx(model)(**{port.name: given[port.name] for port in model.graph.input})
    results = results if isinstance(results, tuple) else (results,)
    return [result.detach().numpy() for result in results]


def runtimes(model: onnx.ModelProto, inputs: Sequence[Array | None]) -> list[Array]:
    """The outputs of `model` as ONNX Runtime computes them."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {f"x{i}": value for i, value in enumerate(inputs) if value is not None}
    feed = {port.name: given[port.name] for port in model.graph.input}
    return [np.asarray(value) for value in session.run(None, feed)]


def assert_same(found: list[Array], wanted: list[Array], rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """Raise AssertionError where dtypes, shapes or values differ."""
    assert [(x.dtype, x.shape) for x in found] == [(x.dtype, x.shape) for x in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=atol)
