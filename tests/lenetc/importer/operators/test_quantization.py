"""Rounded numbers: as ONNX Runtime rounds them, and what gradients go through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import lenetc
from ir.types import Array
from tests.lenetc.importer.operators.single import here, node_model, runtimes

RNG = np.random.default_rng(0)


def floats(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32) * 40


def whole(*shape: int, dtype: Any = np.uint8) -> Array:
    return np.asarray(RNG.integers(0, 127, shape), dtype)


def scale(*shape: int) -> Array:
    return np.asarray(RNG.random(shape) / 20 + 0.01, np.float32)


X, W = [whole(3, 4), scale(), whole()], [whole(4, 5, dtype=np.int8), scale(5), whole(5, dtype=np.int8)]
IMAGE, FILTERS = (
    [whole(2, 4, 6, 6), scale(), whole()],
    [whole(4, 2, 3, 3, dtype=np.int8), scale(4), np.zeros(4, np.int8)],
)
ROUNDED, BIAS = [scale(), whole()], whole(4, dtype=np.int32)
MOVES = {"pads": [1, 0, 1, 2], "strides": [1, 2]}
TIES = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1000, -1000], np.float32)

# operator, inputs, attributes, opset (0: of com.microsoft), outputs
ROWS: list[tuple[str, Sequence[Array | None], dict[str, Any], int, str]] = [
    ("QuantizeLinear", [TIES, np.ones((), np.float32), np.asarray(3, np.int8)], {}, 10, "y"),
    ("QuantizeLinear", [floats(2, 3, 4), scale()], {}, 10, "y"),
    ("QuantizeLinear", [floats(2, 3, 4), scale(3), whole(3, dtype=np.int8)], {}, 13, "y"),
    ("QuantizeLinear", [floats(2, 3, 4), scale(2), whole(2)], {"axis": -3}, 19, "y"),
    (
        "QuantizeLinear",
        [floats(2, 3, 5), scale(2, 3, 2), whole(2, 3, 2)],
        {"axis": 2, "block_size": 3},
        21,
        "y",
    ),
    ("QuantizeLinear", [floats(9), scale()], {"output_dtype": 3}, 21, "y"),
    ("DequantizeLinear", [whole(2, 3, 4, dtype=np.int32), scale()], {}, 10, "y"),
    ("DequantizeLinear", [whole(2, 3, 4), scale(3), whole(3)], {}, 13, "y"),
    ("DequantizeLinear", [whole(2, 3, 5), scale(2, 3, 2)], {"axis": 2, "block_size": 3}, 21, "y"),
    *(
        ("DynamicQuantizeLinear", [x], {}, 11, "yyy")
        for x in (floats(3, 4), -abs(floats(3)), np.zeros(3, np.float32))
    ),
    ("MatMulInteger", [X[0], W[0], X[2], W[2]], {}, 10, "y"),
    ("MatMulInteger", [whole(2, 3, 4), whole(2, 4, 5)], {}, 10, "y"),
    ("QLinearMatMul", [*X, *W, *ROUNDED], {}, 10, "y"),
    ("ConvInteger", [IMAGE[0], FILTERS[0], IMAGE[2]], {"group": 2, **MOVES}, 10, "y"),
    ("QLinearConv", [*IMAGE, *FILTERS, *ROUNDED, BIAS], {"group": 2, **MOVES}, 10, "y"),
    ("QLinearAdd", [*X, whole(4), scale(), whole(), *ROUNDED], {}, 0, "y"),
    ("QLinearMul", [*X, whole(4), scale(), whole(), *ROUNDED], {}, 0, "y"),
    ("QLinearSigmoid", [*X, *ROUNDED], {}, 0, "y"),
    ("QLinearLeakyRelu", [*X, *ROUNDED], {"alpha": 0.2}, 0, "y"),
    ("QLinearGlobalAveragePool", [*IMAGE, *ROUNDED], {"channels_last": 1}, 0, "y"),
    ("QLinearAveragePool", [*IMAGE, *ROUNDED], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, 0, "y"),
    ("QLinearConcat", [*ROUNDED, *X, whole(3, 2), scale(), whole()], {"axis": 1}, 0, "y"),
    ("QGemm", [*X, *W, whole(5, dtype=np.int32), *ROUNDED], {}, 0, "y"),
    ("QGemm", [*X, *W], {"alpha": 0.5}, 0, "y"),
    ("MatMulIntegerToFloat", [X[0], W[0], X[1], W[1], X[2], W[2], floats(5)], {}, 0, "y"),
    ("DynamicQuantizeMatMul", [floats(3, 4), *W, floats(5)], {}, 0, "y"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[3]}-{row[2]}")
def test_as_the_runtime_rounds_them(row: Any) -> None:
    """Products may be on the other side of a half."""
    operator, inputs, attributes, opset, outputs = row
    model = node_model(
        operator, inputs, attributes, opset or 17, "" if opset else "com.microsoft", outputs=outputs
    )
    for mine, theirs in zip(here(model, inputs), runtimes(model, inputs), strict=True):
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        if mine.dtype.kind == "f":
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)
        else:
            distance = abs(mine.astype(np.int64) - theirs)
            assert (
                distance.max() <= ("Linear" in operator and operator != "QuantizeLinear")
                and distance.sum() <= 1
            )


def chain(
    nodes: Sequence[onnx.NodeProto], constants: dict[str, Array], shape: Sequence[int]
) -> onnx.ModelProto:
    """x through `nodes` to y."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_the_gradient_goes_through_what_moves_rounded_numbers() -> None:
    """It is that of the same without rounding, but 0 where something was cut off."""
    constants = {"s": np.float32(0.5), "z": np.int8(3), "shape": np.array([2, 6]), "w": floats(6, 2)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("Transpose", ["q"], ["t"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["t", "shape"], ["r"]),
        helper.make_node("Concat", ["r", "r"], ["c"], axis=0),
        helper.make_node("DequantizeLinear", ["c", "s", "z"], ["d"]),
        helper.make_node("MatMul", ["d", "w"], ["y"]),
    ]
    x = lenetc.tensor(floats(3, 2, 2), requires_grad=True)
    x.data[0, 0, 0] = 1000.0
    lenetc.from_onnx(chain(nodes, constants, [3, 2, 2]))(x).sum().backward()
    wanted = (2 * constants["w"].sum(1))[[[0, 1], [2, 3], [4, 5]]]
    inside = abs(x.detach().numpy() / 0.5 + 3) <= 127
    np.testing.assert_allclose(x.grad.numpy(), wanted[:, None, :] * inside, rtol=1e-5)
    assert inside.any() and not inside.all()


def test_the_gradient_goes_through_products_of_rounded_numbers() -> None:
    """As tools that quantize weights write them: DynamicQuantizeLinear, MatMulInteger, Cast, Mul."""
    constants = {"w": whole(4, 5, dtype=np.int8), "wz": np.int8(3), "ws": np.float32(0.02)}
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("MatMulInteger", ["q", "w", "z", "wz"], ["p"]),
        helper.make_node("Cast", ["p"], ["f"], to=1),
        helper.make_node("Mul", ["s", "ws"], ["both"]),
        helper.make_node("Mul", ["f", "both"], ["y"]),
    ]
    x = lenetc.tensor(floats(3, 4), requires_grad=True)
    y = lenetc.from_onnx(chain(nodes, constants, [3, 4]))(x)
    weights = (constants["w"].astype(np.float32) - 3) * 0.02
    np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy() @ weights, atol=3)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.tile(weights.sum(1), (3, 1)), rtol=1e-4)


def test_an_exported_step_rounds_as_it_does_here(tmp_path: Any) -> None:
    """A weight and what comes in are rounded at each step; the weight itself is not."""
    constants = {"w": floats(4, 5) / 100, "s": np.float32(0.01), "z": np.int8(0), "xs": np.float32(0.5)}
    nodes = [
        helper.make_node("QuantizeLinear", ["w", "s", "z"], ["wq"]),
        helper.make_node("DequantizeLinear", ["wq", "s", "z"], ["wd"]),
        helper.make_node("QuantizeLinear", ["x", "xs", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "z"], ["xd"]),
        helper.make_node("MatMul", ["xd", "wd"], ["y"]),
    ]
    net = lenetc.from_onnx(chain(nodes, constants, ["N", 4]))
    assert [name for name, _ in net.named_parameters()] == ["w"]
    optimizer = lenetc.optim.SGD(net.parameters(), lr=1e-4)

    @lenetc.compile
    def step(x: lenetc.Tensor) -> lenetc.Tensor:
        optimizer.zero_grad()
        loss = (net(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    x = floats(3, 4)
    step.lower(x).export(tmp_path)
    exported = lenetc.load(tmp_path)
    mine, theirs = (
        [float(run(x)) for _ in range(4)]
        for run in (lambda x: step(x).detach(), lambda x: exported(x=x)["loss"])
    )
    np.testing.assert_allclose(theirs, mine, rtol=1e-5)
    assert mine[-1] < mine[0]
