"""`from_onnx`'s arguments, what becomes of a file's values, and the module as an ordinary one."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import lenetc
import lenetc.nn.functional as F
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.types import Array
from lenetc.importer.errors import OnnxError, OnnxWarning
from tests.lenetc.importer.models import made, mlp, node, normal, port


def _positions() -> Array:
    angles = np.arange(8)[:, None] / 100.0 ** (np.arange(4) / 4)
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(8, 8).astype(np.float32)


# The node that reads the value `w` beside x [8,8], its value, its role, a part of why, and whether it is told.
_ROLES: dict[str, tuple[list[onnx.NodeProto], Array, str, str, str]] = {
    "weight": ([node("MatMul", ["x", "w"], ["y"])], normal(8, 8), "parameter", "", ""),
    "bfloat16": (
        [node("Cast", ["w"], ["f"], to=TensorProto.FLOAT), node("MatMul", ["x", "f"], ["y"])],
        normal(8, 8).astype(ml_dtypes.bfloat16),
        "parameter",
        "",
        "",
    ),
    "bias of one": ([node("Gemm", ["x", "x", "w"], ["y"])], normal(1), "parameter", "", ""),
    "scalar": ([node("Mul", ["x", "w"], ["y"])], normal(), "constant", "single number", ""),
    "integers": ([node("Reshape", ["x", "w"], ["y"])], np.array([8, 8]), "constant", "no floating", ""),
    "unreached": ([node("Less", ["x", "w"], ["y"])], normal(8, 8), "constant", "no gradient", ""),
    "mask": (
        [node("Add", ["x", "w"], ["y"])],
        np.triu(np.full((8, 8), -1e9, np.float32), 1),
        "constant",
        "mask",
        "mask",
    ),
    "positions": ([node("Add", ["x", "w"], ["y"])], _positions(), "constant", "sines", "fixed positions"),
    "table": ([node("Add", ["x", "w"], ["y"])], normal(8, 8), "parameter", "table", "elementwise"),
    "scales": (
        [node("DequantizeLinear", ["q", "w"], ["d"], axis=0), node("MatMul", ["x", "d"], ["y"])],
        np.full(8, 0.5, np.float32),
        "constant",
        "scale",
        "",
    ),
}


@pytest.mark.parametrize("name", _ROLES)
def test_values_have_roles(name: str) -> None:
    nodes, array, role, why, told = _ROLES[name]
    dtype = TensorProto.BOOL if name == "unreached" else TensorProto.FLOAT
    weights = {"w": array, **({"q": np.ones((8, 8), np.int8)} if name == "scales" else {})}
    model = made(nodes, [port("x", 8, 8)], [port("y", 8, 8, dtype=dtype)], weights)
    if told:
        with pytest.warns(OnnxWarning, match=told):
            net = lenetc.from_onnx(model)
    else:
        net = lenetc.from_onnx(model)
    row = net.table()["w"]
    assert (row.role, row.shape) == (role, array.shape)
    assert why in row.why
    assert ("w" in net.state_dict()) == (role == "parameter")


def test_quantized_weights_and_constants_are_parameters() -> None:
    nodes = [
        node("DequantizeLinear", ["q", "scale"], ["w"]),
        node("Constant", [], ["c"], value=numpy_helper.from_array(normal(3))),
        node("ConstantOfShape", ["shape"], ["z"], value=numpy_helper.from_array(np.ones(1, np.float32))),
        node("Transpose", ["z"], ["t"]),
        node("Gemm", ["x", "w", "c"], ["h"]),
        node("MatMul", ["h", "t"], ["y"]),
    ]
    weights = {
        "q": np.arange(12, dtype=np.int8).reshape(4, 3),
        "scale": np.float32(0.5).reshape(()),
        "shape": np.array([2, 3]),
    }
    net = lenetc.from_onnx(made(nodes, [port("x", "N", 4)], [port("y", "N", 2)], weights))
    assert sorted(dict(net.named_parameters())) == ["c", "w", "z"]
    np.testing.assert_array_equal(net.get_parameter("w").detach().numpy(), np.arange(12).reshape(4, 3) / 2)
    net(normal(2, 4)).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_initializers_among_the_inputs_are_weights() -> None:
    model = mlp()
    model.ir_version = 3
    model.graph.input.append(port("forward", 3))
    assert lenetc.from_onnx(model)(normal(2, 4)).shape == (2, 2)


@pytest.mark.parametrize(
    ("trainable", "trained"),
    [
        (["enc.*"], {"enc.fc.weight"}),
        ("head/kernel:0", {"head/kernel:0"}),
        (lambda name: "." not in name, {"forward_", "head/kernel:0"}),
        ([], set()),
    ],
)
def test_trainable_freezes_the_others(trainable: Any, trained: set[str]) -> None:
    net = lenetc.from_onnx(mlp(), trainable=trainable)
    assert {name for name, p in net.named_parameters() if p.requires_grad} == trained
    assert len(net.state_dict()) == 3
    assert {row.name for row in net.table().values() if row.role == "frozen"} == set(
        net.state_dict()
    ) - trained


def test_a_name_makes_a_parameter_of_a_mask() -> None:
    mask = np.triu(np.full((8, 8), -1e9, np.float32), 1)
    model = made([node("Add", ["x", "w"], ["y"])], [port("x", 8, 8)], [port("y", 8, 8)], {"w": mask})
    assert list(dict(lenetc.from_onnx(model, trainable="w").named_parameters())) == ["w"]


def test_outputs_cut_the_network() -> None:
    model, x = mlp(), normal(5, 4)
    net = lenetc.from_onnx(model, outputs=["feature"])
    assert sorted(net.state_dict()) == ["enc.fc.weight", "forward_"]
    assert net(x).shape == (5, 3)
    both = lenetc.from_onnx(model, outputs=["feature", "logits"])(x)
    assert both._fields == ("feature", "logits")
    np.testing.assert_array_equal(both.feature.detach().numpy(), net(x).detach().numpy())


@pytest.mark.parametrize(
    ("name", "scale", "is_trained"),
    [("val_2", np.ones(8), False), ("weight", np.ones(8), True), ("val_2", np.full(8, 0.5), True)],
)
def test_a_normalization_without_weights_gets_none(name: str, scale: Array, is_trained: bool) -> None:
    """The operators want a scale and an offset, for which exporters make ones and zeros up."""
    nodes = [
        node(
            "Constant",
            [],
            ["/norm/Constant_output_0"],
            value=numpy_helper.from_array(np.zeros(8, np.float32)),
        ),
        node("LayerNormalization", ["x", name, "/norm/Constant_output_0"], ["n"]),
        node("MatMul", ["n", "w"], ["y"]),
    ]
    weights = {name: scale.astype(np.float32), "w": normal(8, 2)}
    net = lenetc.from_onnx(made(nodes, [port("x", "N", 8)], [port("y", "N", 2)], weights))
    assert {path for path, _ in net.named_parameters()} == ({name, "w"} if is_trained else {"w"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outputs": ["featur"]}, "did you mean 'feature'"),
        ({"trainable": ["enc.fc.weigth"]}, "did you mean 'enc.fc.weight'"),
        ({"trainable": ["nothing.*"]}, "nothing that 'nothing"),
        ({"trainable": [3]}, "names and patterns, not of int"),
        ({"trainable": 3}, "is of names, not 3"),
        ({"outputs": []}, "none is left"),
        ({"outputs": 1}, "is of names, not 1"),
        ({"untie": 3}, "is of names, not 3"),
        ({"batch": 4}, "batch is a name"),
        ({"dropout": 0.5}, "nodes and probabilities"),
        ({"untie": "forward"}, "no two nodes share"),
        ({"names": {"forwart": "bias"}}, "did you mean 'forward'"),
        ({"names": lambda name: "same"}, "would all be 'same'"),
        ({"names": lambda name: None}, "is no name"),
    ],
)
def test_names_that_there_are_not(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OnnxError, match=message):
        lenetc.from_onnx(mlp(), **options)


def test_names_that_clash_and_new_names() -> None:
    names = ["weight", "weight.x", "training", "a..b", "", "_modules", "train"]
    nodes, last = [], "x"
    for i, name in enumerate(names):
        nodes.append(node("Gemm", [last, name or " ", ""], [f"h{i}"]))
        last = f"h{i}"
    weights = {name or " ": normal(2, 2, seed=i) for i, name in enumerate(names)}
    model = made(nodes, [port("x", "N", 2)], [port(last, "N", 2)], weights)
    net = lenetc.from_onnx(model)
    assert list(net.state_dict()) == ["weight", "training_", " ", "_modules_", "train_", "weight_.x", "a._.b"]
    assert sorted(net.onnx_names().values()) == sorted(weights)
    again = lenetc.from_onnx(model, names={"weight.x": "inner.w", "train": "t"})
    assert {"weight", "inner.w", "t"} <= again.state_dict().keys()
    assert all(key.startswith("net.") for key in lenetc.from_onnx(model, names="net.{}".format).state_dict())


def _tied() -> onnx.ModelProto:
    """One weight, read by itself, through an Identity with a name of its own, and transposed."""
    nodes = [
        node("Identity", ["a.fc.weight"], ["b.fc.weight"]),
        node("Transpose", ["a.fc.weight"], ["turned"]),
        node("MatMul", ["x", "a.fc.weight"], ["h0"], name="/a/fc/MatMul"),
        node("MatMul", ["h0", "b.fc.weight"], ["h1"], name="/b/fc/MatMul"),
        node("MatMul", ["h1", "turned"], ["y"], name="/c/fc/MatMul"),
    ]
    return made(nodes, [port("x", "N", 3)], [port("y", "N", 3)], {"a.fc.weight": normal(3, 3)})


def test_shared_weights_are_told_and_untied() -> None:
    with pytest.warns(
        OnnxWarning, match=r"'a.fc.weight' is shared by 3 nodes \(a.fc.MatMul, b.fc.MatMul, c.fc.MatMul"
    ):
        tied = lenetc.from_onnx(_tied())
    assert list(tied.state_dict()) == ["a.fc.weight"]
    assert tied.table()["a.fc.weight"].tied
    net = lenetc.from_onnx(_tied(), untie=True)
    assert sorted(net.state_dict()) == ["a.fc.weight", "b.fc.weight", "c.fc.weight"]
    x = normal(2, 3, seed=1)
    np.testing.assert_array_equal(net(x).detach().numpy(), tied(x).detach().numpy())
    net(x).sum().backward()
    tied(x).sum().backward()
    total = sum(parameter.grad.numpy() for parameter in net.parameters())
    np.testing.assert_allclose(total, tied.get_parameter("a.fc.weight").grad.numpy(), rtol=1e-5)


def test_inputs_are_checked() -> None:
    net, x = lenetc.from_onnx(mlp()), normal(5, 4)
    np.testing.assert_array_equal(net(x=x).detach().numpy(), net(lenetc.tensor(x)).detach().numpy())
    wrong: list[tuple[Any, type[Exception], str]] = [
        (lambda: net(), TypeError, r"takes \(x: f32\[N,4\]\): missing a required argument: 'x'"),
        (lambda: net(x, x), TypeError, "too many"),
        (lambda: net(image=x), TypeError, "takes"),
        (lambda: net(x.astype(np.float64)), DTypeError, r"'x' is f32\[N,4\], not f64"),
        (lambda: net(x.astype(np.int64)), DTypeError, "not i64"),
        (lambda: net([[1.0]]), DTypeError, "not list"),
        (lambda: net(x[0]), ShapeError, r"not of shape \[4\]"),
        (lambda: net(x[:, :3]), ShapeError, "4 at axis 1, not 3"),
    ]
    for call, kind, message in wrong:
        with pytest.raises(kind, match=message) as caught:
            call()
        assert "test_door.py" in str(caught.value)
    assert net.double()(x.astype(np.float64)).dtype is lenetc.float64


def test_errors_within_name_the_node_and_the_line() -> None:
    net = lenetc.from_onnx(
        made(
            [node("MatMul", ["x", "w"], ["y"], name="/fc/MatMul")],
            [port("x", "N", "M")],
            [port("y")],
            {"w": normal(4, 3)},
        )
    )

    class Outer(lenetc.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = net

        def forward(self, x: lenetc.Tensor) -> lenetc.Tensor:
            return self.backbone(x)

    with pytest.raises(ShapeError) as caught:
        Outer()(normal(2, 5))
    for part in (
        "f32[2,5]",
        "f32[4,3]",
        "at backbone.fc.MatMul",
        "test_door.py",
        "in MatMul '/fc/MatMul' (opset 17)",
    ):
        assert part in str(caught.value)


def test_an_imported_module_is_an_ordinary_one(tmp_path: Path) -> None:
    """Copied, pickled, put twice into another module with a head of its own, compiled and exported."""
    body = lenetc.from_onnx(mlp(), outputs="feature", trainable=[])
    x, label = normal(6, 4), np.arange(6) % 3
    for other in (copy.deepcopy(body), pickle.loads(pickle.dumps(body))):
        np.testing.assert_array_equal(other(x).detach().numpy(), body(x).detach().numpy())
        assert other.get_parameter("enc.fc.weight") is not body.get_parameter("enc.fc.weight")
    assert repr(body) == "OnnxModule((x: f32[N,4]) -> (feature: ?), 2 nodes, 15 parameters)"

    class Net(lenetc.nn.Module):
        def __init__(self, left: lenetc.nn.Module, right: lenetc.nn.Module) -> None:
            super().__init__()
            self.left, self.right = left, right
            self.head = lenetc.nn.Linear(5, 3)

        def forward(self, x: lenetc.Tensor) -> lenetc.Tensor:
            return self.head(lenetc.cat([self.left(x), self.right(x)], 1))

    net = Net(body, lenetc.from_onnx(mlp()))
    net.right.get_submodule("enc").fc.weight = body.get_parameter("enc.fc.weight")  # shared from now on
    optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1)

    @lenetc.compile
    def step(x: lenetc.Tensor, label: lenetc.Tensor) -> lenetc.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), label)
        loss.backward()
        optimizer.step()
        return loss

    frozen = body.get_parameter("enc.fc.weight").detach().numpy().copy()
    losses = [float(step(x, label).detach()) for _ in range(5)]
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(body.get_parameter("enc.fc.weight").detach().numpy(), frozen)
    step.lower(x, label).export(tmp_path, infer=net.right)
    infer = onnx.load(tmp_path / "infer.onnx").graph
    assert [p.name for p in infer.input] == ["x"]
    assert [p.name for p in infer.output] == ["logits"]
    assert float(lenetc.load(tmp_path)(x=x[:4], label=label[:4])["loss"]) > 0

    del net.right.get_submodule("enc").fc.weight
    with pytest.raises(LenetcError, match=r"'enc.fc.weight', which the file's nodes read, is gone"):
        net(x)


def test_bodies_read_weights_of_the_graph_around() -> None:
    def branch(operator: str) -> onnx.GraphProto:
        return helper.make_graph([node(operator, ["x", "w"], ["o"])], operator, [], [port("o", 3)])

    nodes = [node("If", ["c"], ["y"], then_branch=branch("Add"), else_branch=branch("Mul"))]
    inputs = [port("x", 3), port("c", dtype=TensorProto.BOOL)]
    with pytest.warns(OnnxWarning, match="'w' is shared by 2 nodes"):
        net = lenetc.from_onnx(made(nodes, inputs, [port("y", 3)], {"w": normal(3)}))
    assert list(net.state_dict()) == ["w"]
    net = lenetc.from_onnx(made(nodes, inputs, [port("y", 3)], {"w": normal(3)}), untie=True)
    assert len(net.state_dict()) == 2


def test_several_axes_stay_symbolic(tmp_path: Path) -> None:
    """Tokens [N,T] and numbers [N,M] -> logits [N,3] and features [N,T,6]."""
    nodes = [
        node("Gather", ["emb", "ids"], ["e"]),
        node("MatMul", ["e", "w"], ["features"]),
        node("ReduceMean", ["features"], ["m"], axes=[1], keepdims=0),
        node("ReduceSum", ["numbers", "one"], ["n"], keepdims=1),
        node("Add", ["m", "n"], ["sum"]),
        node("MatMul", ["sum", "head"], ["logits"]),
    ]
    weights = {"emb": normal(11, 5), "w": normal(5, 6), "one": np.array([1]), "head": normal(6, 3)}
    inputs = [port("ids", "N", "T", dtype=TensorProto.INT64), port("numbers", "N", "M")]
    model = made(nodes, inputs, [port("logits", "N", 3), port("features", "N", "T", 6)], weights)
    net = lenetc.from_onnx(model)
    optimizer = lenetc.optim.SGD(net.parameters(), lr=0.1)

    @lenetc.compile
    def step(ids: lenetc.Tensor, numbers: lenetc.Tensor, label: lenetc.Tensor) -> lenetc.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(ids, numbers).logits, label)
        loss.backward()
        optimizer.step()
        return loss

    def batch(n: int, t: int, m: int) -> dict[str, Array]:
        rng = np.random.default_rng(n)
        label = rng.integers(0, 3, n)
        return {"ids": rng.integers(0, 11, (n, t)), "numbers": normal(n, m), "label": label}

    axes = {"ids": {0: "N", 1: "T"}, "numbers": {0: "N", 1: "M"}, "label": {0: "N"}}
    step.lower(**batch(4, 7, 3)).export(tmp_path, infer=net, axes=axes)
    infer, own = (
        ort.InferenceSession(source, providers=["CPUExecutionProvider"])
        for source in (tmp_path / "infer.onnx", model.SerializeToString())
    )
    assert [(p.name, p.shape) for p in infer.get_outputs()] == [
        ("logits", ["N", 3]),
        ("features", ["N", "T", 6]),
    ]
    exported = lenetc.load(tmp_path)
    for sizes in ((4, 7, 3), (2, 5, 9), (1, 1, 1)):
        feeds = batch(*sizes)
        mine = float(step(**feeds).detach())
        np.testing.assert_allclose(exported(**feeds)["loss"], mine, rtol=1e-5)
        del feeds["label"]
        for found, wanted in zip(infer.run(None, feeds), own.run(None, feeds), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
