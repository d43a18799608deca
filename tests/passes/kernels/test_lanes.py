"""Every rule that keeps images in lanes, against what is expected of it, by graph and by value."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from ir import Graph, Node, ops
from ir.interpret import run
from lenetc import runtime
from passes.autodiff.driver import gradients
from passes.kernels.lanes import RULES
from passes.pipeline import run_pipeline
from passes.rewrite.driver import rewrite
from passes.target import Target
from tests.passes.rewriting import (
    Case,
    N,
    Rewrites,
    arg,
    assert_runs_alike,
    check_rule,
    graph_of,
    only,
    values,
)

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
ALL = arg("x", N, L, 2, 3)  # X in lanes
ROWS, SIX = leave("x", 3), arg("x", 3, L, 2, 3)
A, B = arg("a", 1, L, 1, 1), arg("b", L, 1, 1)
S, T = arg("s", L), arg("t", L)
ONES, ZEROS = (ops.literal(np.full(L, value, np.float32)) for value in (1, 0))


def enter(x: Node) -> Node:
    return ops.to_lanes(x, lanes=L)


def out(x: Node) -> Node:
    return ops.from_lanes(x, lanes=L)


def by_channel(x: Node) -> Node:
    return ops.reshape(x, shape=(L,))


CASES: dict[str, Rewrites] = {
    "stay_in_lanes": [(enter(X), ALL)],
    "unary_in_lanes": [(ops.relu(X), out(ops.relu(ALL))), (ops.tanh(X), out(ops.tanh(ALL)))],
    "binary_in_lanes": [
        (X + leave("z"), out(enter(X) + enter(leave("z")))),
        (PLAIN - X, out(enter(PLAIN) - enter(X))),
        (X * arg("a"), out(enter(X) * arg("a"))),
    ],
    "channels_in_lanes": [
        (X * A, out(ops.affine_lanes(ALL, by_channel(A), ZEROS, lanes=L))),
        (B + out(affine("y")), out(ops.affine_lanes(arg("y", N, L, 2, 3), S, T + by_channel(B), lanes=L))),
        (X - B, out(ops.affine_lanes(ALL, ONES, -by_channel(B), lanes=L))),
    ],
    "addend_in_lanes": [
        (affine("x") + PLAIN, ops.affine_lanes(ALL, S, T, PLAIN, lanes=L)),
        (PLAIN - affine("x"), ops.affine_lanes(ALL, -S, -T, PLAIN, lanes=L)),
    ],
    "relu_of_affine": [(ops.relu(affine("x")), affine("x", relu=True))],
    "strides_in_lanes": [
        (every(X, 2, 1), out(ops.affine_lanes(ALL, ONES, ZEROS, lanes=L, stride=(2, 1)))),
    ],
    "sum_in_lanes": [
        (ops.sum(ROWS, axes=(0, 2, 3)), ops.sum(ops.mean_lanes(SIX, lanes=L), axes=(0, 2, 3)) * 6.0),
        (
            ops.sum(ROWS, axes=(0, 2, 3), keepdims=True),
            ops.sum(ops.mean_lanes(SIX, lanes=L), axes=(0, 2, 3), keepdims=True) * 6.0,
        ),
        (ops.sum(ROWS, axes=(0, 1, 2, 3)), ops.sum(SIX, axes=(0, 1, 2, 3))),
    ],
}
REFUSED: dict[str, tuple[str, Case]] = {
    "a row for each image": ("binary_in_lanes", lambda: X * arg("a", N, 1, 2, 3)),
    "a factor for each pixel": ("channels_in_lanes", lambda: X * arg("a", 2, 3)),
    "a difference turned around": ("channels_in_lanes", lambda: arg("b", L, 1, 1) - X),
    "an affine that is needed": ("addend_in_lanes", lambda: ((a := affine("x")), a + PLAIN)),
    "a multiple of an affine": ("addend_in_lanes", lambda: arg("z", N, L, 2, 3) + affine("x") * 2.0),
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


def test_every_rule_has_a_case() -> None:
    assert {rule.__name__ for _, rule in RULES} == set(CASES)
    assert all("=>" in (rule.__doc__ or "") for _, rule in RULES)


@pytest.mark.parametrize("name", CASES)
def test_rule(name: str) -> None:
    check_rule(RULES, name, CASES[name], runs=runtime.lanes("cpu") == L)


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
