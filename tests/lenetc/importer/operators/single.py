"""Models of one node, run here and by ONNX Runtime."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

import lenetc
from ir.types import Array
from lenetc.importer.errors import OnnxWarning


def node_model(
    operator: str,
    inputs: Sequence[Array | None],
    attributes: dict[str, Any],
    opset: int = 17,
    domain: str = "",
    outputs: str = "y",
    constant: Collection[int] = (),
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


def compared(
    operator: str,
    inputs: Sequence[Array | None],
    attributes: dict[str, Any],
    opset: int,
    outputs: int = 1,
    fixed: Collection[int] = (),
) -> str:
    """What is different from ONNX Runtime's results, or ""."""
    proto = node_model(operator, inputs, attributes, opset, outputs="y" * outputs, constant=fixed)
    feeds = {f"x{i}": array for i, array in enumerate(inputs) if array is not None and i not in fixed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OnnxWarning)  # that an array may be a table or a weight
        results = lenetc.from_onnx(proto)(*feeds.values())
    found = [result.detach().numpy() for result in (results if isinstance(results, tuple) else (results,))]
    return difference(found, proto, feeds)


def difference(found: Sequence[Array], proto: onnx.ModelProto, feeds: dict[str, Array]) -> str:
    """What of `found` is different from ONNX Runtime's results, or ""."""
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for own, other in zip(found, session.run(None, feeds), strict=True):
        wanted = np.asarray(other)
        if (own.dtype, own.shape) != (wanted.dtype, wanted.shape):
            return f"{own.dtype}{own.shape}, not {wanted.dtype}{wanted.shape}"
        if not np.allclose(own, wanted, 1e-5, 1e-5, equal_nan=True):
            return f"{own.ravel()[:6]}, not {wanted.ravel()[:6]}"
    return ""
