"""Helpers of the tests: graphs from a function, and running them in the runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime

from ir import ops
from ir.node import Graph, Node
from ir.types import Type, dtype_of
from passes.emit import to_onnx


def graph_of(function: Callable[..., Any], *types: Type) -> Graph:
    """A graph with inputs x0, x1, ... of `types` and the results y0, y1, ... of `function`."""
    inputs = [ops.leaf(f"x{i}", t) for i, t in enumerate(types)]
    made = function(*inputs)
    outputs: tuple[Node, ...] = made if isinstance(made, tuple) else (made,)
    return Graph.make("graph", inputs, [(f"y{i}", node) for i, node in enumerate(outputs)])


def run_onnx(graph: Graph, arrays: Mapping[str, Any] | list[Any], threads: int = 1) -> list[Any]:
    """Outputs of `graph` from ONNX Runtime on the CPU."""
    if not isinstance(arrays, Mapping):
        arrays = {node.attrs["name"]: a for node, a in zip(graph.inputs, arrays, strict=True)}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        to_onnx(graph).model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    wanted = {value.name for value in session.get_inputs()}
    result: list[Any] = session.run(None, {k: v for k, v in arrays.items() if k in wanted})
    return result


def type_of(array: Any, batch: Any = None) -> Type:
    """The type of `array`, with `batch` for its leading dim where given."""
    shape = array.shape if batch is None else (batch, *array.shape[1:])
    return Type(dtype_of(array), shape)


def integers(rng: np.random.Generator, *shape: int, span: int = 3, dtype: Any = np.float32) -> Any:
    """Small whole numbers, so that maxima tie and sums are exact in any order."""
    return rng.integers(-span, span + 1, shape).astype(dtype)
