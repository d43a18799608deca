"""What `choose_strategies` chooses for whole graphs, and that the choice changes no value."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from ir import Graph, Node, ops
from ir.dims import Dim, symbol
from ir.interpret import run
from ir.node import Where, building_at
from ir.op import leaf
from ir.text import parse, to_text
from ir.types import Type, f32, f64
from passes.emit.model import to_onnx
from passes.layouts.assignment import HEAVY
from passes.pipeline import run_pipeline
from passes.strategies.choice import choose_strategies
from passes.strategies.table import TABLE, StrategyError
from passes.target import Target
from tests.passes.lenet import inputs, train_step
from tests.support import graph_to, run_model

BATCH_LAST = (
    ("conv2d", "gather"),
    ("conv2d_weight_grad", "gather"),
    ("conv2d_input_grad", "gather"),
    ("max_pool2d", "knockout"),
    ("max_pool2d_grad", "knockout"),
)
BATCH_FIRST = (
    ("conv2d", "im2col"),
    ("conv2d_weight_grad", "swapped_conv"),
    ("conv2d_input_grad", "conv_transpose"),
    ("max_pool2d_grad", "indices"),
)


def _final(graph: Graph, target: Target) -> Graph:
    return run_pipeline(graph, target)[-1].graph


def _named(graph: Graph, values: Any) -> dict[str, Any]:
    return {node.attrs["name"]: value for node, value in zip(graph.inputs, values, strict=True)}


@pytest.mark.parametrize("batch", [symbol("N"), 5])
@pytest.mark.parametrize(
    "overrides", [(), BATCH_LAST, BATCH_FIRST, (*BATCH_LAST, ("conv2d_input_grad", "dilated"))]
)
def test_lenet_trains_the_same_whatever_is_chosen(batch: Dim, overrides: Any) -> None:
    graph = train_step(batch)
    final = _final(graph, Target(overrides=overrides))
    values = inputs(graph, 5)
    want = run(graph, values)
    for got in (run(final, values), run_model(to_onnx(final).model, _named(graph, values))):
        for (name, _), a, b in zip(graph.results + graph.updates, got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=name)


def test_one_symbolic_step_takes_batches_of_any_size() -> None:
    graph = train_step()
    final = _final(graph, Target(overrides=BATCH_LAST))
    for batch in (1, 3, 8):
        values = inputs(graph, batch)
        got = run_model(to_onnx(final).model, _named(graph, values))
        np.testing.assert_allclose(got[0], run(graph, values)[0], rtol=1e-5)


def test_lenet_gives_the_same_bits_every_time() -> None:
    graph = train_step(16)
    model = to_onnx(_final(graph, Target(batch=16))).model
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = _named(graph, inputs(graph, 16))
    first = [x.tobytes() for x in session.run(None, values)]
    for _ in range(99):
        assert [x.tobytes() for x in session.run(None, values)] == first


def _notes(batch: int) -> list[str]:
    """The notes without their estimates, which move with every new measurement."""
    return [
        note.split(", about")[0]
        for note in choose_strategies(train_step(batch), Target(batch=batch, operators="ort"))[1]
    ]


def test_lenet_at_batch_1_works_batch_first() -> None:
    assert _notes(1) == [
        "forward: conv2d by columns, NCHW",
        "forward: max_pool2d by max_pool, NCHW",
        "forward: conv2d by columns, NCHW",
        "forward: max_pool2d by max_pool, NCHW",
        "backward: max_pool2d_grad by indices, NCHW",
        "backward: conv2d_input_grad by conv_transpose, NCHW",
        "backward: max_pool2d_grad by indices, NCHW",
        "backward: conv2d_weight_grad by columns, NCHW",
        "backward: conv2d_weight_grad by columns, NCHW",
    ]
    lowered, _ = choose_strategies(train_step(1), Target(batch=1, operators="ort"))
    assert sum(node.op is ops.conv2d for node in lowered.nodes()) == 2  # forward and gradient share columns


def test_columns_of_one_sample_are_not_made_for_the_forward_pass_alone() -> None:
    x, w = leaf("x", Type(f32, (1, 6, 14, 14))), leaf("w", Type(f32, (16, 6, 5, 5)))
    y = ops.conv2d(x, w)
    assert "by conv, " in choose_strategies(graph_to(y), Target())[1][0]
    g = ops.conv2d_weight_grad(x, ops.tanh(y), kernel=(5, 5))
    assert all("by columns, " in note for note in choose_strategies(graph_to(g), Target())[1])
    assert "by columns, " in choose_strategies(graph_to(y), Target(overrides=(("conv2d", "columns"),)))[1][0]
    apart = Target(overrides=(("conv2d", "conv"), ("conv2d_weight_grad", "columns")))
    forward, backward = choose_strategies(graph_to(g), apart)[1]
    assert "by conv, " in forward and "by columns, " in backward


def test_lenet_at_batch_64_works_batch_last_in_the_blocks_of_its_pools() -> None:
    assert _notes(64) == [
        "forward: conv2d by gather, CHWN in blocks of 2x2",
        "forward: max_pool2d by knockout, CHWN in blocks of 2x2",
        "forward: conv2d by gather, CHWN in blocks of 2x2",
        "forward: max_pool2d by knockout, CHWN in blocks of 2x2",
        "backward: max_pool2d_grad by knockout, CHWN in blocks of 2x2",
        "backward: conv2d_input_grad by dilated, CHWN in blocks of 2x2",
        "backward: max_pool2d_grad by knockout, CHWN in blocks of 2x2",
        "backward: conv2d_weight_grad by gather, CHWN in blocks of 2x2",
        "backward: conv2d_weight_grad by gather, CHWN in blocks of 2x2",
    ]


def test_the_sums_of_a_bias_tell_whether_the_gradient_of_its_pool_is_finite() -> None:
    lowered, _ = choose_strategies(train_step(64), Target(batch=64))
    of_images = [node.inputs[0] for node in lowered.nodes() if node.op is ops.sum and not node.shape]
    of_images = [x for x in of_images if x.rank > 2]  # others are of the loss
    assert [x.op for x in of_images] == [ops.maximum] * 2


def test_forward_and_weight_gradient_share_their_columns() -> None:
    lowered, _ = choose_strategies(train_step(64), Target(overrides=BATCH_LAST))
    columns = [
        node
        for node in lowered.nodes()
        if node.op is ops.gather and node.shape[:2] in ((1, 36 * 196), (6, 36 * 25))
    ]
    assert len(columns) == 2


def test_the_images_are_the_only_value_transposed_between_layouts() -> None:
    lowered, _ = choose_strategies(train_step(64), Target(batch=64))
    large = [node for node in lowered.nodes() if node.op is ops.transpose and node.ty.size >= 64 * 150]  # type: ignore[operator]
    weights = {(400, 120), (120, 400), (84, 120), (120, 84), (16, 216), (216, 16)}
    moved = [node.inputs[0] for node in large if node.shape not in weights and 64 in node.shape]
    products = {x for node in lowered.nodes() if node.op is ops.matmul for x in node.inputs}
    between = [x for x, node in zip(moved, large, strict=False) if node not in products]
    assert all(x.rank == 2 for x in moved)
    assert [x.shape for x in between] == [(64, 1024)]


def test_the_choice_is_the_same_every_time() -> None:
    graph = train_step(8)
    first, notes = choose_strategies(graph, Target(batch=8))
    again, same = choose_strategies(parse(to_text(graph)), Target(batch=8))
    assert first is again
    assert notes == same


def test_cuda_works_batch_first_and_never_reads_indices() -> None:
    lowered, notes = choose_strategies(train_step(64), replace(Target(), device="cuda"))
    assert all(", NCHW," in note for note in notes)
    assert "max_pool2d_with_indices" not in {node.op.name for node in lowered.nodes()}
    values = inputs(train_step(64), 64)
    np.testing.assert_allclose(run(lowered, values)[0], run(train_step(64), values)[0], rtol=1e-5)


def test_dilated_max_pooling_with_padding_is_expanded_on_cuda() -> None:
    x = leaf("x", Type(f32, (2, 1, 8, 8)))
    y = ops.max_pool2d(x, kernel=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2))
    assert "by max_pool," in choose_strategies(graph_to(y), Target())[1][0]
    assert "by slices," in choose_strategies(graph_to(y), replace(Target(), device="cuda"))[1][0]


def test_an_override_by_module_path_holds_for_that_module_alone() -> None:
    x, w = leaf("x", Type(f32, (2, 2, 6, 6))), leaf("w", Type(f32, (2, 2, 3, 3)))
    with building_at(Where("features.0")):
        y = ops.conv2d(x, w)
    with building_at(Where("features.1")):
        z = ops.conv2d(y, w)
    overrides = (("conv2d", "gather"), ("features.1", "im2col"))
    notes = choose_strategies(graph_to(z), Target(overrides=overrides))[1]
    assert notes[0].startswith("features.0: conv2d by gather,")
    assert notes[1].startswith("features.1: conv2d by im2col,")


def test_an_override_that_names_no_strategy_says_which_there_are() -> None:
    with pytest.raises(
        StrategyError,
        match="'conv2d' has no strategy 'fast'; conv2d has conv, lanes, im2col, columns, gather",
    ):
        choose_strategies(train_step(2), Target(overrides=(("conv2d", "fast"),)))


def test_bodies_of_scans_are_lowered_too() -> None:
    x, carry = leaf("x", Type(f32, (2, 1, 6, 6))), leaf("w", Type(f32, (1, 1, 3, 3)))
    y = ops.conv2d(x, carry, padding=(1, 1))
    pooled = ops.max_pool2d(y, kernel=(2, 2), stride=(2, 2))
    back = ops.max_pool2d_grad(pooled, y, kernel=(2, 2), stride=(2, 2))
    g = ops.conv2d_weight_grad(x, back, kernel=(3, 3), padding=(1, 1))
    body = Graph.make("body", [carry, x], [("w", carry - g * 0.01)])
    first, xs = leaf("first", Type(f32, (1, 1, 3, 3))), leaf("xs", Type(f32, (4, 2, 1, 6, 6)))
    w = ops.get(ops.scan(first, xs, body=body, carries=1, sequences=1, length=4), index=0)
    graph = graph_to(w, inputs=[first, xs])
    lowered, notes = choose_strategies(graph, Target())
    assert len(notes) == 4
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(node.shape).astype(np.float32) for node in graph.inputs]  # type: ignore[arg-type]
    want = run(graph, values)[0]
    np.testing.assert_allclose(run(lowered, values)[0], want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        run_model(to_onnx(lowered).model, _named(graph, values))[0], want, rtol=1e-4, atol=1e-5
    )


def test_an_override_of_a_module_that_cannot_be_says_why() -> None:
    x, w = leaf("x", Type(f64, (2, 2, 6, 6))), leaf("w", Type(f64, (2, 2, 3, 3)))
    with building_at(Where("features.0")):
        graph = graph_to(ops.conv2d(x, w))
    with pytest.raises(
        StrategyError, match=r"'conv' cannot be used for 'features\.0': conv2d: .* no kernel for f64"
    ):
        choose_strategies(graph, Target(overrides=(("features.0", "conv"),)))
    choose_strategies(graph, Target(overrides=(("conv2d", "conv"),)))  # for a whole op: where it can be


def test_an_override_of_a_module_that_is_not_there_names_those_that_are() -> None:
    x, w = leaf("x", Type(f32, (2, 2, 6, 6))), leaf("w", Type(f32, (2, 2, 3, 3)))
    with building_at(Where("features.0")):
        graph = graph_to(ops.conv2d(x, w))
    with pytest.raises(StrategyError, match=r"'feature'; modules: features\.0; ops: conv2d, "):
        choose_strategies(graph, Target(overrides=(("feature", "conv"),)))


def test_notes_tell_costs_of_the_alternatives_and_why_others_cannot_be() -> None:
    notes = choose_strategies(train_step(1), Target(batch=1))[1]
    (note,) = [note for note in notes if "conv2d_input_grad" in note]
    pattern = r"by conv_transpose, NCHW, about \d+ µs; .*col2im: \d+ µs; gather: \d+ µs; not dilated: the batch is 1"
    assert re.search(pattern, note), note


def _heavy_ops(n: int, c: int) -> list[Node]:
    """A node of each op that has strategies; windows overlap, so that gradients meet in a pixel."""
    x, w = leaf("x", Type(f32, (n, c, 7, 7))), leaf("w", Type(f32, (c, c, 3, 3)))
    g = v = leaf("g", Type(f32, (n, c, 5, 5)))
    how = {"kernel": (3, 3), "stride": (1, 1)}
    return [
        ops.conv2d(x, w),
        ops.conv2d_input_grad(g, w, size=(7, 7)),
        ops.conv2d_weight_grad(x, g, kernel=(3, 3)),
        ops.max_pool2d(x, **how),
        ops.max_pool2d_grad(v, x, **how),
        ops.max_pool2d_pick(x, x, **how),
        ops.avg_pool2d(x, **how),
        ops.avg_pool2d_grad(v, size=(7, 7), **how),
    ]


def test_no_strategy_uses_a_racing_kernel() -> None:
    """ScatterND that adds loses additions where indices repeat and there is more than one thread (the threads of
    ScatterElements do not share elements)."""
    seen = set()
    for n, c in ((1, 2), (2, 2), (8, 8)):
        nodes = {node.op.name: node for node in _heavy_ops(n, c)}
        assert set(nodes) == set(HEAVY) == {s.op for s in TABLE}
        for s in TABLE:
            target = Target(batch=n, overrides=((s.op, s.name),), lanes=8, operators="ort")
            graph, notes = choose_strategies(graph_to(nodes[s.op]), target)
            if f"by {s.name}," in notes[0]:
                seen.add(s)
            operators = [node.op_type for node in to_onnx(graph).model.graph.node]
            assert "ScatterND" not in operators, (s.op, s.name)
    for_cuda = {s for s in TABLE if s.lacks(nodes[s.op], Target()) == "made for CUDA"}
    assert seen == set(TABLE) - for_cuda
