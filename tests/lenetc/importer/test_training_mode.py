"""`train()` of a file's network: statistics of its own for each batch normalization, and dropout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import lenetc
from ir.types import Array
from lenetc.importer.errors import OnnxError, OnnxWarning

BatchNorm = "BatchNormalization"
C, MOMENTUM, EPSILON = 3, 0.9, 1e-5
IMAGES = (np.random.default_rng(0).standard_normal((4, C, 2, 2)) * 2 + 1).astype(np.float32)


def model(
    nodes: Sequence[onnx.NodeProto], held: dict[str, Any], outputs: Sequence[str] = ("y",), opset: int = 17
) -> onnx.ModelProto:
    """A graph with the input x[N,C,H,W] of f32."""
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", C, None, None])
    found = [onnx.ValueInfoProto(name=name) for name in outputs]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()]
    graph = helper.make_graph(nodes, "g", [x], found, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def ones(value: float = 1.0) -> Array:
    return np.full(C, value, np.float32)


def normalized(x: Array) -> Array:
    axes = (0, 2, 3)
    found: Array = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + EPSILON)
    return found


def moved(x: Array, mean: Array, var: Array, correction: int = 1) -> tuple[Array, Array]:
    """The running statistics after x."""
    now = x.mean((0, 2, 3)), x.var((0, 2, 3), ddof=correction)
    return mean * MOMENTUM + now[0] * (1 - MOMENTUM), var * MOMENTUM + now[1] * (1 - MOMENTUM)


def after(net: Any) -> dict[str, Array]:
    """The buffers after a pass in training mode."""
    net.train()(IMAGES)
    return {name: buffer.numpy() for name, buffer in net.named_buffers()}


def node(x: str, y: str, *of: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(BatchNorm, [x, *of], [y], name=f"/{y}/{BatchNorm}", **attributes)


def identity(a: str, b: str) -> onnx.NodeProto:
    return helper.make_node("Identity", [a], [b])


ONE = ("bn.weight", "bn.bias", "bn.mean", "bn.var")
PLAIN = {"bn.weight": ones(1), "bn.bias": ones(0), "bn.mean": ones(0), "bn.var": ones(1)}
TWO = {**PLAIN, "b.weight": ones(2), "b.bias": ones(3)}
FIRST, SECOND = moved(IMAGES, ones(0), ones(1)), moved(normalized(IMAGES), ones(0), ones(1))

# Nodes, initializers, and the buffers after a pass.
STATISTICS: dict[str, tuple[list[onnx.NodeProto], dict[str, Any], dict[str, Array]]] = {
    "plain": ([node("x", "y", *ONE)], PLAIN, {"bn.mean": FIRST[0], "bn.var": FIRST[1]}),
    "of what is trained": (
        [node("x", "y", "bn.weight", "bn.bias", "bn.bias", "bn.weight")],
        {"bn.weight": ones(1), "bn.bias": ones(0)},
        {"bn.running_mean": FIRST[0], "bn.running_var": FIRST[1]},
    ),
    "handed on": (
        [
            identity("bn.weight", "bn.var"),
            identity("bn.mean", "b.mean"),
            identity("bn.weight", "b.var"),
            node("x", "h", *ONE),
            node("h", "y", "b.weight", "b.bias", "b.mean", "b.var"),
        ],
        {name: value for name, value in TWO.items() if name != "bn.var"},
        {"bn.mean": FIRST[0], "bn.var": FIRST[1], "b.mean": SECOND[0], "b.var": SECOND[1]},
    ),
    "of two": (
        [node("x", "h", *ONE), node("h", "y", "b.weight", "b.bias", "bn.mean", "bn.var")],
        TWO,
        {"bn.mean": FIRST[0], "bn.var": FIRST[1], "b.running_mean": SECOND[0], "b.running_var": SECOND[1]},
    ),
    "of one used twice": (
        [node("x", "h", *ONE), node("h", "y", *ONE)],
        PLAIN,
        dict(zip(("bn.mean", "bn.var"), moved(normalized(IMAGES), *FIRST), strict=True)),
    ),
    "constants": (
        [
            helper.make_node("Constant", [], ["m"], value=numpy_helper.from_array(ones(0))),
            helper.make_node("Cast", ["half"], ["v"], to=onnx.TensorProto.FLOAT),
            node("x", "y", "bn.weight", "bn.bias", "m", "v"),
        ],
        {"bn.weight": ones(1), "bn.bias": ones(0), "half": ones(1).astype(np.float16)},
        {"m": FIRST[0], "v": FIRST[1]},
    ),
}


@pytest.mark.filterwarnings("ignore::lenetc.importer.errors.OnnxWarning")
@pytest.mark.parametrize("case", STATISTICS)
def test_each_normalization_has_statistics_of_its_own(case: str) -> None:
    nodes, held, wanted = STATISTICS[case]
    file = model(nodes, held)
    before = lenetc.from_onnx(file).eval()(IMAGES).detach().numpy()
    found = after(lenetc.from_onnx(file))
    assert sorted(found) == sorted(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    trained = lenetc.from_onnx(file)
    trained.train()(IMAGES)
    assert np.abs(trained.eval()(IMAGES).detach().numpy() - before).max() > 1e-2


def test_statistics_are_results_too_and_what_comes_in_stays() -> None:
    attributes = {"training_mode": 1, "momentum": MOMENTUM}
    names = ["bn.weight", "bn.bias", "m", "v"]
    training = helper.make_node(BatchNorm, ["x", *names], ["y", "mean", "var"], **attributes)
    file = model([training], {"bn.weight": ones(2), "bn.bias": ones(1)}, ("y", "mean", "var"))
    for name in ("m", "v"):
        file.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [C]))
    m, v = lenetc.tensor(ones(0.5)), lenetc.tensor(ones(2))
    net = lenetc.from_onnx(file)
    found = net.train()(IMAGES, m, v)
    np.testing.assert_allclose(found.y.detach().numpy(), normalized(IMAGES) * 2 + 1, rtol=1e-4, atol=1e-5)
    for mine, value in zip(found[1:], moved(IMAGES, ones(0.5), ones(2), 0), strict=True):
        np.testing.assert_allclose(mine.numpy(), value, rtol=1e-4)
    assert (m.numpy() == 0.5).all() and (v.numpy() == 2).all()
    found = net.eval()(IMAGES, m, v)
    wanted = (IMAGES - 0.5) / np.sqrt(2 + EPSILON) * 2 + 1
    np.testing.assert_allclose(found.y.detach().numpy(), wanted, rtol=1e-4, atol=1e-5)
    assert (found.mean.numpy() == 0.5).all() and (found.var.numpy() == 2).all()


def test_statistics_of_each_element_of_an_image() -> None:
    shape = IMAGES.shape[1:]
    held = {name: np.full(shape, value[0]) for name, value in PLAIN.items()}
    outputs = ["y", "mean", "var", "saved_mean", "saved_var"]
    file = model([helper.make_node(BatchNorm, ["x", *ONE], outputs, spatial=0)], held, outputs, 7)
    net = lenetc.from_onnx(file).train()
    y, mean, var, batch_mean, batch_var = (value.detach().numpy() for value in net(IMAGES))
    wanted = IMAGES.mean(0), IMAGES.var(0)
    np.testing.assert_allclose(y, (IMAGES - wanted[0]) / np.sqrt(wanted[1] + EPSILON), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose([batch_mean, batch_var], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mean, 0.1 * wanted[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(var, 0.9 + 0.1 * wanted[1], rtol=1e-4)
    np.testing.assert_array_equal(net.state_dict()["bn.var"].numpy(), var)


def test_a_part_in_evaluation_mode_keeps_its_statistics() -> None:
    nodes, held, _ = STATISTICS["of two"]
    net: Any = lenetc.from_onnx(model(nodes, held)).train()
    net.bn.eval()
    h = net.train(True) and net.bn.eval() and net(IMAGES)
    assert h.requires_grad
    assert (net.bn.mean.numpy() == 0).all() and (net.b.running_mean.numpy() != 0).all()


@pytest.mark.parametrize(
    "weight, bn",
    [("onnx::Conv_12", False), ("block/BatchNorm/w", False), ("conv.weight", True)],
)
def test_a_folded_normalization_is_told(weight: str, bn: bool) -> None:
    convolution = helper.make_node(
        "Conv", ["x", weight], ["getitem" if bn else "y"], "node_Conv_3" if bn else "c"
    )
    nodes = [convolution, *([identity("getitem", "y")] if bn else [])]
    with pytest.warns(OnnxWarning, match="batch normalization folded into"):
        lenetc.from_onnx(model(nodes, {weight: np.ones((2, C, 1, 1), np.float32)}))


RATIO = 0.25
# The inputs behind x, the attributes, the opset, and the dtype of the mask.
DROPOUTS: list[tuple[dict[str, Any], dict[str, Any], int, Any]] = [
    ({}, {"ratio": RATIO}, 7, np.float32),
    ({}, {"ratio": RATIO}, 10, np.bool_),
    ({"ratio": np.float32(RATIO)}, {}, 12, np.bool_),
    ({"ratio": np.float32(RATIO), "mode": np.array(False)}, {"seed": 3}, 22, np.bool_),
    ({"ratio": np.float16(RATIO), "mode": np.array(True)}, {}, 22, np.bool_),
]


@pytest.mark.parametrize("inputs, attributes, opset, dtype", DROPOUTS)
def test_dropout_of_a_file_drops_in_training_alone(
    inputs: dict[str, Any], attributes: dict[str, Any], opset: int, dtype: Any
) -> None:
    drop = helper.make_node("Dropout", ["x", *inputs], ["y", "mask"], "drop", **attributes)
    net = lenetc.from_onnx(model([drop], inputs, ("y", "mask"), opset))
    x = np.ones((2, C, 40, 40), np.float32)
    lenetc.manual_seed(0)
    y, mask = (value.detach().numpy() for value in net.train()(x))
    assert mask.dtype == dtype
    np.testing.assert_allclose(y, mask / (1 - RATIO), rtol=1e-6)
    assert abs(mask.mean() - (1 - RATIO)) < 0.03
    assert (net(x)[1].numpy() != mask).any()
    y, mask = (value.detach().numpy() for value in net.eval()(x))
    assert (y == x).all() and mask.all() and mask.dtype == dtype


def test_a_ratio_and_a_mode_that_are_inputs() -> None:
    drop = helper.make_node("Dropout", ["x", "ratio", "mode"], ["y"], "drop")
    file = model([drop], {})
    file.graph.input.append(helper.make_tensor_value_info("ratio", onnx.TensorProto.FLOAT, []))
    file.graph.input.append(helper.make_tensor_value_info("mode", onnx.TensorProto.BOOL, []))
    net = lenetc.compile(lenetc.from_onnx(file).train())
    x = np.ones((2, C, 40, 40), np.float32)
    for ratio in (0.5, 0.2):
        y = net(x, np.float32(ratio), np.array(True)).detach().numpy()
        assert abs((y == 0).mean() - ratio) < 0.03 and np.allclose(y[y != 0], 1 / (1 - ratio))
        assert (net(x, np.float32(ratio), np.array(False)).detach().numpy() == x).all()


def test_dropout_is_put_behind_nodes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["h"], "/layers.0/Relu"),
        helper.make_node("Relu", ["h"], ["y"], "/layers.1/Relu"),
    ]
    file = model(nodes, {})
    x = np.ones((2, C, 40, 40), np.float32)
    shares = {}
    for dropout in ({"/layers.0/Relu": 0.5}, {"*/Relu": 0.5}, {"*/Relu": 0.5, "/layers.1/Relu": 0.0}):
        net = lenetc.from_onnx(file, dropout=dropout)
        shares[tuple(dropout)] = (net.train()(x).numpy() == 0).mean()
        assert (net.eval()(x).numpy() == x).all()
    np.testing.assert_allclose(list(shares.values()), [0.5, 0.75, 0.5], atol=0.03)
    with pytest.raises(OnnxError, match=r"/layers\.1/Relu"):
        lenetc.from_onnx(file, dropout={"/layers.1": 0.5})
    with pytest.raises(OnnxError, match="no probability"):
        lenetc.from_onnx(file, dropout={"/layers.1/Relu": 2})
