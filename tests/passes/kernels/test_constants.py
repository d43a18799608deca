"""What reads no input, computed before a session is loaded."""

from __future__ import annotations

import numpy as np

from ir import Graph, ops
from ir.interpret import run
from ir.op import leaf
from ir.types import Type, f32, i32
from passes.kernels.constants import constants, folded
from passes.kernels.order import memory
from passes.kernels.threads import compute_time
from tests.support import graph_to


def test_what_reads_no_input_is_computed_in_bodies_too() -> None:
    x, rows = leaf("x", Type(f32, (8,))), ops.iota(size=4, dtype=i32)
    table = ops.reshape(rows * 2, shape=(4, 1)) + ops.reshape(ops.iota(size=2, dtype=i32), shape=(1, 2))
    picked = ops.gather(x, ops.reshape(table, shape=(8,)), axis=0)
    branch = Graph.make("branch", [x], [("y", ops.gather(x, rows, axis=0))])
    both = ops.cond(ops.is_nan(ops.sum(x, axes=(0,))), x, then=branch, otherwise=branch)
    graph = graph_to(picked, ops.get(both, index=0), rows, inputs=[x])
    plain = folded(graph)
    for found in (plain, *(v for node in plain.nodes() for v in node.attrs.values() if isinstance(v, Graph))):
        assert not any(node.op is ops.iota for node in found.nodes())
    value = np.arange(8, dtype=np.float32)[::-1].copy()
    for a, b in zip(run(plain, [value]), run(graph, [value]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert folded(plain) is plain


def test_what_reads_no_input_costs_a_run_nothing() -> None:
    x = leaf("x", Type(f32, (8,)))
    graph = graph_to(ops.gather(x, ops.iota(size=100, dtype=i32) * 0, axis=0), inputs=[x])
    assert {node.op.name for node in constants(graph)} == {"iota", "const", "mul"}
    assert memory(graph, 1) == memory(folded(graph), 1) == 400
    assert compute_time(graph) == compute_time(folded(graph))


def test_large_results_other_than_indices_are_left_to_the_run() -> None:
    large = ops.broadcast_to(ops.scalar(1, f32), shape=(1000, 1000))
    graph = graph_to(large, inputs=[])
    assert folded(graph) is graph
