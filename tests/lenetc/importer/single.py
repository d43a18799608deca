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


def model(
    operator: str,
    inputs: Sequence[Array | None],
    attributes: dict[str, Any],
    opset: int,
    outputs: int,
    fixed: Any,
) -> onnx.ModelProto:
    """fixed: the positions of the inputs that are initializers."""
    names = ["" if array is None else f"x{i}" for i, array in enumerate(inputs)]
    given = [
        (i, name, array)
        for i, (name, array) in enumerate(zip(names, inputs, strict=True))
        if array is not None
    ]
    node = helper.make_node(operator, names, [f"y{i}" for i in range(outputs)], **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), list(array.shape)
            )
            for i, name, array in given
            if i not in fixed
        ],
        [onnx.ValueInfoProto(name=name) for name in node.output],
        [numpy_helper.from_array(array, name) for i, name, array in given if i in fixed],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def compared(
    operator: str,
    inputs: Sequence[Array | None],
    attributes: dict[str, Any],
    opset: int,
    outputs: int = 1,
    fixed: Collection[int] = (),
) -> str:
    """What is different from ONNX Runtime's results, or ""."""
    proto = model(operator, inputs, attributes, opset, outputs, fixed)
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
