"""Small ONNX models, put together in a line or two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ir.types import Array

node = helper.make_node


def port(name: str, *shape: int | str, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def made(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Mapping[str, Array],
    opset: int = 17,
) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "net", inputs, outputs, initializers)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, producer_name="test"
    )


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def mlp() -> onnx.ModelProto:
    """x [N,4] -> logits [N,2] by two layers, the hidden one `feature`; names of Keras's, of PyTorch's, and unlucky."""
    nodes = [
        node("MatMul", ["x", "enc.fc.weight"], ["h"], name="/enc/fc/MatMul"),
        node("Add", ["h", "forward"], ["feature"], name="/enc/fc/Add"),
        node("Relu", ["feature"], ["r"]),
        node("MatMul", ["r", "head/kernel:0"], ["logits"]),
    ]
    weights = {"enc.fc.weight": normal(4, 3), "forward": normal(3), "head/kernel:0": normal(3, 2)}
    return made(nodes, [port("x", "N", 4)], [port("logits", "N", 2)], weights)
