"""Every expansion against the NumPy reference, by the interpreter and by the runtime."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from ir import ops
from ir.dims import symbol
from ir.errors import LenetcError
from ir.interpret import run
from ir.text import parse, to_text
from ir.verify import verify
from passes.emit import to_onnx
from passes.pipeline import Target
from passes.strategies import TABLE, choose_strategies
from tests.support import graph_of, integers, run_model, type_of

KERNELS = [(2, 2), (3, 2)]
STRIDES = [(1, 1), (2, 3), (3, 2)]
PADDINGS = [(0, 0), (1, 0), (1, 1)]
SIZES = [(5, 7), (6, 8)]
CONVOLUTIONS = [
    (),
    (("conv2d", "im2col"), ("conv2d_weight_grad", "im2col"), ("conv2d_input_grad", "col2im")),
    (("conv2d", "gather"), ("conv2d_weight_grad", "gather"), ("conv2d_input_grad", "gather")),
    (("conv2d", "conv"), ("conv2d_weight_grad", "swapped_conv"), ("conv2d_input_grad", "dilated")),
]


def compare(
    function: Any, arrays: list[Any], batched: list[bool], overrides: Any, exact: bool = True
) -> None:
    """Lower `function` for a static and for a symbolic batch, and compare with the reference."""
    for batch in (None, symbol("N")):
        types = [type_of(a, batch if b else None) for a, b in zip(arrays, batched, strict=True)]
        graph = graph_of(function, *types)
        want = run(graph, arrays)
        lowered, _ = choose_strategies(graph, Target(overrides=overrides))
        verify(lowered)
        assert parse(to_text(lowered)) is lowered
        named = {node.attrs["name"]: a for node, a in zip(graph.inputs, arrays, strict=True)}
        for got in (run(lowered, arrays), run_model(to_onnx(lowered).model, named)):
            for a, b in zip(got, want, strict=True):
                if exact:
                    np.testing.assert_array_equal(a, b)
                else:
                    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def output_shape(function: Any, *arrays: Any) -> tuple[Any, ...]:
    try:
        shape: tuple[Any, ...] = graph_of(function, *map(type_of, arrays)).outputs[0].shape
    except LenetcError:
        pytest.skip("the window does not fit")
    return shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("channels", "groups"), [((2, 3), 1), ((4, 2), 2), ((3, 3), 3)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3)])
@pytest.mark.parametrize("overrides", CONVOLUTIONS, ids=str)
def test_convolutions(
    overrides: Any, dtype: Any, channels: tuple[int, int], groups: int, kernel: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    for stride, padding, dilation, size in itertools.product(
        STRIDES, [(0, 0), (1, 2)], [(1, 1), (2, 1)], SIZES
    ):
        how: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        x = integers(rng, 3, channels[0], *size, dtype=dtype)
        w = integers(rng, channels[1], channels[0] // groups, *kernel, dtype=dtype)
        bias = integers(rng, channels[1], dtype=dtype)
        g = integers(rng, *output_shape(lambda x, w, how=how: ops.conv2d(x, w, **how), x, w), dtype=dtype)

        def step(x: Any, w: Any, bias: Any, g: Any, how: Any = how, size: Any = size) -> Any:
            dw = ops.conv2d_weight_grad(x, g, kernel=kernel, **how)
            return ops.conv2d(x, w, bias, **how), dw, ops.conv2d_input_grad(g, w, size=size, **how)

        compare(step, [x, w, bias, g], [True, False, False, True], overrides)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", [None, "indices", "slices", "knockout"])
def test_max_pooling_with_ties(
    name: str | None, kernel: tuple[int, int], padding: tuple[int, int], ceil_mode: bool
) -> None:
    rng = np.random.default_rng(0)
    ops_of_pooling = ("max_pool2d", "max_pool2d_grad", "max_pool2d_pick")
    known = {(s.op, s.name) for s in TABLE}
    overrides = tuple((op, str(name)) for op in ops_of_pooling if (op, name) in known)
    for stride, dilation, size in itertools.product([*STRIDES, kernel], [(1, 1), (2, 1)], SIZES):
        how: dict[str, Any] = {
            "kernel": kernel,
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "ceil_mode": ceil_mode,
        }
        x = integers(rng, 3, 2, *size, span=1)
        try:
            shape = output_shape(lambda x, how=how: ops.max_pool2d(x, **how), x)
        except pytest.skip.Exception:
            continue

        def step(x: Any, g: Any, v: Any, how: Any = how) -> Any:
            return (
                ops.max_pool2d(x, **how),
                ops.max_pool2d_grad(g, x, **how),
                ops.max_pool2d_pick(v, x, **how),
            )

        compare(step, [x, integers(rng, *shape), integers(rng, 3, 2, *size)], [True] * 3, overrides)


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", ["slices", "gather"])
def test_average_pooling(
    name: str, kernel: tuple[int, int], padding: tuple[int, int], ceil_mode: bool, include: bool
) -> None:
    rng = np.random.default_rng(0)
    for stride, size in itertools.product([*STRIDES, kernel], SIZES):
        how: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding}
        how |= {"ceil_mode": ceil_mode, "count_include_pad": include}
        x = integers(rng, 3, 2, *size)
        g = integers(rng, *output_shape(lambda x, how=how: ops.avg_pool2d(x, **how), x))

        def step(x: Any, g: Any, how: Any = how, size: Any = size) -> Any:
            return ops.avg_pool2d(x, **how), ops.avg_pool2d_grad(g, size=size, **how)

        overrides = (("avg_pool2d", name), ("avg_pool2d_grad", name))
        compare(step, [x, g], [True, True], overrides, exact=False)
