"""generate_artifacts: each of onnxruntime-training's arguments; and the step that is made of a file by its types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import lenetc
import lenetc.nn.functional as F
from ir.errors import LenetcError
from ir.types import f32, i64
from lenetc.migration.step import Input, parsed, step_of

node = helper.make_node
X, LABELS = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3), np.array([0, 1, 1, 0, 1])


def made(
    nodes: list[onnx.NodeProto], inputs: dict[str, Any], outputs: dict[str, Any], weights: dict[str, Any]
) -> onnx.ModelProto:
    """inputs, outputs: shapes, with a dtype behind where it is not float32."""
    ports = [
        [helper.make_tensor_value_info(name, dtype, shape) for name, (shape, dtype) in given.items()]
        for given in (inputs, outputs)
    ]
    initializers = [numpy_helper.from_array(np.asarray(v, np.float32), name) for name, v in weights.items()]
    graph = helper.make_graph(nodes, "net", *ports, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def two_layers() -> onnx.ModelProto:
    """x[N,3] -> y[N,2] by `hidden`, and another output."""
    rng = np.random.default_rng(0)
    nodes = [
        node("MatMul", ["x", "enc.weight"], ["hidden"]),
        node("Relu", ["hidden"], ["r"]),
        node("Gemm", ["r", "head.weight", "head.bias"], ["y"]),
        node("ReduceMean", ["r"], ["mean"], axes=[1]),
    ]
    weights = {
        "enc.weight": rng.normal(size=(3, 4)),
        "head.weight": rng.normal(size=(4, 2)),
        "head.bias": [0, 0],
    }
    F32 = TensorProto.FLOAT
    return made(nodes, {"x": (["N", 3], F32)}, {"y": (["N", 2], F32), "mean": (["N", 1], F32)}, weights)


def written(folder: Path, **arguments: Any) -> Any:
    given = {
        "loss": lenetc.LossType.CrossEntropyLoss,
        "optimizer": lenetc.OptimType.SGD,
        "loss_input_names": ["y"],
    }
    lenetc.generate_artifacts(two_layers(), artifact_directory=folder, **{**given, **arguments})
    return lenetc.load(folder)


def test_names_decide_what_is_trained_and_what_the_step_gives(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        requires_grad=["head.weight", "enc.weight"],
        frozen_params=["head.bias"],
        additional_output_names=["mean", "hidden"],
    )
    before = {name: array.copy() for name, array in folder.state.items()}
    found = folder(x=X, labels=LABELS, lr=0.1)
    assert found.keys() == {"loss", "mean", "hidden"}
    np.testing.assert_allclose(found["hidden"], X @ before["enc.weight"], rtol=1e-5)
    changed = {name for name in before if (folder.state[name] != before[name]).any()}
    assert changed == {"head.weight", "enc.weight"}
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert {e["name"]: e["default"] for e in manifest["hyperparameters"]} == {"lr": pytest.approx(1e-3)}


LOSSES = {
    "MSELoss": lambda y, t: ((y - t) ** 2).mean(),
    "L1Loss": lambda y, t: np.abs(y - t).mean(),
    "BCEWithLogitsLoss": lambda y, t: (np.log1p(np.exp(y)) - t * y).mean(),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_each_loss_with_each_optimizer(loss: str, optimizer: str, tmp_path: Path) -> None:
    folder = written(tmp_path, loss=lenetc.LossType[loss], optimizer=lenetc.OptimType[optimizer])
    target = np.linspace(0, 1, 10, dtype=np.float32).reshape(5, 2)
    scores = (
        np.maximum(X @ folder.state["enc.weight"], 0) @ folder.state["head.weight"]
        + folder.state["head.bias"]
    )
    losses = [float(folder(x=X, target=target, lr=0.05)["loss"]) for _ in range(5)]
    np.testing.assert_allclose(losses[0], LOSSES[loss](scores, target), rtol=1e-5)
    assert losses[-1] < losses[0]


def test_losses_and_optimizers_of_ones_own(tmp_path: Path) -> None:
    def loss(y: Any, mean: Any, labels: Any) -> Any:
        return F.cross_entropy(y, labels) + mean.square().mean()

    folder = written(
        tmp_path,
        loss=loss,
        loss_input_names=["y", "mean"],
        labels=[Input("labels", i64, ("N",))],
        optimizer=lambda parameters: lenetc.optim.Adam(parameters, lr=0.02),
    )
    losses = [float(folder(x=X, labels=LABELS)["loss"]) for _ in range(5)]
    assert losses[-1] < losses[0]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no loss": ({"loss": None}, "give a loss and an optimizer"),
    "no optimizer": ({"optimizer": None}, "export_gradient"),
    "trained and frozen": ({"requires_grad": ["head.bias"], "frozen_params": ["head.bias"]}, "at once"),
    "unknown to train": ({"requires_grad": ["fc.weight"]}, "fc.weight"),
    "unknown to freeze": ({"frozen_params": ["fc.weight"]}, "no parameter fc.weight"),
    "nothing is left": ({"frozen_params": ["enc.weight", "head.weight", "head.bias"]}, "nothing is trained"),
    "nothing asked for": ({"requires_grad": []}, "nothing is trained"),
    "no such output": ({"additional_output_names": ["logits"]}, "logits"),
    "no such score": ({"loss_input_names": ["logits"]}, "no output logits; it has y, mean"),
    "no such loss": ({"loss": "entropy"}, "'entropy' is not known; cross_entropy, "),
    "a label too many": ({"labels": [parsed("a:int64[N]"), parsed("b:int64[N]")]}, "takes one label"),
    "no such input": ({"inputs": [parsed("z[N,3]")]}, "no input z; it has x"),
    "prefix": ({"prefix": "my_"}, "no prefix 'my_'"),
    "ort_format": ({"ort_format": True}, "no ort_format: stock ONNX Runtime"),
    "nominal": ({"nominal_checkpoint": True}, "init.onnx"),
    "custom operators": ({"custom_op_library": "lib.so"}, "custom_op_library"),
    "an optimizer by name": ({"optimizer": "AdamW"}, "OptimType"),
    "a loss by number": ({"loss": 2.5}, "LossType"),
    "an unknown option": ({"nonsense": 1}, "nonsense"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_told(case: str, tmp_path: Path) -> None:
    arguments, message = REFUSED[case]
    with pytest.raises(LenetcError, match=message):
        written(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_inputs_are_written_as_text() -> None:
    assert parsed("tokens:int64[N, T=12]") == Input("tokens", i64, ("N", "T"), {"T": 12})
    assert parsed("x[3,8]") == Input("x", f32, (3, 8))
    assert parsed("x:f32[]") == Input("x", f32, ())
    assert str(parsed("tokens:int64[N,T=12]")) == "tokens:int64[N,T]"
    for text in (
        "x",
        "x:float[N]",
        "x:[N",
        "x[N,-1]",
        "x[0]",
        "x[N=0]",
        "x[N;T]",
        "x[N=]",
        "x[N=a]",
        "",
        "[N]",
        "x[3.5]",
        "x[N,,T]",
    ):
        with pytest.raises(LenetcError, match=r"written name:dtype|is no size"):
            parsed(text)


def test_a_network_of_several_inputs_and_sizes(tmp_path: Path) -> None:
    """tokens[N,T], mask[N,T] -> scores[N,T,5], the labels of which are [N,T]."""
    rng = np.random.default_rng(0)
    nodes = [
        node("Gather", ["table", "tokens"], ["e"]),
        node("Unsqueeze", ["mask", "last"], ["m"]),
        node("Mul", ["e", "m"], ["em"]),
        node("MatMul", ["em", "weight"], ["s"]),
        node("Transpose", ["s"], ["scores"], perm=[0, 2, 1]),
    ]
    F32, I64 = TensorProto.FLOAT, TensorProto.INT64
    inputs = {"tokens": (["batch size", None], I64), "mask": (["batch size", None], F32)}
    model = made(
        nodes,
        inputs,
        {"scores": (None, F32)},
        {"table": rng.normal(size=(9, 4)), "weight": rng.normal(size=(4, 5))},
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([2]), "last"))
    net = lenetc.from_onnx(model)
    sgd = lenetc.optim.SGD(net.parameters(), lr=0.1)
    inputs_ = [parsed("tokens:int64[N,T]"), parsed("mask[N,T]")]
    step = step_of(net, "cross_entropy", sgd, inputs=inputs_)
    assert [str(i) for i in step.inputs] == ["tokens:int64[N,T]", "mask:float32[N,T]", "labels:int64[N,T]"]
    step.export(net, tmp_path)
    folder = lenetc.load(tmp_path)
    for n, t in ((2, 3), (4, 7)):
        tokens, labels = rng.integers(0, 9, (n, t)), rng.integers(0, 5, (n, t))
        mask = np.ones((n, t), np.float32)
        assert np.isfinite(folder(tokens=tokens, mask=mask, labels=labels)["loss"])
        assert np.isfinite(folder.evaluate(tokens=tokens, mask=mask, labels=labels)["loss"])
