"""Convolutions in lanes: the same numbers; only for a machine that has the kernels, never in a file for others."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from ir import Graph, ops
from ir.dims import symbol
from ir.interpret import run
from ir.types import Type, f32
from lenetc import runtime
from passes.emit.model import to_onnx
from passes.pipeline import run_pipeline
from passes.strategies.choice import choose_strategies
from passes.target import Target
from tests.support import graph_of, integers, run_model, type_of

LANES = runtime.lanes("cpu")
FORCED = (("conv2d", "lanes"), ("conv2d_input_grad", "lanes"))


def step(size: tuple[int, int], how: dict[str, Any]) -> Any:
    def convolve(x: Any, w: Any, bias: Any, g: Any) -> Any:
        return ops.conv2d(x, w, bias, **how), ops.conv2d_input_grad(g, w, size=size, **how)

    return convolve


def in_lanes(graph: Graph) -> int:
    return sum(node.op is ops.conv2d_lanes for node in graph.nodes())


@pytest.mark.parametrize("channels", [(3, 16), (16, 32), (32, 16), (48, 16)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 3)])
def test_the_same_numbers(channels: tuple[int, int], kernel: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for stride, padding in itertools.product([(1, 1), (2, 1), (2, 3)], [(0, 0), (1, 2)]):
        size, how = (6, 7), {"stride": stride, "padding": padding}
        x, w = integers(rng, 3, channels[0], *size), integers(rng, channels[1], channels[0], *kernel)
        bias = integers(rng, channels[1])
        shape = (
            graph_of(lambda x, w, how=how: ops.conv2d(x, w, **how), type_of(x), type_of(w)).outputs[0].shape
        )
        arrays = [x, w, bias, integers(rng, *map(int, shape))]
        types = [type_of(a, symbol("N") if len(a) == 3 else None) for a in arrays]
        graph = graph_of(step(size, how), *types)
        want = run(graph, arrays)
        lowered, _ = choose_strategies(graph, Target(overrides=FORCED, lanes=LANES or 16))
        turned = stride != (1, 1) or all(p < k for p, k in zip(padding, kernel, strict=True))
        turned = turned and channels[0] >= 16
        assert in_lanes(lowered) == 1 + turned, "every convolution that the kernel can do"
        found = [run(lowered, arrays)]
        if LANES:
            found.append(
                run_model(to_onnx(lowered).model, dict(zip(("x0", "x1", "x2", "x3"), arrays, strict=True)))
            )
        for got, expected in itertools.product(found, [want]):
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("channels", [(16, 32), (32, 16)], ids=str)
@pytest.mark.parametrize("how", [{"padding": (1, 2)}, {"stride": (2, 1), "padding": (0, 1)}], ids=str)
def test_the_weight_gradient_of_a_symbolic_batch(channels: tuple[int, int], how: dict[str, Any]) -> None:
    """Samples are channels there: whatever their number, compiled for one that fills lanes."""
    kernel, n = (3, 2), symbol("N")
    x = Type(f32, (n, channels[0], 7, 6))
    w = Type(f32, (channels[1], channels[0], *kernel))
    size = graph_of(lambda x, w: ops.conv2d(x, w, **how), x, w).outputs[0].shape[2:]
    g = Type(f32, (n, channels[1], *size))
    graph = graph_of(lambda x, g: ops.conv2d_weight_grad(x, g, kernel=kernel, **how), x, g)
    for batch, uses in ((32, 1), (8, 0)):
        target = Target(overrides=(("conv2d_weight_grad", "lanes"),) * uses, lanes=LANES or 16, batch=batch)
        lowered = run_pipeline(graph, target)[-1].graph
        assert sum(node.op is ops.conv2d_samples_lanes for node in lowered.nodes()) == uses
        for samples in (32, 3, 20):
            rng = np.random.default_rng(0)
            arrays = [integers(rng, samples, *map(int, type_.shape[1:])) for type_ in (x, g)]
            found = [run(lowered, arrays)]
            if LANES:
                model = to_onnx(lowered, target=target).model
                found.append(run_model(model, dict(zip(("x0", "x1"), arrays, strict=True))))
            for (got,), (want,) in itertools.product(found, [run(graph, arrays)]):
                np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("how", [{"groups": 2}, {}], ids=str)
def test_what_the_kernel_cannot_do_is_left_to_others(dtype: Any, how: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x = integers(rng, 2, 32, 7, 7, dtype=dtype)
    w = integers(rng, 16, 32 // how.get("groups", 1), 3, 3, dtype=dtype)
    graph = graph_of(lambda x, w: ops.conv2d(x, w, **how), type_of(x), type_of(w))
    lowered, _ = choose_strategies(graph, Target(overrides=FORCED, lanes=16))
    assert in_lanes(lowered) == (dtype is np.float32 and not how)


def test_a_graph_for_any_machine_has_operators_of_onnx_only() -> None:
    rng = np.random.default_rng(0)
    x, w = integers(rng, 32, 64, 8, 8), integers(rng, 64, 64, 3, 3)
    graph = graph_of(lambda x, w: ops.conv2d(x, w, padding=(1, 1)), type_of(x), type_of(w))
    for lanes, domains in ((0, {""}), (16, {"", "com.microsoft.nchwc"})):
        model = to_onnx(run_pipeline(graph, Target(lanes=lanes))[-1].graph).model
        assert {entry.domain for entry in model.opset_import} == domains
        assert {node.domain for node in model.graph.node} == domains


def test_cuda_has_no_lanes() -> None:
    assert runtime.lanes("cuda") == 0
