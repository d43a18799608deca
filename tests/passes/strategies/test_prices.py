"""Measured costs in the choice of strategies: what is asked for, the graphs that measure it, what they decide."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ir import Graph, Node, ops
from ir.interpret import run
from ir.op import leaf
from ir.text import parse, to_text
from ir.types import Type, f32
from passes.emit.model import to_onnx
from passes.layouts.assignment import HEAVY
from passes.layouts.batch_last import to_batch_last
from passes.pipeline import finish
from passes.strategies.choice import Choice, choose_strategies, unmeasured
from passes.strategies.prices import Probe
from passes.strategies.table import TABLE
from passes.target import Measured, Target
from tests.passes.lenet import train_step
from tests.support import graph_to, run_model


def _all(graph: Graph, target: Target) -> dict[str, Probe]:
    """Every price that choosing asks for, whatever the answers are: all get the same cost."""
    known: dict[str, float] = {}
    found: dict[str, Probe] = {}
    while asked := unmeasured(graph, replace(target, costs=Measured(known) if known else None)):
        found.update((probe.key, probe) for probe in asked)
        known.update((probe.key, 10.0) for probe in asked)
    return found


def _costs(graph: Graph, target: Target, special: Mapping[str, float]) -> Measured:
    """Costs for all prices: 10 µs, or what `special` says for keys that start so."""
    costs = {}
    for key in _all(graph, target):
        costs[key] = next((cost for start, cost in special.items() if key.startswith(start)), 10.0)
    return Measured(costs)


def _chosen(notes: list[str]) -> list[str]:
    return [note.split(" by ")[1].split(",")[0] for note in notes]


def _step(batch: int = 4) -> Graph:
    x, w = leaf("x", Type(f32, (batch, 2, 8, 8))), leaf("w", Type(f32, (4, 2, 3, 3)))
    y = ops.conv2d(x, w, padding=(1, 1))
    pooled = ops.max_pool2d(y, kernel=(2, 2), stride=(2, 2))
    back = ops.max_pool2d_grad(pooled, y, kernel=(2, 2), stride=(2, 2))
    return graph_to(
        ops.conv2d_weight_grad(x, back, kernel=(3, 3), padding=(1, 1)),
        ops.conv2d_input_grad(back, w, size=(8, 8), padding=(1, 1)),
    )


def test_every_strategy_that_fits_is_asked_for_and_its_graph_computes_the_op() -> None:
    graph = _step()
    found = _all(graph, Target())
    for node in graph.nodes():
        for s in TABLE:
            if s.op == node.op.name and not s.lacks(node, Target()):
                assert any(key.startswith(f"{s.op} by {s.name}") for key in found), (s.op, s.name)
    assert {key.split(":")[0] for key in found} >= {
        "columns",
        "columns in 2x2",
        "views in 2x2",
        "turned",
        "moved",
    }
    rng = np.random.default_rng(0)
    for key, probe in found.items():
        for made in (probe.graph, probe.without):
            if made is None:
                continue
            inner = made()
            values = [rng.standard_normal(node.shape).astype(np.float32) for node in inner.inputs]  # type: ignore[arg-type]
            named = {node.attrs["name"]: value for node, value in zip(inner.inputs, values, strict=True)}
            lowered = finish(inner, Target())
            for a, b in zip(run_model(to_onnx(lowered).model, named), run(inner, values), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4, err_msg=key)
        assert probe.estimate > 0 and 0 < probe.share <= 1


def test_the_probe_of_a_strategy_computes_what_the_op_does() -> None:
    x, w = leaf("x", Type(f32, (3, 2, 6, 6))), leaf("w", Type(f32, (4, 2, 3, 3)))
    graph = graph_to(ops.conv2d(x, w))
    rng = np.random.default_rng(0)
    values = [rng.integers(-3, 4, node.shape).astype(np.float32) for node in (x, w)]  # type: ignore[arg-type]
    want = run(graph, values)[0]
    probes = {key: probe for key, probe in _all(graph, Target()).items() if key.startswith("conv2d by")}
    assert len(probes) == 4  # conv, im2col, gather in single pixels and in blocks
    for key, probe in probes.items():
        inner = probe.graph()
        given = dict(zip(("x0", "x1"), values, strict=True))
        last = run(graph_to(to_batch_last(x).node), values[:1])[0]
        if inner.input_named("x0").shape == last.shape != x.shape:
            given["x0"] = last
        got = run(inner, [given[node.attrs["name"]] for node in inner.inputs])[0]
        assert sorted(got.reshape(-1)) == sorted(want.reshape(-1)), key


def test_measured_costs_decide() -> None:
    graph, target = _step(), Target()
    cheap = {"conv2d by im2col": 0.1, "conv2d_weight_grad by im2col": 0.1, "turned": 50.0}
    notes = choose_strategies(graph, replace(target, costs=_costs(graph, target, cheap)))[1]
    assert _chosen(notes)[0] == "im2col" and _chosen(notes)[-1] != "gather"
    last = {f"{op} by {name}": 0.1 for op in HEAVY for name in ("gather", "knockout")}
    costs = _costs(graph, target, {**last, "turned": 0.1, "moved": 0.1, "columns": 0.1, "views": 0.1})
    notes = choose_strategies(graph, replace(target, costs=costs))[1]
    assert set(_chosen(notes)) == {"gather", "knockout"}
    assert "about 0 + 0 shared µs" in notes[0] and "im2col: 10 µs" in notes[0]


def test_changes_of_layout_count_as_measured() -> None:
    x, w = leaf("x", Type(f32, (4, 2, 8, 8))), leaf("w", Type(f32, (2, 2, 3, 3)))
    graph, target = graph_to(ops.conv2d(x, w, padding=(1, 1))), Target()
    for turned, chosen in ((1.0, "gather"), (60.0, "conv")):
        costs = _costs(graph, target, {"conv2d by conv": 99.0, "conv2d by im2col": 100.0, "turned": turned})
        assert _chosen(choose_strategies(graph, replace(target, costs=costs))[1]) == [chosen]


def test_what_was_not_measured_is_estimated_for_the_machine() -> None:
    graph, target = _step(), Target()
    choice = Choice(graph, target)
    conv = next(s for s in TABLE if (s.op, s.name) == ("conv2d", "conv"))
    node = next(node for node in graph.nodes() if node.op is ops.conv2d)
    estimate = choice.price(node, conv, (1, 1))
    slow = Choice(graph, replace(target, costs=Measured({"other": 1.0}, scale=3.0)))
    assert slow.price(node, conv, (1, 1)) == pytest.approx(3 * estimate)


def test_the_same_costs_and_program_give_the_same_choice() -> None:
    graph = train_step(8)
    target = Target(batch=8)
    rng = np.random.default_rng(3)
    costs = Measured({key: float(rng.integers(1, 100)) for key in _all(graph, target)})
    first, notes = choose_strategies(graph, replace(target, costs=costs))
    backwards = Measured(dict(reversed(costs.costs.items())))
    again, same = choose_strategies(parse(to_text(graph)), replace(target, costs=backwards))
    assert first is again and notes == same


@pytest.mark.parametrize("seed", range(12))
def test_the_choice_costs_least_of_all_assignments(seed: int) -> None:
    """Brute force: every combination of strategies, priced as a whole; pixels alone, so that the cut is exact."""
    rng = np.random.default_rng(seed)
    x, w, v = (
        leaf(n, Type(f32, s)) for n, s in (("x", (4, 2, 5, 5)), ("w", (2, 2, 3, 3)), ("v", (2, 2, 1, 1)))
    )
    y = ops.relu(ops.conv2d(x, w, padding=(1, 1)))
    z = ops.conv2d(y, v) + y
    back = ops.conv2d_input_grad(z, w, size=(5, 5), padding=(1, 1))
    graph = graph_to(ops.conv2d_weight_grad(x, back, kernel=(3, 3), padding=(1, 1)), z)
    heavy = [node for node in graph.nodes() if node.op.name in HEAVY]
    target = Target()
    costs = Measured({key: float(rng.integers(1, 60)) for key in _all(graph, target)})
    priced = replace(target, costs=costs)
    fitting = {
        node: [s for s in TABLE if s.op == node.op.name and not s.lacks(node, target)] for node in heavy
    }
    least = min(
        _price(graph, priced, dict(zip(heavy, combination, strict=True)))
        for combination in itertools.product(*fitting.values())
    )
    choice = Choice(graph, priced)
    chosen = choice.cheapest()[2]
    assert _price(graph, priced, {node: s for node, (_, s) in chosen.items()}) == pytest.approx(least)
    assert choice.plan(dict.fromkeys(heavy, (1, 1)))[0] == pytest.approx(least)


def _price(graph: Graph, target: Target, chosen: dict[Node, Any]) -> float:
    """What a graph costs with given strategies, from the costs alone: the strategies, the columns once for each image,
    and a turn for each value that is read in the other layout than it is made, with free operations as is best."""
    choice = Choice(graph, target)
    nodes = graph.nodes()
    free = [node for node in nodes if node.op in (ops.relu, ops.add)]
    fixed = sum(choice.price(node, s, (1, 1)) for node, s in chosen.items())
    columns = {
        (node.inputs[0], node.attrs.get("kernel") or node.inputs[1].shape[2:]): choice.shared(node, (1, 1))
        for node, s in chosen.items()
        if s.layout == "CHWN" and node.op in (ops.conv2d, ops.conv2d_weight_grad)
    }
    best = float("inf")
    for sides in itertools.product(("NCHW", "CHWN"), repeat=len(free)):
        side = {**{node: s.layout for node, s in chosen.items()}, **dict(zip(free, sides, strict=True))}
        turned = {}
        for node in nodes:
            for i, operand in enumerate(node.inputs):
                batched = HEAVY.get(node.op.name, tuple(range(len(node.inputs))))
                if i in batched and side.get(operand, "NCHW") != side.get(node, "NCHW"):
                    turned[operand] = choice.transposed(operand)
        for output in graph.outputs:
            if output.op is not ops.conv2d_weight_grad and side[output] != "NCHW":
                turned[output] = choice.transposed(output)
        best = min(best, fixed + sum(columns.values()) + sum(turned.values()))
    return best
