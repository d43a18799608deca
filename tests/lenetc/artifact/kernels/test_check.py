"""`lenetc check`: what the tables say of models is what runtimes do with them."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import lenetc
from ir.errors import LenetcError
from lenetc.artifact.kernels.check import Checked, check, checked
from lenetc.artifact.kernels.table import Table, runtimes, table
from lenetc.cli import main
from lenetc.cli.parser import RUNTIMES
from lenetc.compiler.function import CompiledFunction
from runtimes.page import PAGE, provenance
from runtimes.probes import probes
from runtimes.schemas import onnx_schemas
from runtimes.tables import merged, registered
from tests.training import TRAININGS, digits, prepared

FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


@pytest.fixture(scope="module", params=["sgd", "normalized"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = prepared(TRAININGS[request.param], lenetc)
    path = tmp_path_factory.mktemp(request.param)
    CompiledFunction(run.step, "cpu").lower(*next(digits(1, 64))).export(path, infer=run.net)
    return path


def model(path: Path, nodes: list[tuple[Any, ...]], opset: int = 18, **types: tuple[int, list[Any]]) -> Path:
    """A model of (operator, inputs, outputs, attributes) written to `path`: its inputs are x..., its outputs y...;
    c and d are constants."""
    made = [
        helper.make_node(o, i.split(), r.split(), name=f"n{n}", **a) for n, (o, i, r, a) in enumerate(nodes)
    ]
    ports = {name: helper.make_tensor_value_info(name, *type) for name, type in types.items()}
    graph = helper.make_graph(
        made,
        "made",
        [port for name, port in ports.items() if name[0] == "x"],
        [port for name, port in ports.items() if name[0] == "y"],
        [helper.make_tensor("c", FLOAT, [1], [2.0]), helper.make_tensor("d", FLOAT, [1], [3.0])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def loads(content: str | bytes) -> bool:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        text = str(error)
        assert "NOT_IMPLEMENTED" in text or "Failed to find kernel" in text, text
        return False
    return True


def test_every_runtime_runs_what_is_exported(folder: Path) -> None:
    for runtime in RUNTIMES:
        train = checked(folder / "train.onnx", table(runtime))
        assert train.runs, runtime
        assert runtime == "ort-web-webgpu" or not train.falls_back, runtime
    files = check(folder, "ort-cpu")
    assert {"train.onnx", "infer.onnx", "init.onnx"} <= {file.file for file in files}
    assert all(file.runs and loads(str(folder / file.file)) for file in files)


def on_cpu(name: str) -> Table:
    known = table(name)
    return dataclasses.replace(known, devices={"cpu": known.devices["cpu"]})


def test_the_table_says_what_the_runtime_does(tmp_path: Path) -> None:
    """On one in twenty of all operators, versions and element types: a newer runtime has all that an older has."""
    known = min(
        (on_cpu(name) for name in ("ort-cpu", "ort-cuda")), key=lambda t: t.version != onnxruntime.__version__
    )
    asked = [
        p for s, o in onnx_schemas() if o <= 20 and s.name not in ("Cast", "OneHot") for p in probes(s, o, 8)
    ]
    seen = {True: 0, False: 0}
    path = tmp_path / "probe.onnx"
    for probe in itertools.islice(asked, 0, None, 20):
        path.write_bytes(probe.model)
        says = checked(path, known).runs
        try:
            does = loads(probe.model)
        except AssertionError:  # no model at all with these types, or without more attributes
            continue
        seen[does] += 1
        # An older runtime than that of the table may lack what this has.
        expected = says if known.version == onnxruntime.__version__ else says and does
        assert does == expected, (probe.operator, probe.version, probe.types)
    assert seen[True] > 50 and seen[False] > 20


def test_what_falls_back_is_told_with_its_place(tmp_path: Path) -> None:
    nodes = [
        ("Mul", "x0 x0", "a", {}),
        ("LogSoftmax", "a", "b", {}),
        ("Neg", "b", "y0", {}),
        ("Equal", "x1 x1", "e", {}),
        ("Where", "e y0 a", "y1", {}),
    ]
    path = model(
        tmp_path / "m.onnx", nodes, x0=(FLOAT, [2, 3]), x1=(INT, [1]), y0=(FLOAT, [2, 3]), y1=(FLOAT, [2, 3])
    )
    (found,) = check(path, "ort-web-webgpu")
    told = {g.operator: (g.device, g.types[0], g.nodes, g.after, g.before) for g in found.groups}
    assert told == {
        "LogSoftmax": ("cpu", ("float",), ("n1",), (("n0",),), (("n2",),)),
        "Equal": ("cpu", ("int64", "int64"), ("n3",), ((),), (("n4",),)),
    }
    assert (found.on_device, found.copies, found.runs) == (3, 3, True)
    assert check(path, "ort-web-wasm")[0].groups == ()


def test_sizes_and_constants_are_counted_apart(tmp_path: Path) -> None:
    nodes = [
        ("Add", "c d", "e", {}),
        ("Mul", "x0 e", "a", {}),
        ("Shape", "x0", "s", {}),
        ("Add", "s s", "t", {}),  # int64, which WebGPU has not
        ("Expand", "a t", "y0", {}),
    ]
    path = model(tmp_path / "m.onnx", nodes, x0=(FLOAT, [1]), y0=(FLOAT, ["M"]))
    (found,) = check(path, "ort-web-webgpu")
    assert (found.on_device, found.of_shapes, found.folded, found.groups) == (2, 2, 1, ())


def test_bodies_are_looked_into(tmp_path: Path) -> None:
    body = helper.make_graph(
        [helper.make_node("LogSoftmax", ["a"], ["b"], name="inner")],
        "body",
        [],
        [helper.make_tensor_value_info("b", FLOAT, [2, 3])],
    )
    nodes = [
        ("Neg", "x0", "a", {}),
        ("If", "x1", "y0", {"then_branch": body, "else_branch": body}),
    ]
    path = model(tmp_path / "m.onnx", nodes, x0=(FLOAT, [2, 3]), x1=(BOOL, []), y0=(FLOAT, [2, 3]))
    (group,) = check(path, "ort-web-webgpu")[0].falls_back
    assert (group.nodes, group.after[0]) == (("n1/inner", "n1/inner"), ("n0",))


@pytest.mark.parametrize(
    ("nodes", "opset", "types", "runtime", "told"),
    [
        (
            [("Det", "x0", "y0", {})],
            18,
            {"x0": (FLOAT, [2, 2]), "y0": (FLOAT, [])},
            "openvino",
            "without a kernel: 1",
        ),
        (
            [("Det", "x0", "y0", {})],
            18,
            {"x0": (11, [2, 2]), "y0": (11, [])},
            "ort-1.17",
            "Det (double -> double)",
        ),
        (
            [("Relu", "x0", "y0", {})],
            21,
            {"x0": (FLOAT, [2]), "y0": (FLOAT, [2])},
            "ort-1.17",
            "none above 20",
        ),
    ],
)
def test_what_cannot_run_has_the_status_1(
    nodes: Any, opset: int, types: Any, runtime: str, told: str, tmp_path: Path, capsys: Any
) -> None:
    path = model(tmp_path / "m.onnx", nodes, opset, **types)
    assert main(["check", str(path), "--runtime", runtime]) == 1
    assert told in capsys.readouterr().out


def test_json_says_the_same(tmp_path: Path, capsys: Any) -> None:
    path = model(
        tmp_path / "m.onnx", [("LogSoftmax", "x0", "y0", {})], x0=(FLOAT, [2, 3]), y0=(FLOAT, [2, 3])
    )
    assert main(["check", str(path), "--runtime", "ort-web-webgpu", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert {*entry} == {field.name for field in dataclasses.fields(Checked)} | {"runs"}
    assert entry["groups"][0]["operator"] == "LogSoftmax" and entry["groups"][0]["device"] == "cpu"


def test_wrong_folders_and_runtimes_are_refused(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    for path, said in (
        (tmp_path, "manifest.json does not exist"),
        (tmp_path / "text.onnx", "not an ONNX model"),
    ):
        assert main(["check", str(path), "--runtime", "ort-cpu"]) == 1
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit, match="1"):
        main(["check", str(tmp_path), "--runtime", "ort-2"])
    assert "ort-web-webgpu" in capsys.readouterr().err
    with pytest.raises(LenetcError, match=r"no runtime 'ort-2'.*ort-cuda"):
        check(tmp_path, "ort-2")


def test_there_is_a_table_for_each_runtime_and_the_page_says_of_what() -> None:
    assert sorted(RUNTIMES) == runtimes()
    assert "\n".join(provenance()) in PAGE.read_text(), "run python -m runtimes.page"


def test_kernels_are_looked_up_as_the_runtime_does() -> None:
    """A kernel without a last version is of the version it was made for; rows of the same types are merged."""
    entry = {"provider": "P", "domain": "", "operator": "Add", "types": {"T": ["tensor(float)"]}}
    listed = [
        {**entry, "first": 13, "last": None},
        {**entry, "first": 7, "last": 14, "types": {"T": ["tensor(int64)"]}},
        {**entry, "first": 14, "last": None},
    ]
    assert registered(listed, "P") == {"Add": {14: [{"T": frozenset({"float", "int64"})}]}}
    one, two = frozenset({"float"}), frozenset({"int64"})
    rows = [{"A": a, "B": b} for a in (one, two) for b in (one, two)]
    assert merged(rows) == [{"A": one | two, "B": one | two}]
    assert len(merged(rows[:3])) == 2
