"""Quotients of 1, which the runtime is known to take apart wrongly as Div."""

from __future__ import annotations

import numpy as np

from ir import ops
from ir.node import Graph
from ir.op import leaf
from ir.types import Type, f32
from tests.support import run_onnx


def test_a_product_of_two_quotients_of_one_that_are_also_results() -> None:
    """As in a sigmoid with its gradient: ONNX Runtime 1.31 loses the first quotient where it is a Div."""
    x, y = (leaf(name, Type(f32, (3,))) for name in "xy")
    first, second = 1.0 / (ops.exp(x) + 1.0), 1.0 / (ops.exp(y) + 1.0)
    graph = Graph.make("graph", (x, y), [("scaled", first * 0.1), ("product", first * second)])
    values = [np.array([0.5, -1.0, 2.0], np.float32), np.array([1.5, 0.0, -2.0], np.float32)]
    a, b = (1 / (np.exp(value) + 1) for value in values)
    scaled, product = run_onnx(graph, values)
    np.testing.assert_allclose(scaled, a * np.float32(0.1), rtol=1e-6)
    np.testing.assert_allclose(product, a * b, rtol=1e-6)
