"""What moves out of a scan's body, and that the values stay."""

from __future__ import annotations

import numpy as np
import pytest

from ir import Graph, Node, ops
from ir.interpret import run
from ir.op import leaf, literal
from ir.types import Type, f64, i64
from passes.rewrite.simplify import simplify
from passes.strategies.choice import choose_strategies
from passes.target import Target
from passes.tiling.cut import cut, tiled
from passes.tiling.hoist import hoist
from tests.passes.lenet import inputs as lenet_inputs
from tests.passes.lenet import train_step

STEPS = 5


def scanned(body: Graph, carries: int, sequences: int) -> Graph:
    """The scan of `body` over inputs named as the body's, and all its results."""
    outer = []
    for i, node in enumerate(body.inputs):
        shape = (STEPS, *node.shape) if carries <= i < carries + sequences else node.shape
        outer.append(leaf(node.attrs["name"], Type(node.dtype, shape)))
    node = ops.scan(*outer, body=body, carries=carries, sequences=sequences, length=STEPS)
    results = [(f"y{i}", ops.get(node, index=i)) for i in range(len(body.outputs))]
    return Graph.make("outer", outer, results)


def moved(graph: Graph) -> tuple[Graph, list[str]]:
    """After the pass, with the same values as before."""
    found, notes = hoist(graph, Target())
    rng = np.random.default_rng(0)
    values = [np.asarray(rng.integers(-9, 9, [int(d) for d in x.shape]), x.dtype.numpy) for x in graph.inputs]
    for before, after in zip(run(graph, values), run(found, values), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-12)
    return found, notes


def body_of(graph: Graph) -> Graph:
    return next(node for node in graph.nodes() if node.op is ops.scan).attrs["body"]  # type: ignore[no-any-return]


s, x, w = (leaf(name, Type(f64, shape)) for name, shape in (("s", (3, 2)), ("x", (4, 3)), ("w", (2, 4))))


def loop(total: Node, *items: Node) -> Graph:
    results = [("y0", total), *((f"y{i}", item) for i, item in enumerate(items, 1))]
    return scanned(Graph.make("body", (s, x, w), results), 1, 1)


def turned(node: Node) -> Node:
    return ops.transpose(node, perm=(1, 0))


def test_what_is_alike_in_every_step_is_computed_before() -> None:
    graph, notes = moved(loop(s, ops.exp(w) @ x))
    assert notes == ["hoist x1"]
    assert not any(node.op is ops.exp for node in body_of(graph).nodes())


def test_an_item_alike_in_every_step() -> None:
    graph, notes = moved(loop(s, ops.exp(w) @ x, ops.exp(w)))
    assert notes == ["hoist x1"]
    assert [node.op.name for node in body_of(graph).operations()] == ["matmul"]


@pytest.mark.parametrize(
    ("term", "left"),
    [
        (turned(ops.neg(w @ x)), ["matmul", "add"]),
        (ops.reshape(turned(ops.exp(x)), shape=(3, 4)) @ turned(ops.exp(w)), ["exp", "add"]),
        (turned(w @ (x * x)), ["mul", "add"]),
    ],
)
def test_what_is_linear_is_done_to_the_sum(term: Node, left: list[str]) -> None:
    graph, notes = moved(loop(s + term))
    assert [node.op.name for node in body_of(graph).operations()] == left
    assert any(note.startswith("sink") for note in notes)


@pytest.mark.parametrize(
    "total",
    [
        s * turned(w @ x),  # no sum
        s + ops.exp(turned(w @ x)),  # not linear
        s + turned(w @ x) * turned(w @ x),  # nor this
        s + s * turned(w @ x),  # the sum so far is read elsewhere
    ],
    ids=str,
)
def test_what_stays(total: Node) -> None:
    graph = loop(total)
    found, notes = moved(graph)
    assert not any(note.startswith("sink") for note in notes)
    assert len(body_of(found).operations()) == len(body_of(graph).operations())


def test_a_term_that_is_an_item_too_stays() -> None:
    term = turned(w @ x)
    _, notes = moved(loop(s + term, term))
    assert notes == []


def test_a_sum_that_an_item_reads_as_it_grows_stays() -> None:
    _, notes = moved(loop(s + turned(w @ x), ops.exp(s)))
    assert notes == []


def test_larger_terms_are_reduced_in_the_loop() -> None:
    """Adding up what is a thousand times larger would cost more than it saves."""
    total, long = leaf("t", Type(f64, (2,))), leaf("x", Type(f64, (2, 4000)))
    body = Graph.make("body", (total, long), [("y0", total + ops.sum(ops.exp(long), axes=(1,)))])
    _, notes = moved(scanned(body, 1, 1))
    assert notes == []


def test_integers_and_constants() -> None:
    count, step = leaf("n", Type(i64, ())), leaf("x", Type(i64, (3,)))
    more = count + ops.sum(step, axes=(0,))
    body = Graph.make("body", (count, step), [("y0", more), ("y1", step + literal(np.arange(3)))])
    graph, notes = moved(scanned(body, 1, 1))
    assert notes == [] and body_of(graph) is body


def test_scans_in_scans() -> None:
    inner = ops.scan(
        s, leaf("xs", Type(f64, (3, 4, 3))), w, body=loop_body(), carries=1, sequences=1, length=3
    )
    body = Graph.make("around", (s, leaf("xs", Type(f64, (3, 4, 3))), w), [("y0", ops.get(inner, index=0))])
    graph, notes = moved(scanned(body, 1, 1))
    assert notes[0].startswith("hoist")
    assert not any(node.op is ops.exp for node in body_of(graph).nodes())
    assert not any(node.op is ops.exp for node in body_of(body_of(graph)).nodes())


def loop_body() -> Graph:
    return Graph.make("inner", (s, x, w), [("y0", s + turned(ops.exp(w) @ x))])


def test_tiles_of_lenet() -> None:
    """The weights for blocks of pixels are made once, and their gradients taken apart once."""
    graph = simplify(train_step(batch=8), Target())[0]
    whole = cut(graph)
    assert whole is not None
    lowered, _ = choose_strategies(tiled(whole, 4), Target(overrides=(("conv2d", "gather"),)))
    after, notes = hoist(lowered, Target())
    assert [note.split()[0] for note in notes] == ["hoist", "sink"]
    values = lenet_inputs(graph, 8)
    for want, got in zip(run(graph, values), run(after, values), strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=1e-5)
