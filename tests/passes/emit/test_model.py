"""Emission: names, outputs, sizes, Scan bodies, dtypes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from ir import Graph, Node, ops
from ir.dims import symbol
from ir.errors import DTypeError, LenetcError
from ir.interpret import run
from ir.node import Where, building_at, next_name
from ir.op import leaf, literal, scalar
from ir.types import Type, bool_, f16, f32, f64, i32, i64, u8
from passes.emit.builder import EMISSIONS, EmitError
from passes.emit.model import IR_VERSIONS, to_onnx
from passes.target import Target
from tests.support import check_runtime, checked_model, graph_of, graph_to, random_array, run_onnx

N = symbol("N")
X = leaf("x", Type(f32, (N, 3)))
W = leaf("fc.weight", Type(f32, (3,)), "state")
VALUE = np.arange(6, dtype=np.float32).reshape(2, 3)


def names(values) -> list[str]:  # type: ignore[no-untyped-def]
    return [value.name for value in values]


def test_interface_and_names() -> None:
    with building_at(Where("fc", "forward", "net.py", 3)):
        y = ops.tanh(X * W)
    with building_at(Where("", "update")):
        new = W * 0.25
    emitted = to_onnx(Graph.make("step", [X, W], [("y", y)], [("fc.weight", new)]))
    graph = emitted.model.graph
    assert graph.name == "step"
    assert names(graph.input) == ["x", "fc.weight"]
    assert names(graph.output) == ["y", "fc.weight.next"] == ["y", next_name("fc.weight")]
    assert [n.name for n in graph.node] == ["fc/mul", "fc/tanh", "update/mul"]
    assert emitted.places["fc/mul"] == Where("fc", "forward", "net.py", 3)
    assert [o.version for o in emitted.model.opset_import] == [18]
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    assert names(graph.initializer) == ["const_float32_0_25"]


def test_weights_stay_inputs() -> None:
    model = checked_model(Graph.make("f", [X, W], [("y", X * W)]))
    assert names(model.graph.input) == ["x", "fc.weight"]
    assert not model.graph.initializer


def test_outputs_that_nothing_computes() -> None:
    """An input, a constant, one value under three names, a state handed on."""
    y = X * 2.0
    graph = Graph.make(
        "f",
        [X, W],
        [
            ("a", X),
            ("b", y),
            ("c", y),
            ("d", literal(VALUE)),
            ("e", scalar(2, f32)),
            ("g", ops.stop_gradient(y)),
        ],
        [("fc.weight", W)],
    )
    check_runtime(graph, [VALUE, VALUE[0]])


def test_an_output_that_others_read_too() -> None:
    y = ops.sin(X)
    check_runtime(Graph.make("f", [X], [("y", y), ("z", y * y)]), [VALUE])


@pytest.mark.parametrize("name", ["forward/sin", "sin", "const_float32_2_0", "forward/sin_1"])
def test_names_of_the_user_are_not_taken(name: str) -> None:
    state = leaf(name, Type(f32, (3,)), "state")
    y = ops.sin(ops.sin(ops.sin(X * 2.0) + state))
    check_runtime(
        Graph.make("f", [X, state], [("y", y), ("forward/mul", y * 2.0)], [(name, state + 1.0)]),
        [VALUE, VALUE[0]],
    )


def test_names_that_would_meet_are_refused() -> None:
    clash = leaf("w.next", Type(f32, (3,)), "state")
    w = leaf("w", Type(f32, (3,)), "state")
    for graph in (
        Graph.make("f", [X], [("x", X * 2.0)]),
        Graph.make("f", [w], [("w.next", w * 2.0)], [("w", w)]),
        Graph.make("f", [w, clash], [], [("w", w * 2.0)]),
    ):
        with pytest.raises(EmitError, match="two inputs or outputs of the model would be called"):
            to_onnx(graph)


def test_an_op_without_emission_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(EMISSIONS, ops.erf)
    with building_at(Where("act", "forward", "net.py", 5)):
        y = ops.erf(X * 1.125)
    with pytest.raises(EmitError, match=r"erf has no ONNX emission.*\n.*act, net\.py:5"):
        to_onnx(graph_to(y))
    assert issubclass(EmitError, LenetcError)


def test_sizes_are_worked_out_from_any_axis_that_tells_them() -> None:
    m = symbol("M")
    told = [leaf("a", Type(f32, (N * 2 + 1,))), leaf("b", Type(f32, (m * 3, N)))]
    for inputs in (told, told[:1]):
        graph = Graph.make("f", inputs, [("n", ops.dim(size=N)), ("i", ops.iota(size=N * N + 3, dtype=f32))])
        arrays = [np.zeros(7, np.float32), np.zeros((6, 3), np.float32)][: len(inputs)]
        check_runtime(graph, arrays)
    graph = Graph.make("f", told, [("m", ops.dim(size=m - 1)), ("r", ops.reshape(told[1], shape=(3, m, N)))])
    check_runtime(graph, [np.zeros(7, np.float32), np.zeros((6, 3), np.float32)])
    with pytest.raises(EmitError, match="no input has an axis of size M"):
        to_onnx(Graph.make("f", told[:1], [("m", ops.dim(size=m))]))


def test_symbolic_pads_slices_and_reversals() -> None:
    graph = graph_of(
        lambda x: (
            ops.pad(x, low=(N, 0), high=(1, 2), value=-1.0),
            ops.slice(ops.concat(x, x, axis=0), starts=(N - 1, 1), stops=(N * 2, 3), steps=(1, 2)),
            ops.reverse(x, axes=(0, 1)),
            ops.broadcast_to(ops.reshape(x, shape=(N, 1, 3)), shape=(N, N, 3)),
        ),
        X.ty,
    )
    for batch in (1, 4):
        check_runtime(graph, [np.arange(batch * 3, dtype=np.float32).reshape(batch, 3)])


# -- scan ----------------------------------------------------------------------------------------------------
def test_a_body_reads_outer_values_constants_and_outputs() -> None:
    """Captured: a computed value that is also a result, a constant, an input; the body shares their names."""
    c, x, w, k = (
        leaf(name, Type(f32, shape)) for name, shape in (("c", (3,)), ("x", (3,)), ("w", (3,)), ("k", ()))
    )
    body = Graph.make(
        "body",
        [c, x, w, k],
        [("c", c * k + x * w), ("before", c), ("w", w), ("two", literal(VALUE)), ("y", x * w)],
    )
    outer = ops.exp(W * 0.5)
    start = leaf("c", Type(f32, (3,)))
    made = ops.scan(start, X, outer, scalar(0.5, f32), body=body, carries=1, sequences=1, length=N)
    results = [ops.get(made, index=i) for i in range(5)]
    graph = Graph.make(
        "f",
        [start, X, W],
        [("outer", outer), ("c_last", results[0]), *((f"y{i}", r) for i, r in enumerate(results))],
    )
    for batch in (1, 4):
        x_value = np.arange(batch * 3, dtype=np.float32).reshape(batch, 3)
        check_runtime(graph, [VALUE[0], x_value, VALUE[1] / 10])


def test_results_of_a_scan_in_the_middle_of_a_graph() -> None:
    c, x = leaf("c", Type(f32, (3,))), leaf("x", Type(f32, (3,)))
    body = Graph.make("body", [c, x], [("c", c + x), ("sum", c + x), ("again", c + x), ("x", x)])
    made = ops.scan(X_ROW := leaf("start", c.ty), X, body=body, carries=1, sequences=1, length=N)
    last, sums, x_back = (ops.get(made, index=i) for i in (0, 1, 3))
    graph = Graph.make("f", [X_ROW, X], [("y", ops.sin(sums) * last + x_back)])
    check_runtime(graph, [VALUE[1], VALUE])


def test_a_carry_that_swaps_and_one_that_stays() -> None:
    a, b, s = (leaf(name, Type(f32, (2,))) for name in "abs")
    body = Graph.make("swap", [a, b, s], [("a", b), ("b", a), ("s", s)])
    made = ops.scan(a, b, s, body=body, carries=3, sequences=0, length=3)
    graph = graph_to(*(ops.get(made, index=i) for i in range(3)), inputs=[a, b, s])
    check_runtime(graph, [np.float32([1, 2]), np.float32([3, 4]), np.float32([5, 6])])


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_of_scans_with_a_symbolic_number_of_steps(reverse: bool) -> None:
    c, row, w = leaf("c", Type(f32, ())), leaf("row", Type(f32, (3,))), leaf("w", Type(f32, (3,)))
    x, v = leaf("x", Type(f32, ())), leaf("v", Type(f32, ()))
    inner = Graph.make("step", [c, x, v, w], [("c", c * 0.5 + x), ("y", c * v * ops.sum(w, axes=(0,)))])
    row_sum = ops.sum(row * w, axes=(0,))
    made = ops.scan(c, row, row_sum, w, body=inner, carries=1, sequences=1, length=3, reverse=not reverse)
    outer = Graph.make(
        "step", [c, row, w], [("c", ops.get(made, index=0)), ("ys", ops.get(made, index=1)), ("sum", row_sum)]
    )
    start = leaf("start", Type(f32, ()))
    whole = ops.scan(start, X, ops.cos(W), body=outer, carries=1, sequences=1, length=N, reverse=reverse)
    graph = Graph.make("f", [start, X, W], [(f"y{i}", ops.get(whole, index=i)) for i in range(3)])
    check_runtime(graph, [np.float32(1), VALUE, VALUE[1]])


def test_initializers_of_bodies_are_the_models() -> None:
    c = leaf("c", Type(f32, (3,)))
    body = Graph.make("body", [c], [("c", c * literal(VALUE[0]) + 2.0)])
    made = ops.get(ops.scan(c, body=body, carries=1, sequences=0, length=2), index=0)
    model = checked_model(Graph.make("f", [c], [("y", made * 2.0)]))
    scan = next(node for node in model.graph.node if node.op_type == "Scan")
    inner = onnx.helper.get_attribute_value(next(a for a in scan.attribute if a.name == "body"))
    assert not inner.initializer
    assert sum("const_float32_2_0" in name for name in names(model.graph.initializer)) == 1


def test_a_long_chain_needs_no_recursion() -> None:
    node: Node = X
    for _ in range(5_000):
        node = ops.neg(node)
    assert len(to_onnx(graph_to(node)).model.graph.node) == 5_000


# -- dtypes --------------------------------------------------------------------------------------------------
ELEMENTWISE = [
    "neg",
    "abs",
    "sign",
    "relu",
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "minimum",
    "equal",
    "less",
    "greater",
    "mod",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
]
INTEGRAL = ("mod", "bitwise_and", "bitwise_or", "bitwise_xor")


@pytest.mark.parametrize("dtype", [f16, f32, f64, i64, i32, u8], ids=str)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_ops_for_every_dtype(name: str, dtype) -> None:  # type: ignore[no-untyped-def]
    if (name in INTEGRAL and dtype.is_float) or (name in ("neg", "sign", "relu") and dtype is u8):
        with pytest.raises(DTypeError):
            graph_of(ops.OPS[name], *[Type(dtype, (4,))] * len(ops.OPS[name].operands))
        return
    op = ops.OPS[name]
    types = [Type(dtype, (4,))] * len(op.operands)
    rng = np.random.default_rng(3)
    values = [random_array(rng, (4,), dtype) + dtype.numpy.type(1 if i else 0) for i in range(len(types))]
    check_runtime(graph_of(op, *types), values, rtol=2e-3 if dtype is f16 else 1e-5)


MOVES = {
    "reshape": lambda x: ops.reshape(x, shape=(3, N)),
    "transpose": lambda x: ops.transpose(x, perm=(1, 0)),
    "broadcast_to": lambda x: ops.broadcast_to(x, shape=(2, N, 3)),
    "slice": lambda x: ops.slice(x, starts=(0, 1), stops=(N, 3), steps=(1, 2)),
    "reverse": lambda x: ops.reverse(x, axes=(1,)),
    "pad": lambda x: ops.pad(x, low=(1, 0), high=(0, 1)),
    "concat": lambda x: ops.concat(x, x, axis=0),
    "gather": lambda x: ops.gather(x, literal([2, 0]), axis=1),
    "take": lambda x: ops.take_along_axis(x, ops.broadcast_to(literal([[1]]), shape=(N, 1)), axis=1),
    "where": lambda x: ops.where(ops.equal(x, x), x, ops.broadcast_to(ops.scalar(1, x.dtype), shape=(N, 3))),
    "equal": lambda x: ops.equal(x, ops.reverse(x, axes=(1,))),
}


@pytest.mark.parametrize("dtype", [f16, f32, f64, i64, i32, u8, bool_], ids=str)
@pytest.mark.parametrize("name", list(MOVES))
def test_moves_for_every_dtype(name: str, dtype) -> None:  # type: ignore[no-untyped-def]
    check_runtime(
        graph_of(MOVES[name], Type(dtype, (N, 3))), [random_array(np.random.default_rng(1), (2, 3), dtype)]
    )


REDUCTIONS = {
    "sum": lambda x: ops.sum(x, axes=(1,)),
    "reduce_max": lambda x: ops.reduce_max(x, axes=(1,)),
    "argmax": lambda x: ops.argmax(x, axis=1),
    "scatter_add": lambda x: ops.scatter_add(x, literal([1, 1, 0]), axis=1, size=2),
    "put": lambda x: ops.put_along_axis(
        x, ops.broadcast_to(literal([[1, 1, 0]]), shape=(N, 3)), axis=1, size=2
    ),
}


@pytest.mark.parametrize("dtype", [f16, f32, f64, i64, i32, u8], ids=str)
@pytest.mark.parametrize("name", list(REDUCTIONS))
def test_reductions_for_every_dtype(name: str, dtype) -> None:  # type: ignore[no-untyped-def]
    values = random_array(np.random.default_rng(1), (2, 3), dtype)
    if name == "sum" and dtype is u8:
        with pytest.raises(DTypeError, match="wider"):
            graph_of(REDUCTIONS[name], Type(dtype, (N, 3)))
        return
    check_runtime(
        graph_of(REDUCTIONS[name], Type(dtype, (N, 3))), [values], rtol=2e-3 if dtype is f16 else 1e-5
    )


FLOATS = ["exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "erf", "floor", "pow"]


@pytest.mark.parametrize("dtype", [f16, f64], ids=str)
@pytest.mark.parametrize("name", FLOATS)
def test_functions_for_other_floats(name: str, dtype) -> None:  # type: ignore[no-untyped-def]
    op = ops.OPS[name]
    types = [Type(dtype, (4,))] * len(op.operands)
    values = [np.array([0.25, 0.5, 1.5, 2], dtype.numpy)] * len(types)
    check_runtime(graph_of(op, *types), values, rtol=2e-3 if dtype is f16 else 1e-9)


def test_matrix_products_and_softmax_for_other_floats() -> None:
    for dtype in (f16, f64):
        values = [random_array(np.random.default_rng(1), shape, dtype) for shape in ((2, 3), (3, 4))]
        graph = graph_of(
            lambda x, y: (x @ y, ops.softmax(x, axis=1), ops.log_softmax(y, axis=0)),
            *(Type(dtype, v.shape) for v in values),
        )
        check_runtime(graph, values, rtol=5e-3 if dtype is f16 else 1e-9, atol=1e-3)


CAST = [f16, f32, f64, i64, i32, u8, bool_]


@pytest.mark.parametrize("source", CAST, ids=str)
def test_casts(source) -> None:  # type: ignore[no-untyped-def]
    value = np.array([0, 1, 2, 7], source.numpy)
    check_runtime(graph_of(lambda x: tuple(ops.cast(x, dtype=d) for d in CAST), Type(source, (4,))), [value])


def test_special_values_pass_through() -> None:
    value = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45], np.float32)
    graph = graph_to(
        literal(value),
        ops.maximum(literal(value), 0.0),
        ops.pad(literal(value), low=(1,), high=(0,), value=-np.inf),
    )
    for want, got in zip(run(graph, []), run_onnx(graph, []), strict=True):
        np.testing.assert_array_equal(want, got)


@pytest.mark.parametrize("operators", ["portable", "ort"])
@pytest.mark.parametrize("dtype", [f16, f32, f64], ids=str)
def test_gradients_where_a_relu_was(dtype, operators: str) -> None:  # type: ignore[no-untyped-def]
    """Chosen, not multiplied: 0 is left of infinity, and NaN of the ReLU lets all pass."""
    y = np.array([0.0, -0.0, 1e-3, np.nan, np.inf], dtype.numpy)
    g = np.array([np.inf, np.nan, -np.inf, 2.0, np.nan], dtype.numpy)
    graph = graph_of(ops.relu_grad, Type(dtype, (5, 1)), Type(dtype, (5,)))
    (want,) = run(graph, [g.reshape(5, 1), y])
    (got,) = run_onnx(graph, [g.reshape(5, 1), y], target=Target(operators=operators))
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def test_a_model_is_of_the_opset_asked_for() -> None:
    """With the version of the file format that goes with it; an opset that is not written is refused."""
    graph = Graph.make("f", [X], [("y", ops.relu(X))])
    for opset, ir_version in IR_VERSIONS.items():
        model = to_onnx(graph, target=Target(opset=opset)).model
        assert (model.opset_import[0].version, model.ir_version) == (opset, ir_version)
        onnx.checker.check_model(model, full_check=True)
    for opset in (16, max(IR_VERSIONS) + 1):
        with pytest.raises(
            EmitError, match=f"written in the opsets 17 to {max(IR_VERSIONS)} of ONNX, not in {opset}"
        ):
            to_onnx(graph, target=Target(opset=opset))
