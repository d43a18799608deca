"""Functions that a model brings with it: what they mean where they are called, of which opset, under which names."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, FunctionProto, NodeProto, TensorProto, helper, numpy_helper

import lenetc
from lenetc.importer.errors import OnnxError

X = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32)


def _node(
    operator: str, inputs: str, outputs: str, refer: dict[str, str] | None = None, **more: object
) -> NodeProto:
    """refer: attributes that are those of the function around it."""
    node = helper.make_node(operator, inputs.split(), outputs.split(), **more)
    for name, given in (refer or {}).items():
        node.attribute.append(AttributeProto(name=name, ref_attr_name=given, type=AttributeProto.FLOAT))
    return node


def _function(
    name: str,
    inputs: str,
    outputs: str,
    nodes: list[NodeProto],
    opset: int = 17,
    domain: str = "my",
    **more: object,
) -> FunctionProto:
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("my", 1)]
    return helper.make_function(domain, name, inputs.split(), outputs.split(), nodes, opsets, **more)  # type: ignore[arg-type]


def _model(nodes: list[NodeProto], functions: list[FunctionProto]) -> onnx.ModelProto:
    port = helper.make_tensor_value_info
    weights = [numpy_helper.from_array(W, "fc.weight"), numpy_helper.from_array(np.array(True), "yes")]
    graph = helper.make_graph(
        nodes, "net", [port("x", TensorProto.FLOAT, ["N", 4])], [port("y", TensorProto.FLOAT, None)], weights
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in (("", 17), ("my", 1), ("their", 1))]
    return helper.make_model(graph, functions=functions, opset_imports=opsets, ir_version=10)


LEAK = _function("Leak", "a", "b", [_node("LeakyRelu", "a", "b", {"alpha": "slope"})], attributes=["slope"])
DEFAULT = _function(
    "Leak",
    "a",
    "b",
    [_node("LeakyRelu", "a", "b", {"alpha": "slope"})],
    attribute_protos=[helper.make_attribute("slope", 0.3)],
)
TWICE = _function(
    "Twice",
    "p",
    "r",
    [_node("Leak", "p", "q", {"slope": "s"}, domain="my"), _node("Add", "q p", "r")],
    attributes=["s"],
)
SOFTMAX = [_node("Softmax", "a", "b", axis=0)]
BRANCHES = {
    name: helper.make_graph(
        [_node("Leak", "a", "t", domain="my", slope=slope)],
        name,
        [],
        [helper.make_tensor_value_info("t", TensorProto.FLOAT, None)],
    )
    for name, slope in (("then_branch", 0.5), ("else_branch", 0.7))
}


def _leak(x: np.ndarray, slope: float) -> np.ndarray:
    return np.where(x > 0, x, x * np.float32(slope))


CASES = {
    "an attribute": ([_node("Leak", "x", "y", domain="my", slope=0.5)], [LEAK], _leak(X, 0.5)),
    "an attribute that is not given": ([_node("Leak", "x", "y", domain="my")], [LEAK], _leak(X, 0.01)),
    "a default": ([_node("Leak", "x", "y", domain="my")], [DEFAULT], _leak(X, 0.3)),
    "instead of a default": ([_node("Leak", "x", "y", domain="my", slope=0.7)], [DEFAULT], _leak(X, 0.7)),
    "a function in a function": (
        [_node("Twice", "x", "y", domain="my", s=0.2)],
        [LEAK, TWICE],
        _leak(X, 0.2) + X,
    ),
    "one name in two domains": (
        [_node("F", "x", "h", domain="my"), _node("F", "h", "y", domain="their")],
        [
            _function("F", "a", "b", [_node("Relu", "a", "b")]),
            _function("F", "a", "b", [_node("Tanh", "a", "b")], domain="their"),
        ],
        np.tanh(np.maximum(X, 0)),
    ),
    "overloads": (
        [_node("F", "x", "h", domain="my", overload="u"), _node("F", "h", "y", domain="my", overload="v")],
        [
            _function("F", "a", "b", [_node("Relu", "a", "b")], overload="u"),
            _function("F", "a", "b", [_node("Tanh", "a", "b")], overload="v"),
        ],
        np.tanh(np.maximum(X, 0)),
    ),
    "an older opset, whose Softmax is over all axes": (
        [_node("S", "x", "y", domain="my")],
        [_function("S", "a", "b", SOFTMAX, opset=11)],
        np.exp(X) / np.exp(X).sum(),
    ),
    "an input that is absent": (
        [_node("Opt", "x", "y", domain="my")],
        [_function("Opt", "x low", "y", [_node("Clip", "x low", "y")])],
        X,
    ),
    "calls in branches": (
        [_node("Cond", "x yes", "y", domain="my")],
        [LEAK, _function("Cond", "a c", "b", [_node("If", "c", "b", None, **BRANCHES)])],
        _leak(X, 0.5),
    ),
    "an output that is an input": (
        [_node("Same", "x", "y", domain="my")],
        [_function("Same", "a", "a", [])],
        X,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_function_is_what_its_nodes_are_where_it_is_called(name: str) -> None:
    nodes, functions, wanted = CASES[name]
    net = lenetc.from_onnx(_model(nodes, functions))
    np.testing.assert_allclose(net(X).detach().numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_weights_keep_their_names_and_nodes_are_called_after_calls() -> None:
    linear = _function(
        "Linear",
        "x w",
        "y",
        [
            _node("Constant", "", "b", value=numpy_helper.from_array(W[0])),
            _node("MatMul", "x w", "m", name="product"),
            _node("Add", "m b", "y"),
        ],
    )
    model = _model([_node("Linear", "x fc.weight", "y", domain="my", name="fc")], [linear])
    net = lenetc.from_onnx(model)
    assert {name for name, _ in net.named_parameters()} == {"fc.weight", "fc/b"}
    assert [node.path for node in net._imported.graph.nodes] == ["fc.Constant", "fc.product", "fc.Add"]
    np.testing.assert_allclose(net(X).detach().numpy(), X @ W + W[0], rtol=1e-5, atol=1e-5)


def test_a_function_that_calls_itself_is_told() -> None:
    again = _function("Again", "a", "b", [_node("Again", "a", "b", domain="my")])
    with pytest.raises(OnnxError, match="'Again' of the model calls itself"):
        lenetc.from_onnx(_model([_node("Again", "x", "y", domain="my")], [again]))
