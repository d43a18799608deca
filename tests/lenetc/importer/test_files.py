"""Files that are no models, or broken ones: one clear error each, and never a crash, a hang or a great allocation."""

from __future__ import annotations

import random
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import lenetc
from ir.errors import LenetcError
from ir.types import Array
from lenetc.importer.errors import OnnxError, OnnxOperatorError
from tests.lenetc.importer.models import made, mlp, node, normal, port

_OTHERS = {
    "empty": (b"", "is empty"),
    "text": (b"import torch\n" * 9, "no ONNX model"),
    "a ZIP archive": (b"PK\x03\x04" + bytes(99), "torch.save"),
    "a pickle": (b"\x80\x02}q\x00.", "pickle"),
    "safetensors": (struct.pack("<Q", 8) + b"{}      " + bytes(16), "safetensors"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "ONNX Runtime's": (b"\x18\x00\x00\x00ORTM" + bytes(99), ".ort"),
    "no graph": (onnx.ModelProto(ir_version=8).SerializeToString(), "no graph"),
}


@pytest.mark.parametrize("name", _OTHERS)
def test_what_is_no_model(name: str, tmp_path: Path) -> None:
    content, message = _OTHERS[name]
    (tmp_path / "model.onnx").write_bytes(content)
    for source in (content, tmp_path / "model.onnx", str(tmp_path / "model.onnx")):
        for door in (lenetc.from_onnx, lenetc.examine):
            with pytest.raises(OnnxError, match=message):
                door(source)


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(OnnxError, match=r"is a folder; give the file: in it are net\.onnx"):
        lenetc.from_onnx(tmp_path)
    with pytest.raises(FileNotFoundError):
        lenetc.from_onnx(tmp_path / "absent.onnx")
    with pytest.raises(OnnxError, match="not int"):
        lenetc.from_onnx(3)  # type: ignore[arg-type]


def _broken(change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    model = mlp()
    change(model)
    return model


def _deep() -> onnx.GraphProto:
    """A body in a body, sixty times."""
    graph = inner = onnx.GraphProto(name="g")
    graph.input.add(name="x")
    for _ in range(60):
        inner.node.add(op_type="Loop", input=["", "", "x"], output=["o"])
        inner.output.add(name="o")
        inner.node[0].attribute.add(name="body", type=onnx.AttributeProto.GRAPH)
        inner = inner.node[0].attribute[0].g
    return graph


def _function(name: str, calls: str, times: int = 1) -> onnx.FunctionProto:
    nodes = [helper.make_node(calls, ["a"], [f"b{i}"], domain="own") for i in range(times)]
    return helper.make_function("own", name, ["a"], ["b0"], nodes, [helper.make_opsetid("own", 1)])


def _with_functions(*functions: onnx.FunctionProto) -> Callable[[onnx.ModelProto], object]:
    def change(model: onnx.ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid("own", 1))
        model.functions.extend(functions)
        model.graph.node.append(helper.make_node("F0", ["x"], ["unused"], domain="own"))

    return change


# A change of mlp(), and what is said of it.
_BROKEN: dict[str, tuple[Callable[[onnx.ModelProto], object], str]] = {
    "no opset": (lambda m: m.ClearField("opset_import"), "opset"),
    "opset 5": (lambda m: setattr(m.opset_import[0], "version", 5), "of opset 5; 6 to"),
    "opset 99": (lambda m: setattr(m.opset_import[0], "version", 99), "of opset 99"),
    "no outputs": (lambda m: m.graph.ClearField("output"), "no outputs"),
    "an output of nothing": (lambda m: setattr(m.graph.output[0], "name", "z"), "nothing computes: 'z'"),
    "a circle": (
        lambda m: m.graph.node[0].input.__setitem__(0, "r"),
        "wait for one another: .*/enc/fc/MatMul",
    ),
    "a value of nothing": (
        lambda m: m.graph.node[1].input.__setitem__(1, "z"),
        "Add '/enc/fc/Add' .* reads 'z'",
    ),
    "a value twice": (
        lambda m: m.graph.node[2].output.__setitem__(0, "h"),
        "'h' in the graph 'net' is given twice",
    ),
    "a weight twice": (
        lambda m: m.graph.initializer.append(m.graph.initializer[0]),
        "two initializers are named",
    ),
    "an input twice": (lambda m: m.graph.input.append(m.graph.input[0]), "two inputs .* named 'x'"),
    "a huge weight": (
        lambda m: m.graph.initializer[0].dims.__setitem__(0, 10**12),
        "48 bytes of data, not 12000",
    ),
    "a negative size": (lambda m: m.graph.initializer[0].dims.__setitem__(0, -4), r"shape \[-4, 3\]"),
    "data cut off": (
        lambda m: setattr(m.graph.initializer[0], "raw_data", b"123"),
        "3 bytes of data, not 48",
    ),
    "no dtype": (lambda m: setattr(m.graph.initializer[0], "data_type", 99), "cannot be read"),
    "strings": (lambda m: setattr(m.graph.initializer[0], "data_type", TensorProto.STRING), "of strings"),
    "a negative input": (
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", -2),
        r"shape \['N', -2\]",
    ),
    "a type of inputs": (
        lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 77),
        "of the type 77",
    ),
    "a foreign domain": (lambda m: setattr(m.graph.node[2], "domain", "own"), "'own', of which .* no opset"),
    "a constant of any size": (
        lambda m: (
            m.graph.initializer.append(numpy_helper.from_array(np.array([10**6, 10**7]), "huge")),
            m.graph.node.insert(0, node("ConstantOfShape", ["huge"], ["much"])),
            m.graph.node.append(node("Add", ["logits", "much"], ["more"])),
            setattr(m.graph.output[0], "name", "more"),
        ),
        "more numbers than are computed in advance\n.*\n.*in ConstantOfShape 'much'|more numbers than are computed",
    ),
    "external data in memory": (
        lambda m: (
            setattr(m.graph.initializer[0], "data_location", TensorProto.EXTERNAL),
            m.graph.initializer[0].external_data.add(key="location", value="w.bin"),
        ),
        "in the file 'w.bin': give the path",
    ),
    "a function of itself": (_with_functions(_function("F0", "F1"), _function("F1", "F0")), "calls itself"),
    "functions without end": (
        _with_functions(*(_function(f"F{i}", f"F{i + 1}", 10) for i in range(9)), _function("F9", "Relu")),
        "more than 1000000 nodes",
    ),
    "bodies without end": (lambda m: m.graph.CopyFrom(_deep()), "bodies stand one in the other"),
}


@pytest.mark.parametrize("name", _BROKEN)
def test_broken_models(name: str) -> None:
    change, message = _BROKEN[name]
    with pytest.raises((OnnxError, OnnxOperatorError), match=message):
        lenetc.from_onnx(_broken(change))


def test_all_that_cannot_be_imported_is_said_at_once() -> None:
    nodes = [
        helper.make_node("Mystery", ["x"], ["a"], name="first", domain="own"),
        node("Softmax", ["a"], ["b"], name="second", axis="last"),
        node("Relu", ["b"], ["c"], name="third", slope=2),
        node("Gemm", ["c"], ["y"], name="fourth"),
    ]
    model = made(nodes, [port("x", "N", 4)], [port("y", "N", 4)], {})
    model.opset_import.append(helper.make_opsetid("own", 3))
    with pytest.raises(OnnxOperatorError) as caught:
        lenetc.from_onnx(model)
    said = str(caught.value)
    for part in (
        "4 nodes of the file cannot be imported",
        "own.Mystery 'first' (opset 3): this operator is not here",
        "Softmax 'second' (opset 17): the attribute 'axis' is of the type STRING, not INT",
        "Relu 'third' (opset 17): ONNX has no attribute 'slope' of it",
        "Gemm 'fourth' (opset 17): it has 1 inputs, not 2 to 3",
    ):
        assert part in said
    found = lenetc.examine(model)
    assert [problem.node.name for problem in found.problems] == ["first", "second", "third", "fourth"]
    assert not found.is_importable
    assert all(part in str(found) for part in ("Mystery", "cannot be imported", "by test", "y: f32[N,4]"))
    # A part of it that needs none of these can.
    model.graph.node.append(node("Relu", ["x"], ["plain"]))
    assert lenetc.from_onnx(model, outputs="plain")(normal(2, 4)).shape == (2, 4)


def test_nodes_in_any_order() -> None:
    model, x = mlp(), normal(3, 4)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])
    np.testing.assert_array_equal(
        lenetc.from_onnx(model)(x).detach().numpy(), lenetc.from_onnx(mlp())(x).detach().numpy()
    )


def _saved(folder: Path, **entries: str) -> Path:
    model = mlp()
    for tensor in model.graph.initializer:
        onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    onnx.save(
        model, folder / "net.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    if entries:
        model = onnx.load(folder / "net.onnx", load_external_data=False)
        for entry in model.graph.initializer[0].external_data:
            entry.value = entries.get(entry.key, entry.value)
        (folder / "net.onnx").write_bytes(model.SerializeToString())
    return folder / "net.onnx"


def test_external_data(tmp_path: Path) -> None:
    path, x = _saved(tmp_path), normal(3, 4)
    content = (tmp_path / "weights.bin").read_bytes()
    net = lenetc.from_onnx(path)
    np.testing.assert_array_equal(net(x).detach().numpy(), lenetc.from_onnx(mlp())(x).detach().numpy())
    with lenetc.no_grad():
        net.get_parameter("enc.fc.weight").add_(1)
    assert (tmp_path / "weights.bin").read_bytes() == content


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "../weights.bin"}, "outside of the folder"),
        ({"location": "/etc/hostname"}, "outside of the folder"),
        ({"location": "absent.bin"}, "not beside the model"),
        ({"location": ""}, "outside of the folder"),
        ({"length": "47"}, "does not fit"),
        ({"offset": str(10**9)}, "does not fit"),
        ({"offset": "-8"}, "does not fit"),
        ({"offset": "x"}, "cannot be read"),
    ],
)
def test_wrong_external_data(entries: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(OnnxError, match=message):
        lenetc.from_onnx(_saved(tmp_path, **entries))


def test_external_data_do_not_follow_links_out(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    path = _saved(tmp_path / "inside")
    (tmp_path / "inside" / "weights.bin").rename(tmp_path / "weights.bin")
    (tmp_path / "inside" / "weights.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(OnnxError, match="outside of the folder"):
        lenetc.from_onnx(path)


@pytest.mark.parametrize("bits", [TensorProto.INT4, TensorProto.UINT4])
def test_packed_numbers(bits: int, tmp_path: Path) -> None:
    """Two numbers stand in a byte, in the file and beside it."""
    nodes = [node("DequantizeLinear", ["q", "scale"], ["w"]), node("MatMul", ["x", "w"], ["y"])]
    model = made(
        nodes, [port("x", "N", 3)], [port("y", "N", 1)], {"scale": np.float32(1).reshape(())}, opset=21
    )
    model.graph.initializer.append(helper.make_tensor("q", bits, [3, 1], [1, 2, 7]))
    model.ir_version = 10
    content = model.SerializeToString()
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="q.bin", size_threshold=0)
    for source in (content, tmp_path / "net.onnx"):
        net = lenetc.from_onnx(source)
        np.testing.assert_array_equal(net.get_parameter("w").detach().numpy(), [[1], [2], [7]])


# Mutations.

_NAMES = ("", " ", "x", "h", "logits", "w", "é", "a" * 400)
_OPERATORS = (
    "Relu",
    "Gemm",
    "Add",
    "Nope",
    "Split",
    "Loop",
    "Concat",
    "Reshape",
    "BatchNormalization",
    "LSTM",
    "If",
)
_OPERATORS += (
    "Expand",
    "Tile",
    "Range",
    "Pad",
    "Resize",
    "Unsqueeze",
    "Slice",
    "Cast",
    "OneHot",
    "TopK",
    "Scan",
)
_SIZES = ([10**12], [-5], [2**62, 4], [10**5, 10**5], [[1]])
_NUMBERS = (0, -1, 1, 7, 2**31, 2**62, 10**12)


def _seed() -> onnx.ModelProto:
    """Shape arithmetic, a constant, a branch and a layer."""
    branch = helper.make_graph([node("Add", ["h", "b"], ["o"])], "t", [], [port("o")])
    other = helper.make_graph([node("Mul", ["h", "b"], ["o"])], "e", [], [port("o")])
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"]),
        node("Concat", ["n", "rest"], ["rows"], axis=0),
        node("Reshape", ["x", "rows"], ["flat"]),
        node("Constant", [], ["c"], value=numpy_helper.from_array(normal(4, 3))),
        node("ConstantOfShape", ["three"], ["ones"], value=numpy_helper.from_array(np.ones(1, np.float32))),
        node("Gemm", ["flat", "c", "ones"], ["h"], alpha=0.5),
        node("If", ["yes"], ["i"], then_branch=branch, else_branch=other),
        node("Softmax", ["i"], ["y"], axis=-1),
    ]
    weights: dict[str, Array] = {
        "zero": np.array([0]),
        "rest": np.array([-1]),
        "three": np.array([3]),
        "b": normal(3),
        "yes": np.array(True),
    }
    return made(nodes, [port("x", "N", 2, 2)], [port("y", "N", 3)], weights)


def _flipped(content: bytes, rng: random.Random) -> bytes:
    found = bytearray(content)
    at = rng.randrange(len(found))
    match rng.randrange(4):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[at + rng.randrange(1, 30) :]
        case 2:
            return content[:at] + rng.randbytes(rng.randrange(1, 12)) + content[at:]
    for _ in range(rng.choice((1, 2, 8))):
        found[rng.randrange(len(found))] = rng.randrange(256)
    return bytes(found)


def _changed(model: onnx.ModelProto, rng: random.Random) -> bytes:
    graph = model.graph
    of, tensor = rng.choice(graph.node), rng.choice(graph.initializer)
    attribute = helper.make_attribute(
        rng.choice(("axis", "perm", "foo", "value", "to")),
        rng.choice((1, -99, 2**40, "x", (1, 2), 2.5, b"\xff")),
    )
    changes: list[Callable[[], object]] = [
        lambda: of.input and of.input.__setitem__(rng.randrange(len(of.input)), rng.choice(_NAMES)),
        lambda: of.output.__setitem__(0, rng.choice(_NAMES)),
        lambda: setattr(of, "op_type", rng.choice(_OPERATORS)),
        lambda: setattr(of, "domain", rng.choice(("x", "com.microsoft", "ai.onnx"))),
        lambda: of.attribute.append(attribute),
        lambda: of.attribute and setattr(of.attribute[0], "type", rng.randrange(15)),
        lambda: of.attribute and setattr(of.attribute[0], "i", rng.choice(_NUMBERS)),
        lambda: tensor.dims and tensor.dims.__setitem__(0, rng.choice(_NUMBERS)),
        lambda: setattr(tensor, "data_type", rng.randrange(25)),
        lambda: setattr(tensor, "raw_data", tensor.raw_data[: rng.randrange(8)]),
        lambda: tensor.CopyFrom(numpy_helper.from_array(np.array(rng.choice(_SIZES)), tensor.name)),
        lambda: setattr(model.opset_import[0], "version", rng.choice((0, -1, 1, 7, 9, 11, 18, 2**40))),
        lambda: graph.node.append(of),
        lambda: graph.node.remove(of),
        lambda: setattr(graph.input[0].type.tensor_type.shape.dim[1], "dim_value", rng.choice(_NUMBERS)),
    ]
    for change in rng.sample(changes, rng.choice((1, 1, 2))):
        change()
    return model.SerializeToString()


@pytest.mark.parametrize("part", range(4))
def test_mutated_files_give_a_clear_error_or_a_network(part: int) -> None:
    """Every other one by bytes, every other by what it says. What can be imported is run on inputs of its shapes."""
    imported = 0
    for seed in range(part, 800, 4):
        rng = random.Random(seed)
        content = _changed(_seed(), rng) if seed % 8 >= 4 else _flipped(_seed().SerializeToString(), rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                assert str(lenetc.examine(content))
                net = lenetc.from_onnx(content)
                shapes = [[d if isinstance(d, int) else 2 for d in p.shape or (2, 2, 2)] for p in net.ports]
                if all(np.prod(shape, dtype=object) < 10**5 for shape in shapes):
                    results = net(*(np.ones(shape, np.float32) for shape in shapes))
                    for result in results if isinstance(results, tuple) else (results,):
                        result.detach().numpy()
                imported += 1
            except LenetcError:
                continue
    assert imported > 5
