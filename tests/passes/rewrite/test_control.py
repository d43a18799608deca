"""Scans: twins merged, unread items dropped, bodies simplified."""

from __future__ import annotations

import pytest

from ir import Graph, Node, ops, parse, to_text
from ir.op import leaf
from ir.types import Type, f32
from passes.autodiff.driver import gradients
from passes.rewrite.simplify import simplify
from passes.target import Target
from tests.passes.rewriting import arg, assert_runs_alike, assert_same, check_golden, graph_of, values


def cell(prefix: str = "") -> tuple[list[Node], Node]:
    """(inputs, next state) of a recurrent cell h' = tanh(h @ w + x)."""
    h, x, w = (
        leaf(f"{prefix}{name}", Type(f32, shape))
        for name, shape in (("h", (2, 3)), ("x", (2, 3)), ("w", (3, 3)))
    )
    return [h, x, w], ops.tanh(h @ w + x)


def unrolled(body: Graph) -> Node:
    return ops.scan(
        arg("h", 2, 3), arg("xs", 5, 2, 3), arg("w", 3, 3), body=body, carries=1, sequences=1, length=5
    )


def two_scans() -> tuple[Node, ...]:
    """The same recurrence twice, stacking different things, one of which nobody reads."""
    inputs, state = cell()
    first = unrolled(Graph.make("cell", inputs, [("h", state), ("y", state * 2.0)]))
    others, same = cell("other_")
    second = unrolled(
        Graph.make(
            "saving", others, [("h", same), ("before", others[0]), ("unread", -same), ("y", same * 2.0)]
        )
    )
    return (
        ops.get(first, index=0),
        ops.get(first, index=1),
        ops.get(second, index=1),
        ops.get(second, index=3),
    )


def scans(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes() if node.op is ops.scan]


def test_scans_of_the_same_carries_are_merged(request: pytest.FixtureRequest) -> None:
    before = graph_of(two_scans())
    after, notes = simplify(before, Target())
    assert {"merge_scans x1", "drop_scan_items x2"} <= set(notes)
    (scan,) = scans(after)
    assert len(scan.attrs["body"].outputs) == 3  # the state, its double (once), the state before
    check_golden("scans.txt", "merge_scans", before, after, request.config.getoption("--update-goldens"))
    assert_same(before, after, values(before))
    assert_runs_alike(after, values(before))
    assert simplify(after, Target())[0] is after


def test_other_directions_and_other_recurrences_stay_apart() -> None:
    inputs, state = cell()
    body = Graph.make("cell", inputs, [("h", state)])
    other = Graph.make("cell", inputs, [("h", ops.relu(state))])
    back = ops.scan(*unrolled(body).inputs, body=body, carries=1, sequences=1, length=5, reverse=True)
    before = graph_of(tuple(ops.get(scan, index=0) for scan in (unrolled(body), unrolled(other), back)))
    after, _ = simplify(before, Target())
    assert len(scans(after)) == 3
    assert_same(before, after, values(before))


def test_a_scan_and_its_gradient_run_forward_once() -> None:
    inputs, state = cell()
    scan = unrolled(Graph.make("cell", inputs, [("h", state), ("y", state * state)]))
    loss = ops.sum(ops.get(scan, index=1), axes=(0, 1, 2))
    (dw,) = gradients([(loss, ops.scalar(1, f32))], [arg("w", 3, 3)])
    assert dw is not None
    before = graph_of((loss, dw))
    after, _ = simplify(before, Target())
    assert (len(scans(before)), len(scans(after))) == (3, 2)
    assert_same(before, after, values(before))
    assert_runs_alike(after, values(before), rtol=1e-3)
    assert simplify(after, Target())[0] is after


def test_bodies_are_simplified() -> None:
    inputs, state = cell()
    plain = graph_of(ops.get(unrolled(Graph.make("cell", inputs, [("h", state)])), index=0))
    roundabout = graph_of(
        ops.get(unrolled(Graph.make("cell", inputs, [("h", -(-state + 0.0) * 1.0)])), index=0)
    )
    assert simplify(roundabout, Target())[0] is simplify(plain, Target())[0]


def test_text_of_a_merged_scan_reads_back() -> None:
    after, _ = simplify(graph_of(two_scans()), Target())
    assert parse(to_text(after)) is after
