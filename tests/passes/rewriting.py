"""Helpers for tests of rules: graphs from a few lines, values that tie, goldens, and the three-way check."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

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
Case = Callable[[], "Node | tuple[Node, ...]"]
# By the strategies, and by a rule of its own.
LOWERED_LATER = {"max_pool2d_grad", "max_pool2d_pick", "conv2d_weight_grad", "standardize"}


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


def check_golden(file: str, section: str, before: Graph, after: Graph, update: bool) -> None:
    """Compare `before => after` with the section stored in tests/passes/golden/<file>, or store it."""
    path = GOLDEN / file
    stored = _sections(path.read_text()) if path.exists() else {}
    # Without provenance: a node that another test made and keeps alive says where that one was.
    text = re.sub("  # .*", "", f"{to_text(before)}=>\n{to_text(after)}")
    if update:
        stored[section] = text
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(f"## {name}\n{stored[name]}" for name in sorted(stored)))
    assert stored.get(section) == text, f"run pytest --update-goldens and read the diff of {path.name}"


def _sections(text: str) -> dict[str, str]:
    parts = text.split("## ")[1:]
    named = (part.split("\n", 1) for part in parts)
    return {name: body.rstrip("\n") + "\n" for name, body in named}


def sections(file: str) -> set[str]:
    """Names of the stored sections."""
    return set(_sections((GOLDEN / file).read_text()))


def only(rules: Rules, name: str) -> Rules:
    """The one rule called `name`."""
    return Rules((op, rule) for op, rule in rules if rule.__name__ == name)


def check_rule(rules: Rules, name: str, build: Case, file: str, update: bool) -> Graph:
    """Apply the one rule to its case: it fires, gives the stored text and changes no value."""
    before = graph_of(build(), name)
    fired: Counter[str] = Counter()
    after = rewrite(before, only(rules, name), fired)
    verify(after, name)
    assert fired[name] >= 1
    check_golden(file, name, before, after, update)
    for seed in range(3):
        assert_same(before, after, values(before, seed))
    for graph in (before, after):
        if not LOWERED_LATER & {node.op.name for node in graph.nodes()}:
            assert_runs_alike(graph, values(before))
    return after
