"""Orders: valid, deterministic, never worse than the order given, and better where it matters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir import Graph, Node, ops, parse, to_text
from ir.interpret import run
from ir.verify import verify
from passes.kernels import order
from passes.kernels.order import ordered
from passes.target import Target
from tests.passes import lenet
from tests.passes.rewriting import N, arg, assert_same, check_golden, graph_of, values


def peak(graph: Graph, batch: int = 64) -> int:
    sizes = {node: order.bytes_of(node, Target(batch=batch)) for node in graph.nodes()}
    return order.peak(graph, graph.nodes(), sizes, order.memories_read(graph))


def wide(branches: int, size: int) -> Graph:
    """All the large values are made before the first of them is reduced, in the order given."""
    x = arg("x", size)
    large = [x * float(i + 2) for i in range(branches)]
    sums = [ops.sum(value, axes=(0,)) for value in large]
    graph = graph_of(tuple(sums))
    return graph.with_outputs(sums, order=[x, *large, *sums])


def test_peak_of_a_chain() -> None:
    x = arg("x", 1000)
    y = ops.exp(ops.reshape(ops.tanh(x), shape=(10, 100)))
    # tanh and exp are alive together, 4,000 bytes each; the input and the view count nothing.
    assert peak(graph_of(y)) == 8000
    assert peak(graph_of((y, ops.sum(y, axes=(0, 1))))) == 8000


def test_large_values_are_freed_early(request: pytest.FixtureRequest) -> None:
    before = wide(5, 100)
    after, notes = ordered(before, Target())
    assert peak(before) == 5 * 400 + 4
    assert peak(after) == 400 + 5 * 4
    assert notes == [f"peak {peak(before):,} bytes -> {peak(after):,} bytes"]
    check_golden("order.txt", "wide", before, after, request.config.getoption("--update-goldens"))
    assert parse(to_text(after)) is after


def test_symbolic_sizes_are_taken_as_the_targets_batch() -> None:
    graph = graph_of(ops.exp(arg("x", N, 10)))
    assert ordered(graph, Target(batch=7))[1] == ["peak 280 bytes in the order given, which is kept"]


@pytest.mark.parametrize("batch", [N, 4])
def test_lenet_step(batch: object) -> None:
    graph = lenet.train_step(batch)  # type: ignore[arg-type]
    after, _ = ordered(graph, Target())
    verify(after, "order")
    assert peak(after) <= peak(graph)
    assert ordered(graph, Target())[0] is after
    for want, got in zip(*(run(g, lenet.inputs(graph, 4)) for g in (graph, after)), strict=True):
        np.testing.assert_array_equal(got, want)


def test_a_long_graph_takes_a_short_queue() -> None:
    """Every node is offered at most once for each operand and once more: no scan over all that are ready."""
    offers = 0
    push = order.heapq.heappush

    class Counting:
        heappop = staticmethod(order.heapq.heappop)

        @staticmethod
        def heappush(queue: list[object], item: object) -> None:
            nonlocal offers
            offers += 1
            push(queue, item)

    graph = wide(1000, 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "heapq", Counting)
        ordered(graph, Target())
    assert offers <= sum(len(node.inputs) + 1 for node in graph.nodes())


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random graphs whose values have very different sizes."""
    pool: list[Node] = [arg("x", 4, 5), arg("y", 5)]
    for _ in range(draw(st.integers(1, 15))):
        x, y = draw(st.sampled_from(pool)), draw(st.sampled_from(pool))
        choices = [ops.exp(x), ops.sum(x, axes=tuple(range(x.rank))), ops.reshape(x, shape=(x.ty.size,))]
        choices += [x + y] if {x.shape, y.shape} <= {(4, 5), (5,), ()} else []
        choices += [ops.broadcast_to(x, shape=(4, 5))] if x.shape in ((5,), ()) else []
        pool.append(draw(st.sampled_from(choices)))
    return graph_of(tuple(draw(st.lists(st.sampled_from(pool[2:]), min_size=1, max_size=4))))


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_random_graphs(graph: Graph) -> None:
    after, _ = ordered(graph, Target())
    verify(after, "order")
    assert peak(after) <= peak(graph)
    assert_same(graph, after, values(graph), rtol=0, atol=0)
