"""Every expansion against the NumPy reference, by the interpreter and by the runtime."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from ir import Node, ops
from ir.dims import symbol
from ir.errors import LenetcError
from ir.interpret import run
from ir.op import leaf
from ir.ops.windows import Window
from ir.text import parse, to_text
from ir.types import Type, f32, f64
from ir.verify import verify
from passes.emit.model import to_onnx
from passes.layouts.assignment import HEAVY
from passes.layouts.batch_last import Stored, to_batch_first, to_batch_last
from passes.strategies.choice import choose_strategies
from passes.strategies.chwn import conv as chwn
from passes.strategies.nchw.limits import sliced
from passes.strategies.table import TABLE
from passes.target import Target
from tests.support import graph_of, graph_to, integers, run_model, type_of

KERNELS = [(2, 2), (3, 2)]
STRIDES = [(1, 1), (2, 3), (3, 2)]
PADDINGS = [(0, 0), (1, 0), (1, 1)]
SIZES = [(5, 7), (6, 8)]
CONVOLUTIONS = [
    (),
    (("conv2d", "im2col"), ("conv2d_weight_grad", "im2col"), ("conv2d_input_grad", "col2im")),
    (("conv2d", "gather"), ("conv2d_weight_grad", "gather"), ("conv2d_input_grad", "gather")),
    (("conv2d", "conv"), ("conv2d_weight_grad", "swapped_conv"), ("conv2d_input_grad", "dilated")),
    (("conv2d_weight_grad", "dilated"), ("conv2d_input_grad", "conv_transpose")),
    (("conv2d", "columns"), ("conv2d_weight_grad", "columns")),  # of one sample
]


def half(by: int, *choices: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Every other combination, beginning with another one in turns by `by`: each two choices meet all the same."""
    for places in itertools.product(*map(range, map(len, choices))):
        if (sum(places) + by) % 2 == 0:
            yield tuple(choice[i] for choice, i in zip(choices, places, strict=True))


def compare(
    number: int,
    by: int,
    function: Any,
    arrays: list[Any],
    batched: list[bool],
    overrides: Any,
    exact: bool = True,
) -> None:
    """Lower for a static and for a symbolic batch, and compare with the reference; the runtime runs one of
    the two, in turns by the `number` of the case and `by` its test. The first goes through its text too."""
    want = run(graph_of(function, *map(type_of, arrays)), arrays)
    for turn, batch in enumerate((None, symbol("N"))):
        types = [type_of(a, batch if b else None) for a, b in zip(arrays, batched, strict=True)]
        graph = graph_of(function, *types)
        lowered, _ = choose_strategies(graph, Target(overrides=overrides))
        verify(lowered)
        results = [run(lowered, arrays)]
        if number == 0:
            assert parse(to_text(lowered)) is lowered
        if (number + by) % 2 == turn:
            named = {node.attrs["name"]: a for node, a in zip(graph.inputs, arrays, strict=True)}
            results.append(run_model(to_onnx(lowered).model, named))
        for got in results:
            for a, b in zip(got, want, strict=True):
                if exact:
                    np.testing.assert_array_equal(a, b)
                else:
                    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@st.composite
def blocked_convolutions(draw: st.DrawFn) -> tuple[dict[str, Any], Any, Any, Any, Any]:
    """Attributes of a convolution, its kernel, sizes of its image and output, and a block that tiles that."""
    pair = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731
    kernel, stride, dilation, block = draw(pair(1, 3)), draw(pair(1, 3)), draw(pair(1, 2)), draw(pair(1, 3))
    padding, blocks, spare = draw(pair(0, 2)), draw(pair(1, 2)), draw(pair(0, 2))
    out = tuple(b * n for b, n in zip(block, blocks, strict=True))
    size = tuple(
        max((o - 1) * s + d * (k - 1) + 1 - 2 * p, 1) + min(e, s - 1)
        for o, s, d, k, p, e in zip(out, stride, dilation, kernel, padding, spare, strict=True)
    )
    how = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": draw(st.sampled_from((1, 2))),
    }
    real = Window(kernel, stride, padding, dilation).out(size)
    assume(all(n % b == 0 for n, b in zip(real, block, strict=True)))
    return how, kernel, size, real, block


@settings(max_examples=60, deadline=None)
@given(blocked_convolutions(), st.sampled_from(((1, 1), (2, 1), (2, 2))), st.booleans())
def test_convolutions_in_blocks(case: Any, stored: Any, with_bias: bool) -> None:
    """Output, image and gradient may each be in blocks."""
    how, kernel, size, out, block = case
    rng = np.random.default_rng(0)
    stored = stored if all(n % b == 0 for n, b in zip(size, stored, strict=True)) else (1, 1)
    x = integers(rng, 3, 4, *size)
    w = integers(rng, 2, 4 // how["groups"], *kernel)
    bias = integers(rng, 2)
    g = integers(rng, 3, 2, *out)

    def step(x: Any, w: Any, bias: Any, g: Any) -> Any:
        extra = (bias,) if with_bias else ()
        dw = ops.conv2d_weight_grad(x, g, kernel=kernel, **how)
        return ops.conv2d(x, w, *extra, **how), dw, ops.conv2d_input_grad(g, w, size=size, **how)

    def in_blocks(x: Any, w: Any, bias: Any, g: Any) -> Any:
        y, dw, dx = step(x, w, bias, g)
        image = Stored(x.shape, to_batch_last(x).in_blocks(stored), stored)
        gradient = Stored(g.shape, to_batch_last(g).in_blocks(block), block)
        forward = chwn.conv2d(y, block, image, w, *((bias,) if with_bias else ()))
        backward = chwn.conv2d_input_grad(dx, stored, gradient, w)
        assert forward.block == block and backward.block == stored
        weights = chwn.conv2d_weight_grad(dw, (1, 1), image, gradient)
        return to_batch_first(forward), weights, to_batch_first(backward)

    arrays = [x, w, bias, g]
    types = [type_of(a, symbol("N") if len(a) == 3 else None) for a in arrays]
    want, got = run(graph_of(step, *types), arrays), run(graph_of(in_blocks, *types), arrays)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


def output_shape(function: Any, *arrays: Any) -> tuple[Any, ...]:
    try:
        shape: tuple[Any, ...] = graph_of(function, *map(type_of, arrays)).outputs[0].shape
    except LenetcError:
        pytest.skip("the window does not fit")
    return shape


@pytest.mark.parametrize(("channels", "groups"), [((2, 3), 1), ((4, 2), 2), ((3, 3), 3)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3)])
@pytest.mark.parametrize("overrides", CONVOLUTIONS, ids=str)
def test_convolutions(
    overrides: Any, channels: tuple[int, int], groups: int, kernel: tuple[int, int]
) -> None:
    """The dtypes take turns, so that each window is of both over the channels and kernels."""
    rng = np.random.default_rng(0)
    by = channels[1] + kernel[0]
    cases = half(by, STRIDES, [(0, 0), (1, 2)], [(1, 1), (2, 1)])
    for number, (stride, padding, dilation) in enumerate(cases):
        size = SIZES[number % 2]
        dtype = (np.float32, np.float64)[(number // 2 + by) % 2]
        how: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        samples = 1 if ("conv2d", "columns") in overrides else 3
        x = integers(rng, samples, channels[0], *size, dtype=dtype)
        w = integers(rng, channels[1], channels[0] // groups, *kernel, dtype=dtype)
        bias = integers(rng, channels[1], dtype=dtype)
        g = integers(rng, *output_shape(lambda x, w, how=how: ops.conv2d(x, w, **how), x, w), dtype=dtype)

        def step(x: Any, w: Any, bias: Any, g: Any, how: Any = how, size: Any = size) -> Any:
            dw = ops.conv2d_weight_grad(x, g, kernel=kernel, **how)
            return ops.conv2d(x, w, bias, **how), dw, ops.conv2d_input_grad(g, w, size=size, **how)

        compare(number, by, step, [x, w, bias, g], [True, False, False, True], overrides)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1), (1, 3)])
def test_columns_of_large_windows_are_gathered_by_rows(stride: Any, padding: Any, dilation: Any) -> None:
    rng = np.random.default_rng(0)
    how: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    x, w = integers(rng, 1, 2, 66, 98), integers(rng, 3, 2, 5, 6)
    g = integers(rng, *output_shape(lambda x, w: ops.conv2d(x, w, **how), x, w))

    def step(x: Any, w: Any, g: Any) -> Any:
        return ops.conv2d(x, w, **how), ops.conv2d_weight_grad(x, g, kernel=(5, 6), groups=1, **how)

    overrides = CONVOLUTIONS[-1]
    lowered, _ = choose_strategies(graph_of(step, *map(type_of, (x, w, g))), Target(overrides=overrides))
    rows = [node.shape for node in lowered.nodes() if node.op is ops.gather]
    assert rows == [(2 * 5 * 6 * g.shape[2], g.shape[3])]  # which both share
    compare(0, 0, step, [x, w, g], [False] * 3, overrides)


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
    by = sum(kernel) + sum(padding) + ceil_mode
    for number, (stride, dilation) in enumerate(half(by, [*STRIDES, kernel], [(1, 1), (2, 1)])):
        size = SIZES[number % 2]
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

        arrays = [x, integers(rng, *shape), integers(rng, 3, 2, *size)]
        compare(number, by, step, arrays, [True] * 3, overrides)


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", ["slices", "gather"])
def test_average_pooling(
    name: str, kernel: tuple[int, int], padding: tuple[int, int], ceil_mode: bool, include: bool
) -> None:
    rng = np.random.default_rng(0)
    by = sum(kernel) + sum(padding) + ceil_mode + include
    for number, (stride, size) in enumerate(half(by, [*STRIDES, kernel], SIZES)):
        how: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding}
        how |= {"ceil_mode": ceil_mode, "count_include_pad": include}
        x = integers(rng, 3, 2, *size)
        g = integers(rng, *output_shape(lambda x, how=how: ops.avg_pool2d(x, **how), x))

        def step(x: Any, g: Any, how: Any = how, size: Any = size) -> Any:
            return ops.avg_pool2d(x, **how), ops.avg_pool2d_grad(g, size=size, **how)

        overrides = (("avg_pool2d", name), ("avg_pool2d_grad", name))
        compare(number, by, step, [x, g], [True, True], overrides, exact=False)


@st.composite
def heavy_nodes(draw: st.DrawFn) -> Node:
    """An op that has strategies, on inputs of its own, with windows of any kind."""
    name = draw(st.sampled_from(sorted(HEAVY)))
    pair = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731
    batch, groups = draw(st.integers(1, 5)), draw(st.sampled_from((1, 1, 2)))
    kernel, stride, dilation = draw(pair(1, 4)), draw(pair(1, 3)), draw(pair(1, 2))
    padding, size = draw(pair(0, 2)), draw(pair(1, 9))
    dtype = draw(st.sampled_from((f32, f32, f64)))
    inputs, outputs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 3))
    image = leaf("x", Type(dtype, (batch, inputs, *size)))
    how: dict[str, Any] = {"stride": stride, "padding": padding}
    try:
        if "conv" in name:
            how |= {"dilation": dilation, "groups": groups}
            w = leaf("w", Type(dtype, (outputs, inputs // groups, *kernel)))
            bias = [leaf("bias", Type(dtype, (outputs,)))] if draw(st.booleans()) else []
            y = ops.conv2d(image, w, *bias, **how)
            g = leaf("g", y.ty)
            return {
                "conv2d": lambda: y,
                "conv2d_input_grad": lambda: ops.conv2d_input_grad(g, w, size=size, **how),
                "conv2d_weight_grad": lambda: ops.conv2d_weight_grad(image, g, kernel=kernel, **how),
            }[name]()
        how |= {"kernel": kernel, "ceil_mode": draw(st.booleans())}
        if "avg" in name:
            how["count_include_pad"] = draw(st.booleans())
            y = ops.avg_pool2d(image, **how)
            return y if name == "avg_pool2d" else ops.avg_pool2d_grad(leaf("g", y.ty), size=size, **how)
        y = ops.max_pool2d(image, dilation=dilation, **how)
        how["dilation"] = dilation
        return {
            "max_pool2d": lambda: y,
            "max_pool2d_grad": lambda: ops.max_pool2d_grad(leaf("g", y.ty), image, **how),
            "max_pool2d_pick": lambda: ops.max_pool2d_pick(leaf("v", image.ty), image, **how),
        }[name]()
    except LenetcError:  # the window does not fit
        reject()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(heavy_nodes())
def test_every_strategy_agrees_with_the_interpreter(node: Node) -> None:
    """Each one that says that it can, by the interpreter and by the runtime."""
    rng = np.random.default_rng(0)
    graph = graph_to(node)
    arrays = [integers(rng, *map(int, x.shape), dtype=x.dtype.numpy) for x in graph.inputs]
    want = run(graph, arrays)[0]
    named = {x.attrs["name"]: array for x, array in zip(graph.inputs, arrays, strict=True)}
    able = [s for s in TABLE if s.op == node.op.name and not s.lacks(node, Target())]
    assert able
    for s in able:
        lowered, notes = choose_strategies(graph, Target(overrides=((s.op, s.name),)))
        assert f" by {s.name}," in notes[0]
        for got in (run(lowered, arrays)[0], run_model(to_onnx(lowered).model, named)[0]):
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5, err_msg=s.name)


def test_slices_of_an_image_of_any_size_need_windows_without_padding() -> None:
    x = leaf("x", Type(f32, (2, 3, symbol("H"), 8)))
    plain, padded = (ops.max_pool2d(x, kernel=(2, 2), stride=(1, 1), padding=(p, p)) for p in (0, 1))
    assert not sliced(plain, Target())
    assert sliced(padded, Target()) == "height and width are not fixed"
