"""Every rule that keeps images in lanes, against its stored before and after, the interpreter and the runtime."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from ir import Graph, Node, ops
from ir.interpret import run
from ir.verify import verify
from lenetc import runtime
from passes.autodiff.driver import gradients
from passes.kernels.lanes import RULES
from passes.pipeline import run_pipeline
from passes.rewrite.driver import rewrite
from passes.target import Target
from tests.passes.rewriting import (
    Case,
    N,
    arg,
    assert_runs_alike,
    assert_same,
    check_golden,
    graph_of,
    only,
    sections,
    values,
)

GOLDEN = "lanes.txt"
L = 16


def leave(name: str, batch: Any = N) -> Node:
    return ops.from_lanes(arg(name, batch, L, 2, 3), lanes=L)


def affine(name: str, relu: bool = False) -> Node:
    return ops.affine_lanes(arg(name, N, L, 2, 3), arg("s", L), arg("t", L), lanes=L, relu=relu)


def every(x: Node, rows: int, columns: int) -> Node:
    return ops.slice(x, starts=(0,) * 4, stops=x.shape, steps=(1, 1, rows, columns))


X = leave("x")
FORCED = tuple((name, "lanes") for name in ("conv2d", "conv2d_input_grad", "conv2d_weight_grad"))
PLAIN = arg("y", N, L, 2, 3)
CASES: dict[str, Case] = {
    "stay_in_lanes": lambda: ops.to_lanes(X, lanes=L),
    "unary_in_lanes": lambda: (ops.relu(X), ops.tanh(X)),
    "binary_in_lanes": lambda: (X + leave("z"), PLAIN - X, X * arg("a")),
    "channels_in_lanes": lambda: (
        X * arg("a", 1, L, 1, 1),
        arg("b", L, 1, 1) + ops.from_lanes(affine("y"), lanes=L),
        X - arg("b", L, 1, 1),
    ),
    "addend_in_lanes": lambda: (
        affine("x") + PLAIN,
        arg("z", N, L, 2, 3) + affine("x") * 2.0,
        PLAIN - affine("w"),
    ),
    "relu_of_affine": lambda: ops.relu(affine("x")),
    "strides_in_lanes": lambda: every(leave("x"), 2, 1),
    "sum_in_lanes": lambda: (
        ops.sum(leave("x", 3), axes=(0, 2, 3)),
        ops.sum(leave("x", 3), axes=(0, 2, 3), keepdims=True),
        ops.sum(leave("x", 3), axes=(0, 1, 2, 3)),
    ),
}
REFUSED: dict[str, tuple[str, Case]] = {
    "a row for each image": ("binary_in_lanes", lambda: X * arg("a", N, 1, 2, 3)),
    "a factor for each pixel": ("channels_in_lanes", lambda: X * arg("a", 2, 3)),
    "a difference turned around": ("channels_in_lanes", lambda: arg("b", L, 1, 1) - X),
    "an affine that is needed": ("addend_in_lanes", lambda: ((a := affine("x")), a + PLAIN)),
    "less than an affine": ("addend_in_lanes", lambda: affine("x") - PLAIN),
    "a relu between": ("addend_in_lanes", lambda: affine("x", relu=True) + PLAIN),
    "an affine needed without relu": ("relu_of_affine", lambda: ((a := affine("x")), ops.relu(a))),
    "every second sample": (
        "strides_in_lanes",
        lambda: ops.slice(leave("x", 4), starts=(0,) * 4, stops=(4, L, 2, 3), steps=(2, 1, 1, 1)),
    ),
    "all but a row": (
        "strides_in_lanes",
        lambda: ops.slice(leave("x", 4), starts=(0, 0, 1, 0), stops=(4, L, 2, 3), steps=(1, 1, 1, 2)),
    ),
    "a sum over pixels alone": ("sum_in_lanes", lambda: ops.sum(leave("x", 3), axes=(2, 3))),
}


def test_every_rule_has_a_case_and_a_golden() -> None:
    assert {rule.__name__ for _, rule in RULES} == set(CASES) == sections(GOLDEN)
    assert all("=>" in (rule.__doc__ or "") for _, rule in RULES)


@pytest.mark.parametrize("name", CASES)
def test_rule(name: str, request: pytest.FixtureRequest) -> None:
    before = graph_of(CASES[name](), name)
    fired: Counter[str] = Counter()
    after = rewrite(before, only(RULES, name), fired)
    verify(after, name)
    assert fired[name] >= 1
    check_golden(GOLDEN, name, before, after, request.config.getoption("--update-goldens"))
    for seed in range(3):
        assert_same(before, after, values(before, seed))
    if runtime.lanes("cpu") == L:
        for graph in (before, after):
            assert_runs_alike(graph, values(before))


@pytest.mark.parametrize("why", REFUSED)
def test_rule_refuses(why: str) -> None:
    name, build = REFUSED[why]
    before = graph_of(build())
    assert rewrite(before, only(RULES, name)) is before


def block() -> Graph:
    """Loss and gradients of a residual block: two convolutions with batch normalization, and ReLU."""
    x, target = arg("x", 16, 16, 4, 4), arg("target", 16, 16, 4, 4)
    parameters = [arg(f"w{i}", 16, 16, 3, 3) for i in (1, 2)] + [arg(f"scale{i}", 16) for i in (1, 2)]
    y = ops.conv2d(x, parameters[0], padding=(1, 1))
    y = ops.relu(ops.standardize(y, parameters[2], eps=1e-5) + ops.reshape(arg("b", 16), shape=(16, 1, 1)))
    y = ops.conv2d(y, parameters[1], padding=(1, 1))
    y = ops.relu(ops.standardize(y, parameters[3], eps=1e-5) + x)
    loss = ops.sum(y * target, axes=(0, 1, 2, 3))
    found = gradients([(loss, ops.scalar(1.0, loss.dtype))], [x, *parameters])
    return graph_of((loss, *(g for g in found if g is not None)), "block")


def test_a_residual_block_enters_lanes_once_for_each_input() -> None:
    graph = block()
    lowered = run_pipeline(graph, Target(lanes=L, overrides=FORCED))[-1].graph
    counts = Counter(node.op.name for node in lowered.operations())
    # x and target; and for each weight gradient its image with samples for channels
    assert counts["to_lanes"] == 2 + 2
    assert counts["from_lanes"] == 1, "the gradient of x"
    assert counts["conv2d_lanes"] == 6
    assert not counts.keys() & {"conv2d", "conv2d_input_grad", "relu", "max_pool2d"}
    inputs = [np.asarray(v * 0.5, np.float32) for v in values(graph)]
    for want, got in zip(run(graph, inputs), run(lowered, inputs), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)
    if runtime.lanes("cpu") == L:
        assert_runs_alike(lowered, inputs, rtol=1e-3, atol=1e-3)
