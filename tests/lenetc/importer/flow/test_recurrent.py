"""LSTM, GRU and RNN of ONNX as ONNX Runtime computes them, whatever their attributes and optional inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import lenetc
from ir.errors import LenetcError
from ir.types import Array

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_SCALED = {"HardSigmoid": 2, "Affine": 2, "ScaledTanh": 2, "LeakyRelu": 1, "ThresholdedRelu": 1, "Elu": 1}
ACTIVATIONS = ("Relu", "Tanh", "Sigmoid", "Softsign", "Softplus", *_SCALED)


def _drawn(seed: int) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """A model of one node, and its inputs."""
    rng = np.random.default_rng(seed)
    operator = ("LSTM", "GRU", "RNN")[seed % 3]
    gates, directions = GATES[operator], int(rng.integers(1, 3))
    steps, batch, hidden = (int(rng.integers(low, 6)) for low in (2, 1, 1))
    direction = "bidirectional" if directions == 2 else ("forward", "reverse")[rng.integers(2)]
    attributes: dict[str, Any] = {"hidden_size": hidden, "direction": direction}
    if rng.random() < 0.4:
        attributes["clip"] = float(rng.random() / 2 + 0.1)
    if rng.random() < 0.7:
        count = {"LSTM": 3, "GRU": 2, "RNN": 1}[operator] * directions
        names = attributes["activations"] = [str(name) for name in rng.choice(ACTIVATIONS, count)]
        attributes["activation_alpha"] = [float(rng.random()) for name in names if name in _SCALED]
        attributes["activation_beta"] = [float(rng.random()) for name in names if _SCALED.get(name) == 2]
    if operator == "GRU":
        attributes["linear_before_reset"] = int(rng.integers(2))
    if operator == "LSTM":
        attributes["input_forget"] = int(rng.integers(2))

    def numbers(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32) / 2

    inputs = {
        "X": numbers(steps, batch, 3),
        "W": numbers(directions, gates * hidden, 3),
        "R": numbers(directions, gates * hidden, hidden),
        "B": numbers(directions, 2 * gates * hidden),
        "lengths": rng.integers(1, steps + 1, batch).astype(np.int32),
        "h": numbers(directions, batch, hidden),
    }
    if operator == "LSTM":
        inputs |= {"c": numbers(directions, batch, hidden), "P": numbers(directions, 3 * hidden)}
    read = [name if name in "XWR" or rng.random() < 0.5 else "" for name in inputs]
    attributes = {name: value for name, value in attributes.items() if value != []}
    node = helper.make_node(
        operator, read, ["Y", "Yh", *(["Yc"] if operator == "LSTM" else [])], **attributes
    )
    inputs = {name: value for name, value in inputs.items() if name in read}
    ports = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in inputs.items()
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output]
    graph = helper.make_graph([node], "net", ports, outputs)
    opset = int(rng.choice([7, 14, 22]))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), inputs


@pytest.mark.parametrize("seed", range(24))
def test_recurrent_operators_are_those_of_onnx_runtime(seed: int) -> None:
    model, inputs = _drawn(seed)
    wanted = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, inputs
    )
    found = lenetc.from_onnx(model)(*(lenetc.tensor(value) for value in inputs.values()))
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs, rtol=1e-4, atol=1e-5)


def test_a_sequence_of_no_steps_ends_as_onnx_runtime_ends_it() -> None:
    model, inputs = _drawn(0)
    node = model.graph.node[0]
    assert node.op_type == "LSTM"
    batch = inputs["X"].shape[1]
    lengths = numpy_helper.from_array(np.zeros(batch, np.int32), "lengths")
    del node.input[4:]
    node.input.extend(["lengths"])
    model.graph.initializer.append(lengths)
    names = [port.name for port in model.graph.input if port.name in node.input and port.name != "lengths"]
    kept = [port for port in model.graph.input if port.name in names]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for value in lenetc.from_onnx(model)(*(inputs[name] for name in names)):
        assert not value.detach().numpy().any()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"direction": "sideways"}, "direction is forward, reverse or bidirectional"),
        ({"activations": ["Tanh", "Tanh"]}, "1 activations are needed"),
        ({"activations": ["Swish"]}, "Swish are none of"),
        ({"activations": ["Affine"]}, "needs its own activation_alpha"),
    ],
)
def test_what_a_recurrent_operator_cannot_mean_is_told(attributes: dict[str, Any], message: str) -> None:
    x, w, r = (np.zeros(shape, np.float32) for shape in ((2, 1, 3), (1, 4, 3), (1, 4, 4)))
    ports = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape)
        for n, a in zip("xwr", (x, w, r), strict=True)
    ]
    node = helper.make_node("RNN", ["x", "w", "r"], ["y"], hidden_size=4, **attributes)
    graph = helper.make_graph(
        [node], "net", ports, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    with pytest.raises(LenetcError, match=message):
        lenetc.from_onnx(model)(x, w, r)
