"""`batch=`: constants that hold a file's own batch follow batches of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import lenetc
from ir.errors import ShapeError
from ir.types import Array
from lenetc.importer.errors import OnnxError, OnnxOperatorError

RNG = np.random.default_rng(0)


def _model(
    nodes: list[Any], constants: dict[str, Array], inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]
) -> onnx.ModelProto:
    ports = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in of.items()]
        for of in (inputs, outputs)
    ]
    arrays = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph([helper.make_node(*node[:3], **node[3]) for node in nodes], "g", *ports, arrays)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _network(batch: int) -> onnx.ModelProto:
    """With a token in front of five others, whose rows are joined and parted with the batch behind the tokens, and with
    a state of zeros: all forms in which exporters write the batch down."""
    weights = {
        "token": RNG.standard_normal((1, 1, 4)),
        "w": RNG.standard_normal((4, 4)),
        "head": RNG.standard_normal((24, 3)),
    }
    shapes = {
        "expanded": [batch, 1, 4],
        "rows": [6 * batch, 4],
        "apart": [6, batch, 4],
        "flat": [batch, 24],
        "zeros": [batch, 24],
    }
    constants = {name: array.astype(np.float32) for name, array in weights.items()}
    constants |= {name: np.array(shape, np.int64) for name, shape in shapes.items()}
    nodes = [
        ("Expand", ["token", "expanded"], ["tokens"], {}),
        ("Concat", ["tokens", "x"], ["all"], {"axis": 1}),
        ("Transpose", ["all"], ["turned"], {"perm": [1, 0, 2]}),
        ("Reshape", ["turned", "rows"], ["joined"], {}),
        ("MatMul", ["joined", "w"], ["product"], {}),
        ("Reshape", ["product", "apart"], ["parted"], {}),
        ("Transpose", ["parted"], ["back"], {"perm": [1, 0, 2]}),
        ("Reshape", ["back", "flat"], ["features"], {}),
        ("ConstantOfShape", ["zeros"], ["nothing"], {}),
        ("Concat", ["features", "nothing"], ["wide"], {"axis": 1}),
        ("Slice", ["wide", "from", "to", "axis"], ["narrow"], {}),
        ("MatMul", ["narrow", "head"], ["y"], {}),
    ]
    constants |= {"from": np.array([0]), "to": np.array([24]), "axis": np.array([1])}
    return _model(nodes, constants, {"x": [batch, 5, 4]}, {"y": [batch, 3]})


@pytest.mark.parametrize("batch", [1, 2])
def test_constants_follow_the_batch(batch: int) -> None:
    model = _network(batch)
    fixed, free = lenetc.from_onnx(model), lenetc.from_onnx(model, batch="N")
    assert list(free.state_dict()) == list(fixed.state_dict())
    x = RNG.standard_normal((6, 5, 4)).astype(np.float32)
    parts = [fixed(x[i : i + batch]).detach().numpy() for i in range(0, 6, batch)]
    for call in (free, lenetc.compile(free)):
        np.testing.assert_allclose(call(x).detach().numpy(), np.concatenate(parts), rtol=1e-5, atol=1e-5)
    with pytest.raises(ShapeError, match=r'batch="N"'):
        fixed(x)


@pytest.mark.parametrize(
    ("nodes", "constants", "output", "reason"),
    [
        ([("Gather", ["x", "c"], ["y"], {})], {"c": np.array(0)}, [4], "one cannot tell"),
        ([("Squeeze", ["x", "c"], ["y"], {})], {"c": np.array([0])}, [4], "not all of size 1"),
        ([("Reshape", ["x", "c"], ["y"], {})], {"c": np.array([3, 4])}, [3, 4], "does not hold 1 times 4"),
        ([("ReduceSum", ["x", "c"], ["y"], {})], {"c": np.array([0])}, [1, 4], "the output 'y'"),
    ],
)
def test_what_may_be_the_batch_or_not_is_refused(
    nodes: Any, constants: Any, output: Any, reason: str
) -> None:
    model = _model(nodes, constants, {"x": [1, 4]}, {"y": output})
    with pytest.raises(OnnxOperatorError, match=reason):
        lenetc.from_onnx(model, batch="N")


def test_batches_that_constants_do_not_fit_are_told_of() -> None:
    nodes = [("Reshape", ["x", "c"], ["y"], {})]
    net = lenetc.from_onnx(_model(nodes, {"c": np.array([1, 4])}, {"x": ["B", 2, 2]}, {"y": [1, 4]}))
    with pytest.raises(ShapeError, match=r'may hold the batch of the file: from_onnx\(..., batch="N"\)'):
        net(np.ones((3, 2, 2), np.float32))
    with pytest.raises(OnnxError, match="no name for a size"):
        lenetc.from_onnx(_network(1), batch="a b")
