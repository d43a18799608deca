"""Every rule of fuse against what is expected of it, by graph and by value; layers, LeNet, packing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from ir import Graph, Node, ops
from ir.errors import LenetcError
from ir.interpret import run
from ir.op import leaf
from ir.types import DType, Type, f16, f32, f64, i32, i64
from ir.verify import verify
from passes.kernels import channels
from passes.kernels import fuse as fusion
from passes.kernels.fuse import fuse
from passes.kernels.gemm import factor_into_all
from passes.rewrite.driver import rewrite
from passes.rewrite.match import Rules
from passes.rewrite.simplify import simplify
from passes.strategies.finite import choice
from passes.target import Target
from tests.passes import lenet
from tests.passes.rewriting import (
    Case,
    N,
    Rewrites,
    arg,
    assert_runs_alike,
    assert_same,
    check_rule,
    graph_of,
    only,
    open_session,
    values,
)
from tests.support import same

A, B = arg("a", N, 4), arg("b", 4, 2)


RULES = Rules((*fusion.RULES, *fusion.WITH_CHOICES, *fusion.FEW_THREADS, *fusion.INTEGERS, *channels.RULES))
PLACES = ops.literal(np.array([[1], [3], [1]]))
PUT, Y = ops.put_along_axis(arg("u", 3, 1), PLACES, axis=1, size=4), arg("y", 3, 4)

IMAGE, FACTOR, OFFSET = arg("x", N, 3, 16, 16), arg("s", 1, 3, 1, 1), arg("b", 3, 1, 1)
TOKENS_OF_TWO = ops.mod(arg("t", N * N, dtype=i64), ops.scalar(4, i64))
TOKENS = ops.mod(arg("t", N, dtype=i64), ops.scalar(4, i64))


def affine(factor: Node = FACTOR, offset: Node = OFFSET) -> tuple[Node, Node, Node]:
    """Operands of the convolution that gives each channel of the image a factor and an offset."""
    return IMAGE, ops.reshape(factor, shape=(3, 1, 1, 1)), ops.reshape(offset, shape=(3,))


def turned(x: Node) -> Node:
    return ops.transpose(x, perm=(1, 0))


def step_of_adam(p: Node, m: Node, v: Node, total: Node, lr: Node) -> tuple[Node, Node, Node]:
    """Adam's update of a vector and its moments (no bias correction)."""
    g = ops.exp(total)
    m2, v2 = m * 0.9 + g * 0.1, v * 0.99 + g * g * 0.01
    return p - m2 * lr / (ops.sqrt(ops.abs(v2)) + 1e-8), m2, v2


def adam(count: int, name: str = "p", packed: bool = False) -> Graph:
    """Adam's update of `count` vectors of 2, 3, ... elements, one by one or on their concatenations."""
    lr = arg("lr")
    images = [arg(f"x{i}", 4, i + 2) for i in range(count)]
    totals = [ops.sum(x, axes=(0,)) for x in images]
    kinds = [
        [leaf(f"{name}{k}{i}", Type(f32, (i + 2,)), "state") for i in range(count)] for k in ("", "m", "v")
    ]
    if packed:
        joined = [ops.concat(*vectors, axis=0) for vectors in (*kinds, totals)]
        parts = [
            ops.split(whole, axis=0, sizes=tuple(i + 2 for i in range(count)))
            for whole in step_of_adam(*joined, lr)
        ]
        news = [[ops.get(part, index=i) for part in parts] for i in range(count)]
    else:
        news = [step_of_adam(*vectors, lr) for vectors in zip(*kinds, totals, strict=True)]
    states = [node for vectors in zip(*kinds, strict=True) for node in vectors]
    new = [node for vectors in news for node in vectors]
    updates = [(node.attrs["name"], value) for node, value in zip(states, new, strict=True)]
    return Graph.make("adam", (lr, *images, *states), (), updates)


def scanned(step: Graph) -> tuple[Node, ...]:
    """Three of these steps, of which the state is carried."""
    states = [node for node in step.inputs if node.attrs["kind"] == "state"]
    rest = [node for node in step.inputs if node.attrs["kind"] != "state"]
    body = Graph.make("step", (*states, *rest), [(key, node) for key, node in step.updates])
    carried = [arg(f"start_{node.attrs['name']}", *node.shape) for node in states]
    run = ops.scan(*carried, *rest, body=body, carries=len(states), sequences=0, length=3)
    return tuple(ops.get(run, index=i) for i in range(len(states)))


def ones(count: int) -> Node:
    return ops.literal(np.ones((1, count), np.float32))


def by_product(x: Node, tokens: Node, size: int) -> Node:
    """The rows of x[N,2] added up by token, in a product; one by one where that is not finite."""
    narrow = ops.cast(tokens, dtype=i32)
    rows, classes = ops.reshape(narrow, shape=(1, N)), ops.iota(size=size, dtype=i32)
    product = ops.cast(ops.equal(rows, ops.reshape(classes, shape=(size, 1))), dtype=f32) @ x
    places = ops.reshape(narrow, shape=(N, 1)) * 2 + ops.iota(size=2, dtype=i32)
    flat = (ops.reshape(y, shape=(N * 2,)) for y in (x, places))
    one_by_one = ops.reshape(ops.put_along_axis(*flat, axis=0, size=size * 2), shape=(size, 2))
    return ops.get(choice([product], [x, narrow, product], [product], [one_by_one]), index=0)


def in_doubles(x: Node, **how: object) -> Node:
    return ops.cast(ops.sum(ops.cast(x, dtype=f64), **how), dtype=i64)


def by_doubles(x: Node, bits: int, **how: object) -> Node:
    """The sum of x: i64 in parts of so many bits each."""
    unit = ops.scalar(1 << bits, i64)
    parts, rest = [], x
    for _ in range(0, 64 - bits, bits):
        high = ops.div(rest, unit)
        parts.append(in_doubles(rest - high * unit, **how))
        rest = high
    parts.append(in_doubles(rest, **how))
    total = parts[0]
    for i, part in enumerate(parts[1:], 1):
        total = total + part * ops.scalar(1 << i * bits, i64)
    return total


def wrapped_in_doubles(x: Node, **how: Any) -> Node:
    found = ops.sum(ops.cast(x, dtype=f64), **how)
    return ops.cast(found - ops.floor((found + 2.0**31) * 2.0**-32) * 2.0**32, dtype=i32)


WIDE, NARROW, MANY = (
    arg("wide", 5, 3, dtype=i64),
    arg("narrow", 5, 3, dtype=i32),
    arg("batch", N, 3, dtype=i64),
)
C, M, R, U, V = arg("c", 2), arg("m", N, 2), arg("r", 1, 4), arg("u", 2, 2), arg("v", 2, 2)
W, X, ROW, COLUMN = arg("w", 2, 4), arg("x", 4, N), arg("w", 1, 3), arg("t", N, 1)
CASES: dict[str, Rewrites] = {
    "gemm_takes_transpose": [
        (turned(X) @ B, ops.gemm(X, B, trans_a=True)),
        (A @ turned(W), ops.gemm(A, W, trans_b=True)),
        (
            ops.gemm(turned(X), turned(W), C, trans_b=False),
            ops.gemm(X, W, C, trans_a=True, trans_b=True),
        ),
        (ops.gemm(turned(A), B, trans_a=True, alpha=2.0), ops.gemm(A, B, alpha=2.0)),
    ],
    "gemm_turns_vector": [
        (A @ ops.reshape(R, shape=(4, 1)), ops.gemm(A, R, trans_b=True)),
        (
            ops.gemm(COLUMN, ops.reshape(V, shape=(4, 1)), trans_b=True),
            ops.gemm(COLUMN, ops.reshape(V, shape=(1, 4))),
        ),
        (
            ops.gemm(ops.reshape(U, shape=(1, 4)), ROW, trans_a=True),
            ops.gemm(ops.reshape(U, shape=(4, 1)), ROW),
        ),
        (ops.reshape(R, shape=(4, 1)) @ ROW, ops.gemm(R, ROW, trans_a=True)),
    ],
    "gemm_takes_factor": [
        ((A * 2.0) @ B, ops.gemm(A, B, alpha=2.0)),
        (A @ -B, ops.gemm(A, B, alpha=-1.0)),
        (ops.gemm(A * 3.0, B, C, alpha=0.5, beta=0.25), ops.gemm(A, B, C, alpha=1.5, beta=0.25)),
    ],
    "transpose_of_gemm": [
        (turned(A @ B), ops.gemm(B, A, trans_a=True, trans_b=True)),
        (turned(ops.gemm(X, B, trans_a=True, alpha=2.0)), ops.gemm(B, X, trans_a=True, alpha=2.0)),
    ],
    "factor_into_gemm": [
        ((A @ B) * 2.0, ops.gemm(A, B, alpha=2.0)),
        (-ops.gemm(A, B, M, alpha=0.5), ops.gemm(A, B, M, alpha=-0.5, beta=-1.0)),
        (ops.gemm(A, B, C, alpha=0.5) * 3.0, ops.gemm(A, B, C * 3.0, alpha=1.5)),  # beta is a pass
        (
            ops.reshape(A @ B, shape=(N, 1, 2)) * 3.0,
            ops.reshape(ops.gemm(A, B, alpha=3.0), shape=(N, 1, 2)),
        ),
    ],
    "bell_as_quotient": [
        (A * ops.exp(-(A * A)), A / ops.exp(A * A)),
        (ops.exp(-(A * A)) * A, A / ops.exp(A * A)),
    ],
    "gemm_takes_bias": [
        (A @ B + C, ops.gemm(A, B, C)),
        (M * 0.5 + A @ B, ops.gemm(A, B, M, beta=0.5)),
        (A @ B - M, ops.gemm(A, B, M, beta=-1.0)),
        (C - A @ B, ops.gemm(A, B, C, alpha=-1.0)),
    ],
    "reshaped_gemm_takes_bias": [
        (
            ops.reshape(A @ B, shape=(N, 1, 2)) + arg("c", N, 1, 2) * 0.25,
            ops.reshape(
                ops.gemm(A, B, ops.reshape(arg("c", N, 1, 2), shape=(N, 2)), beta=0.25), shape=(N, 1, 2)
            ),
        ),
        (
            arg("c", 2) * 0.5 - ops.reshape(arg("x", 1, 4) @ B, shape=(2,)),
            ops.reshape(ops.gemm(arg("x", 1, 4), B, arg("c", 2), alpha=-1.0, beta=0.5), shape=(2,)),
        ),
    ],
    "pack_body": [(scanned(adam(5)), scanned(adam(5, packed=True)))],
    "sum_of_rows": [
        (ops.sum(arg("x", 5, 3), axes=(0,)), ops.reshape(ones(5) @ arg("x", 5, 3), shape=(3,))),
        (
            ops.sum(arg("x", 5, 3) * 2.0, axes=(0,), keepdims=True),
            ops.reshape(ones(5) @ (arg("x", 5, 3) * 2.0), shape=(1, 3)),
        ),
        (
            ops.sum(arg("y", 4, 3, 2), axes=(0,)),
            ops.reshape(ones(4) @ ops.reshape(arg("y", 4, 3, 2), shape=(4, 6)), shape=(3, 2)),
        ),
        (  # of a batch of any size
            ops.sum(arg("x", N, 5, 3), axes=(0, 1)),
            ops.reshape(
                ops.broadcast_to(ops.scalar(1, f32), shape=(1, N * 5))
                @ ops.reshape(arg("x", N, 5, 3), shape=(N * 5, 3)),
                shape=(3,),
            ),
        ),
    ],
    "product_takes_factor": [
        ((A @ B) * (arg("z", N, 2) * 2.0), ops.gemm(A, B, alpha=2.0) * arg("z", N, 2)),
        (
            ops.neg(arg("z", N, 1, 2)) * ops.reshape(ops.gemm(A, B, arg("c", 2), beta=3.0), shape=(N, 1, 2)),
            ops.reshape(ops.gemm(A, B, arg("c", 2), alpha=-1.0, beta=-3.0), shape=(N, 1, 2))
            * arg("z", N, 1, 2),
        ),
    ],
    "sum_of_weighted": [
        (
            ops.sum(arg("x", N, 5, 3) * arg("w", 3), axes=(2,), keepdims=True),
            arg("x", N, 5, 3) @ ops.reshape(arg("w", 3), shape=(3, 1)),
        ),
        (
            ops.sum(arg("y", 4, 3) * (arg("w", 3) * arg("x", 4, 3)), axes=(1,)),
            ops.reshape(
                (arg("x", 4, 3) * arg("y", 4, 3)) @ ops.reshape(arg("w", 3), shape=(3, 1)), shape=(4,)
            ),
        ),
    ],
    "sum_of_integers": [
        (ops.sum(WIDE, axes=(0,)), by_doubles(WIDE, 50, axes=(0,))),  # 5 are less than 2^3: 53 - 3 bits
        (
            ops.sum(WIDE, axes=(0, 1), keepdims=True),
            by_doubles(WIDE, 49, axes=(0, 1), keepdims=True),
        ),
        (ops.sum(ops.cast(NARROW, dtype=i64), axes=(0,)), in_doubles(ops.cast(NARROW, dtype=i64), axes=(0,))),
        (ops.sum(NARROW, axes=(1,)), wrapped_in_doubles(NARROW, axes=(1,))),
        (ops.sum(MANY, axes=(0,)), by_doubles(MANY, 22, axes=(0,))),  # N may be all that 31 bits hold
    ],
    "put_into_sum": [
        (PUT + Y, ops.scatter(Y, PLACES, arg("u", 3, 1), axis=1, reduction="add")),
        (Y - PUT, ops.scatter(Y, PLACES, ops.neg(arg("u", 3, 1)), axis=1, reduction="add")),
        (PUT - Y, ops.scatter(ops.neg(Y), PLACES, arg("u", 3, 1), axis=1, reduction="add")),
        (
            PUT - Y * arg("s", 3, 1),
            ops.scatter(Y * ops.neg(arg("s", 3, 1)), PLACES, arg("u", 3, 1), axis=1, reduction="add"),
        ),
    ],
    "scatter_by_product": [
        (
            ops.scatter_add(arg("rows", N, 2), TOKENS, axis=0, size=4),
            by_product(arg("rows", N, 2), TOKENS, 4),
        ),
    ],
    "scatter_of_elements": [
        (
            ops.scatter_add(arg("rows", 3, 1, 2), PLACES, axis=0, size=4),
            ops.reshape(
                ops.put_along_axis(
                    ops.reshape(arg("rows", 3, 1, 2), shape=(6,)),
                    ops.reshape(
                        ops.reshape(ops.cast(PLACES, dtype=i32), shape=(3, 1)) * 2
                        + ops.iota(size=2, dtype=i32),
                        shape=(6,),
                    ),
                    axis=0,
                    size=8,
                ),
                shape=(4, 2),
            ),
        )
    ],
    "affine_by_channel": [
        (IMAGE * FACTOR + OFFSET, ops.conv2d(*affine(), groups=3)),
        (FACTOR + OFFSET * IMAGE, ops.conv2d(*affine(OFFSET, FACTOR), groups=3)),
    ],
    "affine_that_is_taken_away": [
        (
            arg("y", N, 3, 16, 16) - ops.conv2d(*affine(), groups=3),
            ops.conv2d(IMAGE, *map(ops.neg, affine()[1:]), groups=3) + arg("y", N, 3, 16, 16),
        )
    ],
    "drop_outer_ones": [
        (ops.reshape(arg("r", 4), shape=(1, 4)) + A, arg("r", 4) + A),
        (  # one of the two gives the result its rank
            ops.equal(ops.reshape(arg("y", 1), shape=(1, 1)), ops.reshape(arg("r", 4), shape=(1, 4))),
            ops.equal(arg("y", 1), ops.reshape(arg("r", 4), shape=(1, 4))),
        ),
    ],
}

REFUSED: dict[str, tuple[str, Case]] = {
    "three axes": (
        "gemm_takes_transpose",
        lambda: ops.transpose(arg("x", N, 4, 2), perm=(0, 2, 1)) @ arg("y", N, 4, 3),
    ),
    "a factor that is needed": ("gemm_takes_factor", lambda: ((y := A * 2.0) @ B, y)),
    "a product that is needed": ("gemm_takes_bias", lambda: ((y := A @ B), y + arg("c", 2))),
    "a product that is needed twice": ("transpose_of_gemm", lambda: ((y := A @ B), turned(y))),
    "a bias larger than the product": ("gemm_takes_bias", lambda: A @ B + arg("c", 3, N, 2)),
    "a row that makes the product larger": ("gemm_takes_bias", lambda: arg("x", 1, 4) @ B + arg("c", N, 2)),
    "a reshaped product that is needed, and momentum": (
        "reshaped_gemm_takes_bias",
        lambda: ((y := ops.reshape(A @ B, shape=(N, 1, 2))), y + arg("c", N, 1, 2) * 0.25),
    ),
    "a row for all of a reshaped product": (
        "reshaped_gemm_takes_bias",
        lambda: ops.reshape(A @ B, shape=(N, 1, 2)) + arg("c", 1, 2) * 0.25,
    ),
    "a factor that f32 lacks": ("factor_into_gemm", lambda: ops.gemm(A, B, alpha=1e-30) * 1e-20),
    "a bell times something else": ("bell_as_quotient", lambda: arg("z", N, 4) * ops.exp(-(A * A))),
    "a bell that is needed": ("bell_as_quotient", lambda: ((y := ops.exp(-(A * A))), A * y)),
    "a reshaped product that is needed": (
        "factor_into_gemm",
        lambda: ((y := A @ B), ops.reshape(y, shape=(N, 1, 2)) * 3.0),
    ),
    "what is put into more than it": ("put_into_sum", lambda: PUT + arg("z", 2, 3, 4)),
    "what is put, and needed": ("put_into_sum", lambda: (PUT, PUT + Y)),
    "many rows": (
        "scatter_by_product",
        lambda: ops.scatter_add(arg("rows", N, 2), TOKENS, axis=0, size=1000),
    ),
    "rows of a few elements": (
        "scatter_by_product",
        lambda: ops.scatter_add(arg("rows", 3, 1, 2), PLACES, axis=0, size=4),
    ),
    "rows of two axes in one": (
        "scatter_by_product",
        lambda: ops.scatter_add(arg("rows", N * N, 2), TOKENS_OF_TWO, axis=0, size=4),
    ),
    "columns": ("scatter_of_elements", lambda: ops.scatter_add(arg("v", 2, 3, 1), PLACES, axis=1, size=4)),
    "few rows": ("sum_of_rows", lambda: ops.sum(arg("x", 3, 5), axes=(0,))),
    "rows of what is summed over behind them": (
        "sum_of_rows",
        lambda: ops.sum(arg("x", 5, 3, 4), axes=(0, 2)),
    ),
    "a factor of what is needed": (
        "product_takes_factor",
        lambda: ((A @ B) * (arg("z", N, 2) * 2.0), arg("z", N, 2) * 2.0),
    ),
    "one weight for each row": (
        "sum_of_weighted",
        lambda: ops.sum(arg("x", 3, 5) * arg("w", 3, 1), axes=(1,)),
    ),
    "weights for columns that stay": (
        "sum_of_weighted",
        lambda: ops.sum(arg("x", 3, 5, 2) * arg("w", 2), axes=(1,)),
    ),
    "a factor of an image that is needed": (
        "affine_by_channel",
        lambda: ((y := IMAGE * FACTOR), y + OFFSET),
    ),
    "an offset for each pixel": ("affine_by_channel", lambda: IMAGE * FACTOR + arg("b", 1, 1, 16, 16)),
    "channels of a few pixels": (
        "affine_by_channel",
        lambda: arg("x", N, 3, 8, 8) * FACTOR + OFFSET,
    ),
    "channels that grow": ("affine_by_channel", lambda: arg("x", N, 1, 16, 16) * FACTOR + OFFSET),
    "a convolution that is needed": (
        "affine_that_is_taken_away",
        lambda: ((y := ops.conv2d(*affine(), groups=3)), IMAGE - y),
    ),
    "pixels that see others": (
        "affine_that_is_taken_away",
        lambda: IMAGE - ops.conv2d(IMAGE, arg("w", 3, 1, 3, 3), arg("b", 3), padding=(1, 1), groups=3),
    ),
    "another axis": ("sum_of_rows", lambda: ops.sum(arg("x", 5, 5), axes=(1,))),
    "one axis": ("sum_of_rows", lambda: ops.sum(arg("x", 5), axes=(0,))),
    "bools": ("sum_of_integers", lambda: ops.sum(ops.cast(ops.greater(A, 0.0), dtype=i64), axes=(0,))),
    "ones that give the result its rank": (
        "drop_outer_ones",
        lambda: ops.equal(ops.reshape(arg("one", 1), shape=(1, 1)), arg("r", 4)),
    ),
    "a row that adds an axis": ("drop_outer_ones", lambda: ops.reshape(arg("r", 4), shape=(1, 1, 4)) * A),
}


def test_every_rule_has_a_case() -> None:
    assert {rule.__name__ for _, rule in RULES} == set(CASES)
    assert all("=>" in (rule.__doc__ or "") for _, rule in RULES)


def test_a_bell_ends_in_zeros() -> None:
    """Where the quotient's exponential overflows, and where there are halves, which overflow early."""
    x = arg("x", 6)
    graph, _ = fuse(graph_of(x * ops.exp(-(x * x))), Target())
    assert "div" in {node.op.name for node in graph.nodes()}
    big = np.array([9.0, 9.5, -12.0, 1e4, 1e20, -3e38], np.float32)
    np.testing.assert_allclose(run(graph, [big])[0], [5.9e-35, 0, 0, 0, 0, 0], atol=1e-36)
    half = arg("h", 2, dtype=f16)
    kept, _ = fuse(graph_of(half * ops.exp(-(half * half))), Target())
    assert "div" not in {node.op.name for node in kept.nodes()}


def test_a_factor_goes_into_all_products_that_read_it() -> None:
    x, y, z = arg("x", 4, 3), arg("y", 3, 2), arg("z", 5, 4)
    scaled = ops.exp(x) * 3.0
    fired: Counter[str] = Counter()
    found = factor_into_all(before := graph_of((scaled @ y, z @ scaled)), fired)
    plain = ops.exp(x)
    assert found.outputs == (ops.gemm(plain, y, alpha=3.0), ops.gemm(z, plain, alpha=3.0))
    assert fired == {"factor_into_all": 2}
    assert_same(before, found, values(before))
    for other in (scaled, ops.tanh(scaled)):  # which keeps the factor
        kept = graph_of((scaled @ y, other))
        assert factor_into_all(kept, fired) is kept


@pytest.mark.parametrize("name", CASES)
def test_rule(name: str) -> None:
    check_rule(RULES, name, CASES[name])


@pytest.mark.parametrize("why", REFUSED)
def test_rule_refuses(why: str) -> None:
    name, build = REFUSED[why]
    before = graph_of(build())
    assert rewrite(before, only(RULES, name)) is before


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("dtype", [i64, i32], ids=str)
def test_sums_of_integers_are_exact_and_wrap_around(dtype: DType, axes: tuple[int, ...]) -> None:
    x = arg("x", 3, 4, 5, dtype=dtype)
    limits = np.iinfo(dtype.numpy.type)
    rng = np.random.default_rng(1)
    graph = graph_of(ops.sum(x, axes=axes))
    for value in (
        rng.integers(limits.min, limits.max, (3, 4, 5), dtype.numpy.type, endpoint=True),
        limits.min,
        -1,
    ):
        given = np.full((3, 4, 5), value, dtype.numpy)
        (want,) = run(graph, [given])
        assert same(run(lowered(graph), [given])[0], want)
        assert same(open_session(lowered(graph)).run(None, {"x": given})[0], want)


def test_a_row_that_is_not_finite_stays_alone() -> None:
    before = graph_of(ops.scatter_add(arg("x", N, 2), arg("i", N, dtype=i64), axis=0, size=4))
    after = lowered(before)
    assert any(node.op is ops.cond for node in after.nodes())
    x = np.array([[1, 2], [np.inf, 3], [np.nan, 4]], np.float32)
    (found,) = open_session(after).run(None, {"x": x, "i": np.int64([0, 2, 3])})
    np.testing.assert_array_equal(found, [[1, 2], [0, 0], [np.inf, 3], [np.nan, 4]])


def lowered(graph: Graph) -> Graph:
    return fuse(simplify(graph, Target())[0], Target())[0]


def test_a_layer_and_its_gradients_are_three_gemms() -> None:
    x, w, b, g = arg("x", N, 4), arg("w", 2, 4), arg("b", 2), arg("g", N, 2)
    after = lowered(
        graph_of(
            (x @ turned(w) + b, turned(turned(x) @ g), g @ w, arg("m", 2, 4) * 0.9 + turned(turned(x) @ g))
        )
    )
    assert Counter(node.op.name for node in after.operations()) == {
        "gemm": 2,
        "matmul": 1,
        "mul": 1,
        "add": 1,
    }


def test_momentum_is_the_gemm_of_the_gradient() -> None:
    x, g, m = arg("x", N, 4), arg("g", N, 2), arg("m", 2, 4)
    after = lowered(graph_of(m * 0.5 + turned(turned(x) @ g)))
    (node,) = after.operations()
    assert node is ops.gemm(g, x, m, trans_a=True, beta=0.5)


@pytest.mark.parametrize("batch", [N, 4, 1])
def test_lenet_step_keeps_its_values(batch: object) -> None:
    graph = lenet.train_step(batch)  # type: ignore[arg-type]
    after = lowered(graph)
    verify(after, "fuse")
    assert fuse(after, Target())[0] is after
    names = Counter(node.op.name for node in after.operations())
    biases = 0 if batch == 1 else 3  # whose gradients are sums of rows
    pools = 2  # whose images are asked for NaN
    assert (names["gemm"], names["matmul"], names["transpose"], names["greater"]) == (6 + biases, 3, 0, pools)
    inputs = lenet.inputs(graph, 1 if batch == 1 else 4)
    assert_same(graph, after, inputs, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ops.gemm(A, A), r"f32\[N,4\] and f32\[N,4\].*4 columns meet N rows"),
        (lambda: ops.gemm(A, B, arg("c", 3)), "broadcast"),
        (lambda: ops.gemm(arg("x", 2, N, 4), B), "2 dimensions"),
    ],
)
def test_bad_operands_are_named(build: Case, message: str) -> None:
    with pytest.raises(LenetcError, match=message):
        build()


def test_updates_of_small_vectors_are_packed() -> None:
    before = adam(5)
    after, notes = fuse(before, Target())
    assert "pack x15" in notes
    names = Counter(node.op.name for node in after.operations())
    # Parameters, both moments and gradients go in, parameters and moments come out.
    assert (names["concat"], names["split"], names["sqrt"], names["matmul"]) == (4, 3, 1, 5)
    assert len(after.operations()) < len(before.operations()) / 1.5
    assert_same(before, after, values(before))
    assert_runs_alike(after, values(before))
    assert fuse(after, Target())[0] is after


def test_momentum_of_few_vectors_is_left_alone() -> None:
    """Copying three vectors in and two out takes as long as the four operators do."""
    lr, count = arg("lr"), 5
    p, m, g = ([arg(f"{name}{i}", i + 2) for i in range(count)] for name in "pmg")
    moved = [a * 0.9 + b for a, b in zip(m, g, strict=True)]
    graph = graph_of((*moved, *(a - b * lr for a, b in zip(p, moved, strict=True))))
    assert fuse(graph, Target())[0] is graph


def test_different_formulas_large_vectors_and_matrices_are_not_packed() -> None:
    def update(name: str, *shape: int, rate: float = 0.1) -> Node:
        x = arg(name, *shape)
        for _ in range(6):
            x = ops.cos(x * rate)
        return x

    kinds = [
        update("a", 3),
        update("b", 3, rate=0.2),
        update("c", 3000),
        update("d", 3000),
        update("e", 2, 2),
    ]
    assert fuse(graph_of((*kinds, update("f", 2, 2))), Target())[0].outputs[:5] == tuple(kinds)
    alike = graph_of((*kinds, update("g", 7)))
    assert "pack x2" in fuse(alike, Target())[1]
