"""Helpers of the tests: run graphs in ONNX Runtime, and check gradients along one random direction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime

from ir import Graph, Node, ops
from ir.dims import Dim
from ir.interpret import run
from ir.node import topological
from ir.op import leaf
from ir.types import Array, DType, Type, dtype_of
from passes.autodiff import driver as autodiff
from passes.emit.model import to_onnx
from passes.kernels.exact import exact
from passes.rewrite.driver import rewrite
from passes.rewrite.nn import write_out_standardize, write_out_standardize_along
from passes.strategies.choice import choose_strategies
from passes.target import Target


def lowered(graph: Graph, target: Target | None = None) -> Graph:
    """`graph` with every op replaced that only a strategy, or being written out, can turn into ONNX, or that the
    runtime computes inexactly."""
    rules = [
        ("standardize", write_out_standardize),
        ("standardize_along", write_out_standardize_along),
    ]
    chosen = choose_strategies(rewrite(graph, rules), target or Target())[0]
    return exact(chosen, Target(), Counter())


def checked_model(graph: Graph, target: Target | None = None) -> onnx.ModelProto:
    """The ONNX model of `graph`, past ONNX's full checker with strict shape inference."""
    model = to_onnx(lowered(graph, target), target=target).model
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    return model


def run_onnx(
    graph: Graph,
    inputs: Sequence[Array] | Mapping[str, Array],
    threads: int = 1,
    target: Target | None = None,
) -> tuple[Array, ...]:
    """Outputs of `graph` (results, then updates), emitted as ONNX and run by ONNX Runtime on the CPU."""
    if not isinstance(inputs, Mapping):
        inputs = {node.attrs["name"]: x for node, x in zip(graph.inputs, inputs, strict=True)}
    return run_model(checked_model(graph, target), inputs, threads)


def run_model(model: onnx.ModelProto, inputs: Mapping[str, Array], threads: int = 1) -> tuple[Array, ...]:
    """Outputs of an ONNX model from ONNX Runtime on the CPU; inputs that it does not read are left out."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    wanted = {value.name for value in session.get_inputs()}
    return tuple(
        session.run(None, {name: np.asarray(value) for name, value in inputs.items() if name in wanted})
    )


def check_runtime(
    graph: Graph,
    inputs: Sequence[Array],
    rtol: float = 1e-4,
    atol: float = 1e-5,
    target: Target | None = None,
) -> None:
    """Fail unless ONNX Runtime and the interpreter agree on every output's value, dtype and shape."""
    expected = run(graph, inputs)
    found = run_onnx(graph, inputs, target=target)
    for (name, node), want, got in zip(graph.results + graph.updates, expected, found, strict=True):
        assert got.dtype == want.dtype, f"{name}: the runtime gives {got.dtype}, the interpreter {want.dtype}"
        assert got.shape == want.shape, f"{name}: the runtime gives {got.shape}, the interpreter {want.shape}"
        np.testing.assert_allclose(got, want, rtol, atol, err_msg=f"{name}: {node}")


def graph_to(*outputs: Node, inputs: Sequence[Node] | None = None, name: str = "f") -> Graph:
    """The graph with `outputs` as results y0, y1, ...; its inputs, unless given, are the leaves below."""
    found = [n for n in topological((), outputs) if n.op is ops.input] if inputs is None else inputs
    return Graph.make(name, found, [(f"y{i}", node) for i, node in enumerate(outputs)])


def graph_of(function: Callable[..., Any], *types: Type) -> Graph:
    """A graph with inputs x0, x1, ... of `types` and the results y0, y1, ... of `function`."""
    inputs = [leaf(f"x{i}", t) for i, t in enumerate(types)]
    made = function(*inputs)
    return graph_to(*(made if isinstance(made, tuple) else (made,)), inputs=inputs)


def type_of(array: Array, batch: Dim | None = None) -> Type:
    """The type of `array`, with `batch` for its leading dim where given."""
    return Type(dtype_of(array), array.shape if batch is None else (batch, *array.shape[1:]))


def gradient_graph(graph: Graph) -> tuple[Graph, list[Node]]:
    """The gradients of sum(result * cotangent) for every float input of `graph`.

    Its inputs are those of `graph` and then one cotangent for each float result, in their order; its results
    are the gradients that exist. Also returns the inputs that these belong to.
    """
    floats = [node for _, node in graph.results if node.dtype.is_float]
    depth = sum(str(node.attrs["name"]).startswith("ct") for node in graph.inputs)
    cotangents = [leaf(f"ct{depth + i}", node.ty) for i, node in enumerate(floats)]
    wrt = [node for node in graph.inputs if node.dtype.is_float]
    found = autodiff.gradients(list(zip(floats, cotangents, strict=True)), wrt)
    kept = [(x, g) for x, g in zip(wrt, found, strict=True) if g is not None]
    results = [(f"d{i}", g) for i, (_, g) in enumerate(kept)]
    made = Graph.make(f"{graph.name}_grad", (*graph.inputs, *cotangents), results)
    return made, [x for x, _ in kept]


def check_gradients(graph: Graph, inputs: Sequence[Array], order: int = 1, step: float = 1e-5) -> None:
    """Fail unless gradients of `graph` (up to `order`, in f64) agree with central differences.

    One random direction d is tried: <cotangent, f(x + d) - f(x - d)> / 2 against <gradient, d>.
    """
    rng = np.random.default_rng(len(graph.nodes()))
    for _ in range(order):
        made, wrt = gradient_graph(graph)
        floats = [i for i, (_, node) in enumerate(graph.results) if node.dtype.is_float]
        values = run(graph, inputs)
        cotangents = [rng.standard_normal(values[i].shape).astype(values[i].dtype) for i in floats]
        directions = {
            x: rng.standard_normal(np.shape(v)) for x, v in zip(graph.inputs, inputs, strict=True) if x in wrt
        }
        found = run(made, [*inputs, *cotangents])
        along = sum(float(np.vdot(g, directions[x])) for x, g in zip(wrt, found, strict=True))

        named = list(zip(graph.inputs, inputs, strict=True))
        moved = [
            run(graph, [v + by * directions[x] if x in directions else v for x, v in named])
            for by in (step, -step)
        ]
        numeric = sum(
            float(np.vdot(moved[0][i] - moved[1][i], ct)) / (2 * step)
            for i, ct in zip(floats, cotangents, strict=True)
        )
        scale = max(1.0, abs(numeric))
        assert abs(numeric - along) <= 1e-5 * scale, (
            f"{made.name}: the gradient along a direction is {along}, differences give {numeric}"
        )
        graph, inputs = made, [*inputs, *cotangents]
        if not graph.results:
            return


def random_array(rng: np.random.Generator, shape: Sequence[int], dtype: DType) -> Array:
    """Small values of any dtype, none of them special."""
    if dtype.is_float:
        return rng.standard_normal(shape).astype(dtype.numpy)
    return np.asarray(rng.integers(0, 2 if dtype.kind == "bool" else 5, shape), dtype.numpy)


def integers(rng: np.random.Generator, *shape: int, span: int = 3, dtype: Any = np.float32) -> Array:
    """Small whole numbers, so that maxima tie and sums are exact in any order."""
    return np.asarray(rng.integers(-span, span + 1, shape), dtype)


def same(left: Any, right: Any) -> bool:
    """Bitwise equality of two arrays: distinguishes -0.0 from 0.0, and a NaN equals itself."""
    left, right = np.asarray(left), np.asarray(right)
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
