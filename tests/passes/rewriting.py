"""Helpers for tests of rewrites: graphs from a few lines, values that tie, expected expressions, goldens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnxruntime
import pytest

from ir import Graph, Node, ops
from ir.dims import Dim, evaluate, symbol
from ir.interpret import run
from ir.node import topological
from ir.op import leaf
from ir.text import to_text
from ir.types import Array, DType, Type, f32
from ir.verify import verify
from passes.emit.model import to_onnx
from passes.rewrite.driver import rewrite
from passes.rewrite.match import Rules

N = symbol("N")
SIZE = 3  # what N is when a graph runs
GOLDEN = Path(__file__).parent / "golden"
Expression: TypeAlias = "Node | tuple[Node, ...]"
Case = Callable[[], Expression]
Rewrites = Sequence[tuple[Expression, Expression]]  # what a rule is given, and what it makes of that
# By the strategies, and by a rule of its own.
LOWERED_LATER = {
    "max_pool2d_grad",
    "max_pool2d_pick",
    "conv2d_weight_grad",
    "standardize",
    "standardize_along",
}


def arg(name: str, *shape: Dim, dtype: DType = f32) -> Node:
    """A graph input."""
    return leaf(name, Type(dtype, shape))


def graph_of(outputs: Node | tuple[Node, ...], name: str = "f") -> Graph:
    """The graph with `outputs` as results y0, y1, ... over the leaves below them, in order of their names.

    An input `batch` with an axis of size N joins them where nodes need N and no leaf has it.
    """
    nodes = outputs if isinstance(outputs, tuple) else (outputs,)
    leaves = [node for node in topological((), nodes) if node.op is ops.input]
    symbolic = any(isinstance(x.type, Type) and not x.ty.is_static for x in topological((), nodes))
    if symbolic and not any(N in node.shape for node in leaves):
        leaves.append(arg("batch", N))
    leaves.sort(key=lambda node: str(node.attrs["name"]))
    return Graph.make(name, leaves, [(f"y{i}", node) for i, node in enumerate(nodes)])


def values(graph: Graph, seed: int = 0) -> list[Array]:
    """Random inputs, half of them from a few numbers around 0, so that ties and exact zeros are common."""
    rng = np.random.default_rng(seed)
    arrays: list[Array] = []
    for node in graph.inputs:
        shape = tuple(int(evaluate(dim, {"N": SIZE})) for dim in node.shape)
        coarse, fine = rng.integers(-2, 3, shape), rng.standard_normal(shape)
        mixed = np.where(rng.random(shape) < 0.5, coarse, fine) if node.dtype.is_float else coarse
        arrays.append(np.asarray(np.abs(mixed) if node.dtype.name == "u8" else mixed, node.dtype.numpy))
    return arrays


def assert_same(
    before: Graph, after: Graph, inputs: Sequence[Array], rtol: float = 1e-5, atol: float = 1e-6
) -> None:
    """Both graphs give the same values in the interpreter."""
    for (key, _), want, got in zip(
        before.results + before.updates, run(before, inputs), run(after, inputs), strict=True
    ):
        assert got.dtype == want.dtype, key
        np.testing.assert_allclose(got, want, rtol, atol, err_msg=key)


def assert_runs_alike(graph: Graph, inputs: Sequence[Array], rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """ONNX Runtime gives what the interpreter gives."""
    session = open_session(graph)
    feeds = {str(node.attrs["name"]): value for node, value in zip(graph.inputs, inputs, strict=True)}
    wanted = {value.name for value in session.get_inputs()}
    found = session.run(None, {name: value for name, value in feeds.items() if name in wanted})
    for want, got in zip(run(graph, inputs), found, strict=True):
        np.testing.assert_allclose(got, want, rtol, atol)


def open_session(graph: Graph, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    """A CPU session of `graph`; the model as the runtime has optimized it is written to `optimized`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    model = to_onnx(graph).model.SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def without_places(graph: Graph) -> str:
    """The text of a graph without provenance: a node that another test made and keeps alive says where that one was."""
    return re.sub("  # .*", "", to_text(graph))


def check_golden(file: str, section: str, before: Graph, after: Graph, update: bool) -> None:
    """Compare `before => after` with the section stored in tests/passes/golden/<file>, or store it."""
    path = GOLDEN / file
    stored = _sections(path.read_text()) if path.exists() else {}
    text = f"{without_places(before)}=>\n{without_places(after)}"
    if update:
        stored[section] = text
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(f"## {name}\n{stored[name]}" for name in sorted(stored)))
    assert stored.get(section) == text, f"run pytest --update-goldens and read the diff of {path.name}"


def _sections(text: str) -> dict[str, str]:
    parts = text.split("## ")[1:]
    named = (part.split("\n", 1) for part in parts)
    return {name: body.rstrip("\n") + "\n" for name, body in named}


def only(rules: Rules, name: str) -> Rules:
    """The one rule called `name`."""
    return Rules((op, rule) for op, rule in rules if rule.__name__ == name)


def assert_rewrites(
    before: Expression,
    expected: Expression,
    rewriting: Callable[[Graph], Graph],
    name: str = "f",
    runs: bool = True,
) -> None:
    """`rewriting` makes the graph of `expected` of that of `before`, and both have the same values without it.

    Write both with the ops alone, not with what the rule is made of. Values are compared in the interpreter, and in
    ONNX Runtime if it `runs` all of these ops. What fails shows the original graph, the rewritten and the expected one.
    """
    original = graph_of(before, name)
    wanted = original.with_outputs(expected if isinstance(expected, tuple) else (expected,))
    rewritten = rewriting(original)
    graphs = {"original": original, "rewritten": rewritten, "expected": wanted}
    shown = "\n".join(f"{what}:\n{without_places(graph)}" for what, graph in graphs.items())
    if rewritten is not wanted:
        pytest.fail(f"{name} makes another graph than expected\n{shown}")
    verify(rewritten, name)
    try:
        for seed in range(3):
            assert_same(original, wanted, values(original, seed))
        for graph in (original, wanted):
            if runs and not LOWERED_LATER & {node.op.name for node in graph.nodes()}:
                assert_runs_alike(graph, values(original))
    except AssertionError as error:
        pytest.fail(f"{name} changes values: {error}\n{shown}")


def check_rule(rules: Rules, name: str, pairs: Rewrites, runs: bool = True) -> None:
    """The one rule called `name`, with all others off, makes of the first expression of each pair the second one."""

    def by_the_rule(graph: Graph) -> Graph:
        fired: Counter[str] = Counter()
        after = rewrite(graph, only(rules, name), fired)
        assert fired[name], f"{name} does not fire on\n{without_places(graph)}"
        return after

    assert pairs
    for before, expected in pairs:
        assert_rewrites(before, expected, by_the_rule, name, runs)
