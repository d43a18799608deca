"""Batch-last storage, the minimum cut over layouts, and the choice of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ir import Graph, Node, ops
from ir.dims import symbol
from ir.interpret import run
from ir.op import leaf
from ir.types import Type, f32
from passes.layouts.assignment import CHWN, NCHW, Layouts, Shared, batched_values
from passes.layouts.batch_last import Stored, store, to_batch_first, to_batch_last
from passes.layouts.lowering import choose_blocks
from passes.strategies.choice import choose_strategies
from passes.target import Target
from tests.support import graph_to

N = symbol("N")
IMAGE = Type(f32, (N, 2, 4, 6))
KERNEL = Type(f32, (2, 2, 1, 1))


@pytest.mark.parametrize("block", [(1, 1), (2, 2), (2, 3), (4, 1)])
def test_blocks_hold_the_pixels_they_say(block: tuple[int, int]) -> None:
    x = leaf("x", IMAGE)
    moved = to_batch_last(x).in_blocks(block)
    stored = Stored(IMAGE.shape, moved, block)
    value = np.random.default_rng(0).standard_normal((3, 2, 4, 6)).astype(np.float32)
    planes, back = run(graph_to(stored.rows(), to_batch_first(stored), inputs=[x]), [value])
    np.testing.assert_array_equal(back, value)
    split = value.transpose(1, 2, 3, 0).reshape(2, 4 // block[0], block[0], 6 // block[1], block[1], 3)
    np.testing.assert_array_equal(planes, split.transpose(2, 4, 0, 1, 3, 5).reshape(planes.shape))
    if block == (2, 2):
        first = planes.reshape(4, 2, 6, 3)[1, 0, 0]  # plane 1: the right upper pixel of each block
        np.testing.assert_array_equal(first, value[:, 0, 0, 1])


def test_a_stored_value_may_come_in_any_shape() -> None:
    x = leaf("x", Type(f32, (48, N)))
    assert store(IMAGE.shape, x).node.shape == (2, 4, 6, N)
    assert store(IMAGE.shape, x, (2, 2)).node.shape == (4, 2, 6, N)


def test_batched_values_follow_the_leading_axis_and_no_other() -> None:
    x, w, bias = leaf("x", IMAGE), leaf("w", KERNEL), leaf("b", Type(f32, (1, 2, 1, 1)))
    dense = leaf("dense", Type(f32, (48, 5)))
    y = ops.relu(ops.conv2d(x, w) + bias)
    flat = ops.reshape(y, shape=(N, 48))
    logits = flat @ dense
    gradient = ops.transpose(flat, perm=(1, 0)) @ logits
    found = batched_values(graph_to(logits, gradient, ops.sum(y, axes=(0, 2, 3))))
    assert {x, y, flat, logits} <= found
    assert not {w, bias, dense, gradient} & found


def _chain(length: int) -> tuple[Graph, list[Node]]:
    x, w = leaf("x", IMAGE), leaf("w", KERNEL)
    nodes = [ops.conv2d(x, w)]
    for _ in range(length - 1):
        nodes.append(ops.conv2d(ops.relu(nodes[-1]), w))
    return graph_to(nodes[-1]), nodes


def _assigned(costs: list[dict[str, float]], transpose: float, shared: Any = ()) -> tuple[list[str], float]:
    graph, nodes = _chain(len(costs))
    groups = [Shared(cost, tuple(nodes[i] for i in members)) for cost, members in shared]
    layouts, total = Layouts(graph, lambda value: transpose).assign(
        dict(zip(nodes, costs, strict=True)), groups
    )
    return [layouts[node] for node in nodes], total


def test_layout_changes_are_counted() -> None:
    costs = [{NCHW: 5.0, CHWN: 1.0}, {NCHW: 1.0, CHWN: 3.0}, {NCHW: 5.0, CHWN: 1.0}]
    assert _assigned(costs, 0.1) == ([CHWN, NCHW, CHWN], pytest.approx(3.4))  # in, out, in, out
    assert _assigned(costs, 1.9) == ([CHWN, CHWN, CHWN], pytest.approx(8.8))
    assert _assigned(costs, 9.0) == ([NCHW, NCHW, NCHW], pytest.approx(11.0))


def test_an_op_without_a_strategy_in_a_layout_stays_out_of_it() -> None:
    assert _assigned([{CHWN: 50.0}, {NCHW: 50.0}], 1.0)[0] == [CHWN, NCHW]


def test_a_tie_stays_batch_first() -> None:
    assert _assigned([{NCHW: 3.0, CHWN: 3.0}], 0.0) == ([NCHW], 3.0)


def test_shared_work_is_paid_once() -> None:
    costs = [{NCHW: 5.0, CHWN: 1.0}, {NCHW: 5.0, CHWN: 1.0}]
    assert _assigned(costs, 0.5, [(5.0, (0, 1))]) == ([CHWN, CHWN], pytest.approx(8.0))
    assert _assigned(costs, 0.5, [(5.0, (0,)), (5.0, (1,))])[0] == [NCHW, NCHW]


def test_a_value_read_by_many_is_transposed_once() -> None:
    x, w = leaf("x", IMAGE), leaf("w", KERNEL)
    readers = [ops.conv2d(x, w, groups=1), ops.conv2d(x, w * 2.0), ops.conv2d(x, w * 3.0)]
    graph = graph_to(*(ops.sum(y, axes=(0, 2, 3)) for y in readers))
    costs = {y: {NCHW: 4.0, CHWN: 2.0} for y in readers}
    layouts, total = Layouts(graph, lambda value: 5.0).assign(costs, [])
    assert ([layouts[y] for y in readers], total) == ([CHWN] * 3, 11.0)


def test_blocks_are_chosen_where_they_save_more_than_they_move() -> None:
    x, w = leaf("x", IMAGE), leaf("w", Type(f32, (2, 2, 3, 3)))
    y = ops.conv2d(x, w, padding=(1, 1))
    pooled = ops.max_pool2d(ops.relu(y), kernel=(2, 2), stride=(2, 2))
    layouts = dict.fromkeys((y, ops.relu(y), pooled), CHWN)
    cost = lambda node, block: 10.0 if block == (1, 1) else 4.0  # noqa: E731
    inside = graph_to(ops.sum(pooled, axes=(0, 2, 3)))
    assert choose_blocks(inside, layouts, cost, lambda value: 100.0)[0][y] == (2, 2)
    seen = graph_to(ops.sum(pooled, axes=(0, 2, 3)), y)  # somebody wants the pixels of y in their order
    assert choose_blocks(seen, layouts, cost, lambda value: 100.0)[0][y] == (1, 1)
    assert choose_blocks(seen, layouts, cost, lambda value: 5.0) == ({y: (2, 2), ops.relu(y): (2, 2)}, 5.0)


def _last(graph: Graph) -> str:
    """The layout of the one convolution of `graph`."""
    (note,) = [n for n in choose_strategies(graph, Target(batch=256))[1] if "conv2d by" in n]
    return note.split(", ")[1].split()[0]


def test_parameters_of_every_rank_broadcast_batch_last() -> None:
    """Operands without a batch axis, with one, and with fewer pixels, next to an image in blocks."""
    rng = np.random.default_rng(0)
    x, w = leaf("x", Type(f32, (N, 3, 8, 8))), leaf("w", Type(f32, (4, 3, 3, 3)))
    others = [
        leaf("scale", Type(f32, (1, 4, 1, 1))),
        leaf("shift", Type(f32, (4, 1, 1))),
        leaf("plane", Type(f32, (8, 8))),
        leaf("row", Type(f32, (8,))),
        leaf("gate", Type(f32, (N, 4, 1, 1))),
        leaf("mask", Type(f32, (N, 1, 8, 8))),
        leaf("strip", Type(f32, (N, 4, 8, 1))),
        leaf("number", Type(f32, ())),
    ]
    y = ops.conv2d(x, w, padding=(1, 1))
    for other in others:
        y = other * y + other
    z = ops.max_pool2d(y, kernel=(2, 2), stride=(2, 2))
    graph = graph_to(z, ops.sum(y, axes=(0, 2, 3), keepdims=True), inputs=[x, w, *others])
    shapes = [tuple(5 if d == N else d for d in node.shape) for node in graph.inputs]
    arrays = [rng.integers(-1, 2, shape).astype(np.float32) for shape in shapes]
    forced = Target(overrides=(("conv2d", "gather"), ("max_pool2d", "knockout")))
    lowered, notes = choose_strategies(graph, forced)
    assert "CHWN in blocks of 2x2" in notes[0]
    for want, got in zip(run(graph, arrays), run(lowered, arrays), strict=True):
        np.testing.assert_array_equal(got, want)


def test_operations_around_images_work_batch_last() -> None:
    """Slices, pads, joins, reductions and products that keep the batch in front."""
    x, w = leaf("x", Type(f32, (N, 3, 8, 8))), leaf("w", Type(f32, (4, 3, 3, 3)))
    dense = leaf("dense", Type(f32, (4 * 36, 5)))
    y = ops.relu(ops.conv2d(x, w))
    cut = ops.slice(y, starts=(0, 1, 0, 1), stops=(N, 3, 6, 5), steps=(1, 1, 2, 1))
    padded = ops.pad(cut, low=(0, 1, 0, 0), high=(0, 1, 3, 2), value=2.0)
    joined = ops.concat(y, padded, axis=1)
    means = ops.sum(joined, axes=(2, 3), keepdims=True)
    peaks = ops.reduce_max(joined - means, axes=(1,))
    flat = ops.reshape(y, shape=(N, 4 * 36)) @ dense
    graph = graph_to(peaks, flat, ops.transpose(flat, perm=(1, 0)) @ flat, inputs=[x, w, dense])
    arrays = [
        np.random.default_rng(0).integers(-2, 3, shape).astype(np.float32)
        for shape in ((5, 3, 8, 8), (4, 3, 3, 3), (144, 5))
    ]
    lowered, notes = choose_strategies(graph, Target(overrides=(("conv2d", "gather"),)))
    assert "CHWN" in notes[0]
    for want, got in zip(run(graph, arrays), run(lowered, arrays), strict=True):
        np.testing.assert_array_equal(got, want)


def test_small_batches_stay_batch_first_and_large_ones_do_not() -> None:
    def step(n: int) -> Graph:
        x, w = leaf("x", Type(f32, (n, 8, 16, 16))), leaf("w", Type(f32, (8, 8, 3, 3)))
        y = ops.conv2d(x, w, padding=(1, 1))
        return graph_to(y, ops.conv2d_weight_grad(x, ops.relu(y), kernel=(3, 3), padding=(1, 1)))

    assert _last(step(1)) == NCHW
    assert _last(step(128)) == CHWN
