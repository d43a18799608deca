"""Programs: their stages as text and graphs, what each stage computes, the ONNX model, the dumped files."""

from __future__ import annotations

import inspect
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import onnx
import pytest

import lenetc
import lenetc.nn.functional as F
from benchmarks.models import LENET
from ir import parse
from ir.interpret import run
from ir.types import Array
from lenetc import nn, optim, runtime
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.program import Program
from passes.pipeline import PASSES
from tests.support import run_model
from tests.training import TRAININGS, digits, prepared

NAMES = ["forward", "traced", *(name for name, _ in PASSES)]
STAGES = NAMES[1:]


def lowered(name: str, batch: int) -> tuple[Program, dict[str, Array]]:
    """The program of a training, and values for its inputs: real digits, and the state at its start."""
    training = prepared(TRAININGS[name], lenetc)
    step = CompiledFunction(training.step, "cpu")
    images, labels = next(digits(1, batch))
    program = step.lower(images, labels)
    state = {key: cell.numpy() for key, cell in program.capture.cells.items()}
    rates = {
        h.input: np.asarray(h.optimizer.option(h.group, h.key), np.float32) for h in program.capture.hypers
    }
    return program, {"images": images, "labels": labels, **state, **rates}


@pytest.fixture(scope="module")
def lenet() -> tuple[Program, dict[str, Array]]:
    return lowered("sgd", 2)


@pytest.fixture(scope="module")
def scan() -> Program:
    """Three steps in one run."""
    training = prepared(TRAININGS["sgd"], lenetc)
    step = CompiledFunction(training.step, "cpu")
    images, labels = next(digits(1, 6))
    step.scan(images.reshape(3, 2, 1, 32, 32), labels.reshape(3, 2))
    (program,) = step.programs()
    return program


def test_stages_come_in_the_order_of_the_passes(lenet: Any) -> None:
    program, _ = lenet
    assert (
        program.stages()
        == NAMES
        == ["forward", "traced", "simplify", "tile", "strategies", "hoist", "fuse", "order"]
    )
    assert program.graph() is program.graph("order")


@pytest.mark.parametrize("stage", NAMES)
def test_text_parses_back_to_the_same_graph(lenet: Any, scan: Program, stage: str) -> None:
    for program in (lenet[0], scan):
        assert parse(program.text(stage)) is program.graph(stage)


@pytest.mark.parametrize(("name", "batch"), [("sgd", 2), ("normalized", 3), ("adam", 2)])
def test_each_stage_computes_what_the_one_before_does(name: str, batch: int) -> None:
    program, inputs = lowered(name, batch)
    before = run(program.graph("traced"), inputs)
    for stage in STAGES[1:]:
        graph = program.graph(stage)
        after = run(graph, inputs)
        for (key, _), want, got in zip(graph.results + graph.updates, before, after, strict=True):
            np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-6, err_msg=f"{key} after {stage}")
        before = after
    (loss,) = run(program.graph("forward"), inputs)
    np.testing.assert_allclose(loss, before[0], rtol=1e-5)


def test_operations_know_their_phase_and_module(lenet: Any) -> None:
    program, _ = lenet
    for stage in STAGES:
        places = {(node.where.phase, node.where.module) for node in program.graph(stage).operations()}
        assert {phase for phase, _ in places} == {"forward", "backward", "update"}
        for module in ("conv1", "conv2", "fc1", "fc2", "fc3"):
            assert {("forward", module), ("backward", module)} <= places, f"{module} after {stage}"
    assert {node.where.phase for node in program.graph("forward").operations()} == {"forward"}


def test_operations_know_the_users_line() -> None:
    program, _ = lowered("sgd", 3)
    root = Path(__file__).parents[3]
    sources = {str(LENET), str(root / "tests" / "training.py")}
    graph = program.graph("traced")
    # What reads no input is one node in all programs, and knows the line that made it first.
    reads: set[Any] = set(graph.inputs)
    for node in graph.operations():
        if reads.intersection(node.inputs):
            reads.add(node)
            assert node.where.file in sources, node
    assert len(reads) > 100
    lines = (root / LENET).read_text().splitlines()
    convolutions = [node for node in program.graph("traced").nodes() if node.op.name == "conv2d"]
    assert len(convolutions) == 2
    for node in convolutions:
        assert f"self.{node.where.module}(" in lines[node.where.line - 1]


def test_onnx_passes_the_full_checker(lenet: Any, scan: Program) -> None:
    for model in (lenet[0].onnx, scan.onnx):
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        assert [opset.domain for opset in model.opset_import] == [""]
        assert {node.domain for node in operators(model.graph)} == {""}
        assert not model.functions


def test_onnx_names_carry_the_module(lenet: Any) -> None:
    names = [node.name for node in operators(lenet[0].onnx.graph)]
    assert len(set(names)) == len(names)
    for module in ("conv1", "conv2", "fc1", "fc2", "fc3"):
        assert any(name.startswith(f"{module}/") for name in names), module
    outputs = [output.name for output in lenet[0].onnx.graph.output]
    assert outputs[0] == "loss" and "conv1.weight.next" in outputs
    assert "conv1.weight.momentum_buffer.next" in outputs


def test_results_have_the_names_that_are_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function without a source has none, and nobody looks through all modules for it."""

    def named(x: Any) -> Any:
        double, half = x * 2.0, x * 0.5
        return double, half

    scope: dict[str, Any] = {}
    exec("def made(x):\n    double = x * 2.0\n    return double", scope)
    monkeypatch.setattr(inspect, "getmodule", None)
    for function, names in (
        (named, ["double", "half"]),
        (lambda x: (x * 2.0, x * 0.5), ["result0", "result1"]),
        (scope["made"], ["result"]),
    ):
        outputs = lenetc.compile(function).lower(lenetc.ones(2)).onnx.graph.output
        assert [output.name for output in outputs] == names


@pytest.mark.parametrize("name", TRAININGS)
def test_no_model_scatters_with_a_data_race(name: str, scan: Program) -> None:
    """ScatterND adds duplicate indices wrongly with several threads (ONNX Runtime, CPU)."""
    for batch in (1, 5):
        program, _ = lowered(name, batch)
        assert "ScatterND" not in {node.op_type for node in operators(program.onnx.graph)}
    assert "ScatterND" not in {node.op_type for node in operators(scan.onnx.graph)}


def operators(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The operators of `graph`, those in bodies too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from operators(attribute.g)


def test_dump_writes_every_stage(lenet: Any, tmp_path: Path) -> None:
    program, _ = lenet
    written = program.dump(tmp_path / "stages")
    assert sorted(written) == sorted((tmp_path / "stages").iterdir())
    expected = {
        f"{i}-{name}.{end}" for i, name in enumerate(NAMES) for end in ("txt", "dot", "graphml", "svg")
    }
    assert {path.name for path in written} == expected | {"program.onnx"}
    for i, name in enumerate(NAMES):
        stem, graph = tmp_path / "stages" / f"{i}-{name}", program.graph(name)
        assert parse(stem.with_suffix(".txt").read_text()) is graph
        drawn = [node for node in graph.nodes() if node.op.name != "const"]
        read = nx.read_graphml(stem.with_suffix(".graphml"))
        assert len(read) == len(drawn) + len(graph.outputs)
        assert ElementTree.parse(stem.with_suffix(".svg")).getroot().tag.endswith("svg")
        assert stem.with_suffix(".dot").read_text().startswith("digraph")
    assert onnx.load(tmp_path / "stages" / "program.onnx") == program.onnx


def test_notes_say_what_passes_did(lenet: Any) -> None:
    program, _ = lenet
    assert any(note.startswith("conv1: conv2d by ") for note in program.stage("strategies").notes)
    assert any(note.startswith("pool_before_relu x") for note in program.stage("simplify").notes)
    assert any("peak" in note for note in program.stage("order").notes)


def test_a_program_runs_in_lanes_and_its_file_without() -> None:
    """A small residual net with batch normalization: both models compute one step, the file with ai.onnx only."""
    lenetc.manual_seed(0)
    first, second = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False)
    norms = nn.BatchNorm2d(16), nn.BatchNorm2d(32)
    parameters = [p for module in (first, second, *norms) for p in module.parameters()]
    update = optim.SGD(parameters, lr=0.1)

    def train(x: Any) -> Any:
        update.zero_grad()
        y = F.relu(norms[0](first(x)) + x)
        y = F.relu(norms[1](second(y)))
        loss = (y * y).mean()
        loss.backward()
        update.step()
        return loss

    x = np.random.default_rng(0).standard_normal((16, 16, 8, 8)).astype(np.float32)
    program = CompiledFunction(train, "cpu").lower(x)
    assert {node.domain for node in operators(program.onnx.graph)} == {""}
    here = program.emitted.model
    assert {node.domain for node in operators(here.graph)} == (
        {"", "com.microsoft.nchwc"} if runtime.lanes("cpu") else {""}
    )
    graph = program.graph("traced")
    values = {key: cell.numpy() for key, cell in program.capture.cells.items()}
    rates = {h.input: np.float32(0.1) for h in program.capture.hypers}
    feeds = {"x": x, **values, **rates}
    want = run(graph, [feeds[node.attrs["name"]] for node in graph.inputs])
    for model in (program.onnx, here):
        for (name, _), a, b in zip(graph.results + graph.updates, run_model(model, feeds), want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=name)
