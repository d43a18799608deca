"""Random programs: the interpreter, the runtime, the text form, the verifier and the gradients agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir import Graph, Node, ops, parse, to_text, verify
from ir.interpret import run
from ir.op import leaf
from ir.types import Type, f32, f64
from passes.autodiff.driver import gradients
from passes.emit.model import to_onnx
from passes.pipeline import run_pipeline
from passes.target import Target
from tests.programs import draw_program
from tests.support import check_gradients, gradient_graph, run_onnx

SEEDS = st.integers(0, 2**32 - 1)
few = settings(max_examples=60, deadline=None, derandomize=True)


def check_text(seed: int) -> None:
    graph = draw_program(seed).graph(f32)
    verify(graph)
    assert parse(to_text(graph)) is graph
    made, _ = gradient_graph(graph)
    verify(made)
    assert parse(to_text(made)) is made


def check_values(seed: int) -> None:
    """Results and gradients in f32, by the runtime and by the interpreter."""
    program = draw_program(seed)
    graph = program.graph(f32)
    made, _ = gradient_graph(graph)
    rng = np.random.default_rng(seed)
    given = program.inputs(f32)
    results = run(graph, given)
    cotangents = [rng.standard_normal(x.shape).astype(np.float32) for x in results]
    for piece, values in ((graph, given), (made, [*given, *cotangents])):
        for want, got in zip(run(piece, values), run_onnx(piece, values), strict=True):
            assert got.shape == want.shape and got.dtype == want.dtype
            np.testing.assert_allclose(
                got, want, rtol=1e-3, atol=1e-4 * max(1.0, float(np.abs(want).max(initial=0)))
            )


def check_passes(seed: int) -> None:
    """Results and gradients stay what they are through every pass, and down to the runtime."""
    program = draw_program(seed)
    made, _ = gradient_graph(program.graph(f32))
    graph = Graph.make("step", made.inputs, [*program.graph(f32).results, *made.results])
    rng = np.random.default_rng(seed)
    given = [rng.standard_normal(node.shape).astype(np.float32) for node in graph.inputs]  # type: ignore[arg-type]
    expected = run(graph, given)
    stages = run_pipeline(graph, Target())
    for name, results in [
        *((stage.name, run(stage.graph, given)) for stage in stages[1:]),
        ("runtime", run_onnx(stages[-1].graph, given)),
    ]:
        for want, got in zip(expected, results, strict=True):
            scale = max(1.0, float(np.abs(want).max(initial=0)))
            np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4 * scale, err_msg=name)


def check_slopes(seed: int) -> None:
    program = draw_program(seed)
    check_gradients(program.graph(f64), program.inputs(f64), order=2, step=1e-6)


@few
@given(SEEDS)
def test_text(seed: int) -> None:
    check_text(seed)


@few
@given(SEEDS)
def test_values(seed: int) -> None:
    check_values(seed)


@few
@given(SEEDS)
def test_gradients(seed: int) -> None:
    check_slopes(seed)


@few
@given(SEEDS)
def test_passes(seed: int) -> None:
    check_passes(seed)


@pytest.mark.slow
@pytest.mark.parametrize("count", [50, pytest.param(1_000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("check", [check_text, check_values, check_slopes, check_passes])
def test_many(check, count: int) -> None:  # type: ignore[no-untyped-def]
    """Ever new ones."""
    settings(max_examples=count, deadline=None)(given(SEEDS)(lambda seed: check(seed)))()


def test_a_long_chain_needs_no_recursion() -> None:
    x, ct = leaf("x", Type(f32, (4,))), leaf("ct", Type(f32, (4,)))
    y: Node = x
    for _ in range(5_000):
        y = ops.sin(y)
    (found,) = gradients([(y, ct)], [x])
    assert found is not None
    graph = Graph.make("chain", [x, ct], [("y", y), ("dx", found)])
    stages = run_pipeline(graph, Target())
    assert len(to_onnx(stages[-1].graph).model.graph.node) >= 10_000
