"""For each rule of simplify what it makes of what (CASES), and graphs on which it must not fire (REFUSED)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ir import Node, ops
from ir.dims import Dim
from ir.types import bf16, bool_, f16, f32, f64, i32, i64
from tests.passes.rewriting import Case, N, Rewrites, arg

CASES: dict[str, Callable[[], Rewrites]] = {}
REFUSED: list[tuple[str, Case]] = []


def case(build: Callable[[], Rewrites]) -> Callable[[], Rewrites]:
    """The function is named after its rule, and gives pairs of an expression and what the rule makes of it."""
    CASES[build.__name__] = build
    return build


def refused(rule: str) -> object:
    def register(build: Case) -> Case:
        REFUSED.append((rule, build))
        return build

    return register


def x(*shape: object, name: str = "x", dtype: object = f32) -> Node:
    return arg(name, *(shape or (N, 3)), dtype=dtype)  # type: ignore[arg-type]


def y(*shape: object) -> Node:
    return x(*shape, name="y")


def mask(node: Node) -> Node:
    return ops.cast(ops.greater(node, 0.0), dtype=f32)


def minus(number: int) -> Node:
    """A number with a sign that is not folded into it yet."""
    return -ops.scalar(number, f32)


def count(size: Dim) -> Node:
    return ops.cast(ops.dim(size=size), dtype=f32)


def by_output(factor: Node) -> Node:
    """A factor for each of four channels as one for each output of a weight."""
    return ops.reshape(ops.reshape(factor, shape=(4,)), shape=(4, 1, 1, 1))


# Arithmetic


@case
def fold_constants() -> Rewrites:
    return [
        (
            x() + ops.exp(ops.literal(np.float32([0, 1, 2])) * 2.0),
            x() + ops.literal(np.exp(np.float32([0, 2, 4]))),
        )
    ]


@refused("fold_constants")
def _() -> object:  # would swell the model
    return ops.broadcast_to(ops.literal(np.float32(1)), shape=(64, 64))


@case
def fold_dim() -> Rewrites:
    n = ops.dim(size=N)
    return [((ops.dim(size=4), n, x()), (ops.scalar(4, i64), n, x()))]


@case
def drop_zero() -> Rewrites:
    return [(x() + 0.0, x()), (y() - ops.broadcast_to(ops.literal(np.float32(0)), shape=(N, 3)), y())]


@refused("drop_zero")
def _() -> object:  # the zeros give the result its shape
    return x(3) + ops.literal(np.zeros((2, 3), np.float32))


@case
def negate_instead() -> Rewrites:
    return [(0.0 - x(), -x())]


@case
def drop_one() -> Rewrites:
    return [(x() * 1.0, x()), (y() / 1.0, y()), (ops.pow(x(), ops.scalar(1, f32)), x())]


@refused("drop_one")
def _() -> object:
    return ops.pow(ops.literal(np.float32(1)), x()), 1.0 / x()


@case
def constant_right() -> Rewrites:
    return [
        (2.0 * x(), x() * 2.0),
        (arg("lr") * x(), x() * arg("lr")),
        (ops.maximum(ops.scalar(1, f32), x()), ops.maximum(x(), 1.0)),
    ]


@case
def scalar_constant() -> Rewrites:
    twos, zero = np.full((1, 3), 2, np.float32), np.zeros((1, 1), np.float32)
    c = x(dtype=bool_, name="c")
    return [
        (x() + ops.literal(twos), x() + 2.0),
        (ops.where(c, y(), ops.literal(zero)), ops.where(c, y(), ops.scalar(0, f32))),
    ]


@refused("scalar_constant")
def _() -> object:
    return x(3) + ops.literal(np.full((2, 3), 2, np.float32)), y() + ops.literal(np.float32([1, 2, 3]))


@case
def drop_broadcast() -> Rewrites:
    row = ops.broadcast_to(x(3), shape=(N, 3))
    return [
        (row + y(), x(3) + y()),
        (ops.exp(row), ops.broadcast_to(ops.exp(x(3)), shape=(N, 3))),
        (ops.where(ops.greater(y(), row), row, row), ops.where(ops.greater(y(), x(3)), x(3), x(3))),
    ]


@case
def merge_factors() -> Rewrites:
    a, b, i = arg("a"), arg("b"), x(dtype=i32, name="i")
    z = [op(y()) for op in (ops.neg, ops.abs, ops.exp, ops.tanh)]
    return [
        (x() * 3.0 * 0.5, x() * 1.5),
        (x() / 3.0 * 6.0, x() * 2.0),
        (x() * 6.0 / 3.0, x() * 2.0),
        (x() / 3.0 / 5.0, x() / 15.0),
        (i * 2 * 3, i * 6),
        (z[0] * a * b, z[0] * (a * b)),
        (z[1] / a * b, z[1] * (b / a)),
        (z[2] * a / b, z[2] * (a / b)),
        (z[3] / a / b, z[3] / (a * b)),
    ]


@refused("merge_factors")
def _() -> object:  # the merged number would be infinite, or lost
    return x() * 1e30 * 1e30, x() * 1e-30 * 1e-30, x() * 1e-30 / 1e30, x(dtype=i32, name="i") / 3 * 6


@refused("merge_factors")
def _() -> object:  # the inner product is needed anyway
    inner = x() * arg("a")
    return inner, inner * arg("b")


@case
def divide_exactly() -> Rewrites:
    return [(x() / 4.0, x() * 0.25), (x() / -0.5, x() * -2.0)]


@refused("divide_exactly")
def _() -> object:
    return x() / 3.0, x() / 0.0, x() / float("inf"), x(dtype=i32, name="i") / 4, x() / 2.0**127


@case
def minus_one() -> Rewrites:
    return [(x() * -1.0, -x()), (y() / -1.0, -y())]


@case
def merge_neg() -> Rewrites:
    a = arg("a")
    return [
        (ops.neg(-x()), x()),
        (-(x() - y()), y() - x()),
        (-(x() * 2.0), x() * minus(2)),
        (-(x() / 3.0), x() / minus(3)),
        (-(1.0 / a), minus(1) / a),
    ]


@case
def factor_takes_sign() -> Rewrites:
    return [
        (-x() * 2.0, x() * minus(2)),
        (-x() / 3.0, x() / minus(3)),
        (-x() * -y(), x() * y()),
        (-x() / -y(), x() / y()),
    ]


@case
def add_negated() -> Rewrites:
    return [(x() + -y(), x() - y()), (x() - -y(), x() + y()), (-x() + y(), y() - x())]


@case
def neg_outwards() -> Rewrites:
    return [(-ops.exp(x()) * y(), -(ops.exp(x()) * y())), (x() / -ops.exp(y()), -(x() / ops.exp(y())))]


@refused("neg_outwards")
def _() -> object:  # the sign is cheaper on the small operand
    return -ops.exp(x(3)) * y()


@case
def twice() -> Rewrites:
    return [(x() + x(), x() * 2.0)]


@case
def square() -> Rewrites:
    return [(ops.pow(x(), ops.scalar(2, f32)), x() * x())]


@case
def same_operands() -> Rewrites:
    c = x(dtype=bool_, name="c")
    return [
        (ops.maximum(x(), x()), x()),
        (ops.minimum(x(), x()), x()),
        (ops.logical_and(c, c), c),
        (ops.logical_or(c, c), c),
    ]


@case
def relu_instead() -> Rewrites:
    return [(ops.maximum(x(), ops.scalar(0, f32)), ops.relu(x()))]


@case
def idempotent() -> Rewrites:
    return [(op(op(x())), op(x())) for op in (ops.relu, ops.abs, ops.sign, ops.floor)]


@case
def double_not() -> Rewrites:
    c = x(dtype=bool_)
    return [(ops.logical_not(ops.logical_not(c)), c)]


@case
def drop_marker() -> Rewrites:
    return [
        (ops.stop_gradient(x()) * ops.alias(y(), uid=1), x() * y()),
        (ops.custom(x() * 2.0, x(), backward="f"), x() * 2.0),
    ]


@case
def drop_cast() -> Rewrites:
    c, i = x(dtype=bool_, name="c"), x(dtype=i32, name="i")
    return [
        (ops.cast(x(), dtype=f32), x()),
        (ops.cast(ops.cast(c, dtype=f32), dtype=f64), ops.cast(c, dtype=f64)),
        (ops.cast(ops.cast(i, dtype=i64), dtype=f32), ops.cast(i, dtype=f32)),
        (ops.cast(ops.cast(x(), dtype=f64), dtype=f32), x()),
    ]


@refused("drop_cast")
def _() -> object:
    return tuple(ops.cast(ops.cast(x(), dtype=lossy), dtype=f32) for lossy in (f16, bf16, i32))


@case
def where_to_mask() -> Rewrites:
    c = x(dtype=bool_, name="c")
    one, zero = ops.literal(np.ones((1, 3), np.float32)), ops.literal(np.float32(0))
    return [
        (ops.where(c, one, zero), ops.cast(c, dtype=f32)),
        (ops.where(c, zero, one), ops.cast(ops.logical_not(c), dtype=f32)),
    ]


@refused("where_to_mask")
def _() -> object:  # 0 * inf is not 0
    return ops.where(x(dtype=bool_, name="c"), y(), ops.scalar(0, f32))


@case
def where_decided() -> Rewrites:
    c, z = x(dtype=bool_, name="c"), arg("z", 3)
    true, wide = ops.literal(np.asarray(True)), ops.broadcast_to(z, shape=(N, 3))
    return [(ops.where(true, z, y()), wide), (ops.where(c, z, z), wide)]


@case
def positive_mask() -> Rewrites:
    return [(ops.greater(mask(x()), 0.0), ops.greater(x(), 0.0))]


@case
def mask_twice() -> Rewrites:
    m = mask(y())
    return [(x() * m * m, x() * m), (m * m, m)]


# Elements moved


@case
def merge_reshapes() -> Rewrites:
    return [
        (
            ops.reshape(ops.reshape(x(N, 4), shape=(4 * N,)), shape=(N, 2, 2)),
            ops.reshape(x(N, 4), shape=(N, 2, 2)),
        ),
        (ops.reshape(y(), shape=(N, 3)), y()),
    ]


@case
def reshape_broadcast() -> Rewrites:
    one = ops.broadcast_to(x(1, 1), shape=(N, 4))
    row = ops.broadcast_to(y(3), shape=(N, 2, 3))
    return [
        (
            ops.reshape(one, shape=(2 * N, 2)),
            ops.broadcast_to(ops.reshape(x(1, 1), shape=()), shape=(2 * N, 2)),
        ),
        (ops.reshape(row, shape=(2 * N, 3)), ops.broadcast_to(y(3), shape=(2 * N, 3))),
    ]


@refused("reshape_broadcast")
def _() -> object:
    return ops.reshape(ops.broadcast_to(x(3), shape=(N, 3)), shape=(3 * N,))


@case
def merge_transposes() -> Rewrites:
    turned = ops.transpose(x(N, 2, 3), perm=(1, 2, 0))
    return [
        (ops.transpose(turned, perm=(1, 0, 2)), ops.transpose(x(N, 2, 3), perm=(2, 1, 0))),
        (ops.transpose(turned, perm=(2, 0, 1)), x(N, 2, 3)),
        (ops.transpose(y(), perm=(0, 1)), y()),
    ]


@case
def transpose_to_reshape() -> Rewrites:
    return [(ops.transpose(x(N, 1, 3), perm=(1, 0, 2)), ops.reshape(x(N, 1, 3), shape=(1, N, 3)))]


@case
def transpose_broadcast() -> Rewrites:
    before = ops.transpose(ops.broadcast_to(x(3), shape=(N, 2, 3)), perm=(2, 0, 1))
    column = ops.transpose(ops.reshape(x(3), shape=(1, 1, 3)), perm=(2, 0, 1))
    return [(before, ops.broadcast_to(column, shape=(3, N, 2)))]


@case
def merge_broadcasts() -> Rewrites:
    row = ops.broadcast_to(x(3), shape=(2, 3))
    return [
        (ops.broadcast_to(row, shape=(N, 2, 3)), ops.broadcast_to(x(3), shape=(N, 2, 3))),
        (ops.broadcast_to(y(), shape=(N, 3)), y()),
    ]


@case
def drop_leading_ones() -> Rewrites:
    row = ops.reshape(x(3), shape=(1, 3))
    return [(ops.broadcast_to(row, shape=(N, 3)), ops.broadcast_to(x(3), shape=(N, 3)))]


@case
def scale_outwards() -> Rewrites:
    flat = (3 * N,)
    return [
        (ops.transpose(-x(), perm=(1, 0)), -ops.transpose(x(), perm=(1, 0))),
        (ops.reshape(y() * arg("a"), shape=flat), ops.reshape(y(), shape=flat) * arg("a")),
        (ops.reshape(ops.exp(y()) / 3.0, shape=flat), ops.reshape(ops.exp(y()), shape=flat) / 3.0),
    ]


@case
def merge_slices() -> Rewrites:
    inner = ops.slice(x(N, 8), starts=(0, 1), stops=(N, 7), steps=(1, 1))
    return [
        (
            ops.slice(inner, starts=(0, 1), stops=(N, 5), steps=(1, 2)),
            ops.slice(x(N, 8), starts=(0, 2), stops=(N, 6), steps=(1, 2)),
        ),
        (ops.slice(y(), starts=(0, 0), stops=(N, 3), steps=(1, 1)), y()),
    ]


@case
def slice_of_pad() -> Rewrites:
    padded = ops.pad(x(), low=(0, 1), high=(0, 2))
    return [(ops.slice(padded, starts=(0, 1), stops=(N, 4), steps=(1, 1)), x())]


@case
def slice_of_concat() -> Rewrites:
    joined = ops.concat(x(), y(N, 2), axis=1)
    return [(ops.slice(joined, starts=(0, 3), stops=(N, 5), steps=(1, 1)), y(N, 2))]


@refused("slice_of_concat")
def _() -> object:
    joined = ops.concat(x(), y(), axis=1)
    return ops.slice(joined, starts=(0, 1), stops=(N, 4), steps=(1, 1))


@case
def merge_pads() -> Rewrites:
    inner = ops.pad(x(), low=(0, 1), high=(1, 2))
    return [
        (ops.pad(inner, low=(1, 1), high=(0, 0)), ops.pad(x(), low=(1, 2), high=(1, 2))),
        (ops.pad(y(), low=(0, 0), high=(0, 0)), y()),
    ]


@refused("merge_pads")
def _() -> object:
    return ops.pad(ops.pad(x(), low=(0, 1), high=(0, 0)), low=(0, 1), high=(0, 0), value=1.0)


@case
def concat_of_one() -> Rewrites:
    return [(ops.concat(x(), axis=0), x())]


@case
def concat_of_slices() -> Rewrites:
    ranges = ((0, 2), (2, 5), (5, 6))
    parts = [ops.slice(x(N, 6), starts=(0, a), stops=(N, b), steps=(1, 1)) for a, b in ranges]
    return [(ops.concat(*parts, axis=1), x(N, 6))]


@refused("concat_of_slices")
def _() -> object:
    parts = [ops.slice(x(N, 6), starts=(0, a), stops=(N, b), steps=(1, 1)) for a, b in ((3, 6), (0, 3))]
    return ops.concat(*parts, axis=1)


@case
def merge_reverses() -> Rewrites:
    turned = ops.reverse(x(N, 1, 3), axes=(0, 1))
    return [
        (ops.reverse(turned, axes=(2,)), ops.reverse(x(N, 1, 3), axes=(0, 2))),
        (ops.reverse(turned, axes=(0,)), x(N, 1, 3)),
        (ops.reverse(y(1, 3), axes=(0,)), y(1, 3)),
    ]


@case
def join_reshapes() -> Rewrites:
    flat, e = (3 * N,), ops.exp(y())
    return [
        (ops.reshape(x(), shape=flat) + ops.reshape(y(), shape=flat), ops.reshape(x() + y(), shape=flat)),
        (
            ops.transpose(x(), perm=(1, 0)) * ops.transpose(e, perm=(1, 0)),
            ops.transpose(x() * e, perm=(1, 0)),
        ),
    ]


@case
def concat_of_reshapes() -> Rewrites:
    parts = [op(x(N, 2, 3)) for op in (ops.exp, ops.neg, ops.abs)]
    before = ops.concat(*(ops.reshape(part, shape=(N, 1, 6)) for part in parts), axis=1)
    return [(before, ops.reshape(ops.concat(*parts, axis=1), shape=(N, 3, 6)))]


@refused("concat_of_reshapes")
def _() -> object:  # an axis before the concatenated one changes
    return ops.concat(*(ops.reshape(op(x(N, 2, 3)), shape=(2 * N, 3)) for op in (ops.exp, ops.abs)), axis=1)


@case
def reshape_before_slice() -> Rewrites:
    cube = x(N, 4, 6)

    def rows(start: int) -> Node:
        return ops.slice(cube, starts=(0, start, 0), stops=(N, start + 2, 6), steps=(1,) * 3)

    apart, thin = ops.reshape(cube, shape=(N, 4, 2, 3)), ops.reshape(cube, shape=(N, 12, 2))
    return [
        (
            ops.reshape(rows(0), shape=(N, 2, 2, 3)),
            ops.slice(apart, starts=(0, 0, 0, 0), stops=(N, 2, 2, 3), steps=(1,) * 4),
        ),
        (
            ops.reshape(rows(1), shape=(N, 2, 2, 3)),
            ops.slice(apart, starts=(0, 1, 0, 0), stops=(N, 3, 2, 3), steps=(1,) * 4),
        ),
        (
            ops.reshape(rows(2), shape=(N, 6, 2)),
            ops.slice(thin, starts=(0, 6, 0), stops=(N, 12, 2), steps=(1,) * 3),
        ),
    ]


@refused("reshape_before_slice")
def _() -> object:
    both = ops.slice(x(N, 4, 6), starts=(0, 1, 0), stops=(N, 4, 4), steps=(1,) * 3)
    row = ops.slice(y(N, 4, 6), starts=(0, 1, 0), stops=(N, 3, 6), steps=(1,) * 3)
    return (
        ops.reshape(both, shape=(N, 12)),
        ops.reshape(row, shape=(2 * N, 6)),
        ops.reshape(row, shape=(N, 3, 4)),
    )


@case
def merge_gathers() -> Rewrites:
    def taken(source: Node, *columns: int) -> Node:
        return ops.gather(source, ops.literal(np.int64(columns)), axis=1)

    return [(taken(taken(x(), 2, 0, 1, 1), 1, 1, 3), taken(x(), 0, 0, 1)), (taken(y(), 0, 1, 2), y())]


@refused("merge_gathers")
def _() -> object:
    rows = ops.gather(x(4, 3), ops.literal(np.int64([2, 0])), axis=0)
    return ops.gather(rows, ops.literal(np.int64([2, 0])), axis=1), ops.gather(
        y(4, 3), ops.literal(np.arange(3)), axis=0
    )


# Reductions, matrix products, convolution and pooling


@case
def drop_reduction() -> Rewrites:
    thin = x(N, 1, 3)
    return [
        (ops.sum(thin, axes=(1,)), ops.reshape(thin, shape=(N, 3))),
        (ops.sum(thin, axes=(0, 1), keepdims=True), ops.sum(thin, axes=(0,), keepdims=True)),
        (ops.sum(y(), axes=()), y()),
        (ops.reduce_max(thin, axes=(1,)), ops.reshape(thin, shape=(N, 3))),
    ]


@case
def merge_reductions() -> Rewrites:
    cube = x(N, 2, 3)
    columns = ops.sum(cube, axes=(0,), keepdims=True)
    return [
        (ops.sum(ops.sum(cube, axes=(1,)), axes=(1,)), ops.sum(cube, axes=(1, 2))),
        (ops.sum(columns, axes=(0, 2)), ops.sum(cube, axes=(0, 2))),
        (ops.reduce_max(ops.reduce_max(cube, axes=(2,)), axes=(0,)), ops.reduce_max(cube, axes=(0, 2))),
    ]


@refused("merge_reductions")
def _() -> object:
    rows = ops.sum(x(), axes=(1,))
    return rows, ops.sum(rows, axes=(0,))


@case
def reshape_reduction() -> Rewrites:
    z = arg("z", 1, N, 3)
    return [
        (ops.reshape(ops.sum(x(), axes=(1,)), shape=(N, 1)), ops.sum(x(), axes=(1,), keepdims=True)),
        (
            ops.reshape(ops.reduce_max(y(), axes=(0,), keepdims=True), shape=(3,)),
            ops.reduce_max(y(), axes=(0,)),
        ),
        (ops.reshape(ops.sum(z, axes=(1,), keepdims=True), shape=(3,)), ops.sum(z, axes=(0, 1))),
    ]


@case
def sum_of_broadcast() -> Rewrites:
    row, narrow = ops.broadcast_to(x(3), shape=(N, 2, 3)), ops.reshape(x(3), shape=(1, 1, 3))
    total = ops.sum(narrow, axes=(2,), keepdims=True)
    return [
        (
            ops.sum(row, axes=(0, 2)),
            ops.broadcast_to(ops.reshape(total, shape=(1,)) * count(N), shape=(2,)),
        ),
        (ops.sum(row, axes=(1,), keepdims=True), ops.broadcast_to(narrow * 2.0, shape=(N, 1, 3))),
        (ops.sum(row, axes=(0, 1, 2)), ops.reshape(total, shape=()) * count(2 * N)),
    ]


@case
def scale_after_sum() -> Rewrites:
    a, e = arg("a"), ops.exp(y())

    def rows(z: Node) -> Node:
        return ops.sum(z, axes=(1,), keepdims=True)

    return [
        (ops.sum(-x(), axes=(0,)), -ops.sum(x(), axes=(0,))),
        (rows(y() * a), rows(y()) * a),
        (rows(e / 3.0), rows(e) / 3.0),
    ]


@case
def scale_after_matmul() -> Rewrites:
    z = arg("z", 3, 1)
    return [((x(2, 3) * 2.0) @ y(3, 2), (x(2, 3) @ y(3, 2)) * 2.0), (x(2, 3) @ -z, -(x(2, 3) @ z))]


@refused("scale_after_matmul")
def _() -> object:  # the product is larger than what is scaled
    return (x(2, 1) * 2.0) @ y(1, 2)


@case
def conv_bias() -> Rewrites:
    image, w, b, c = (
        x(N, 2, 5, 5),
        y(4, 2, 3, 3),
        ops.reshape(arg("b", 4), shape=(4, 1, 1)),
        arg("c", 1, 4, 1, 1),
    )
    how = {"stride": (2, 2)}
    return [
        (ops.conv2d(image, w, **how) + b, ops.conv2d(image, w, ops.reshape(b, shape=(4,)), **how)),
        (c + ops.conv2d(image, w), ops.conv2d(image, w, ops.reshape(c, shape=(4,)))),
    ]


@refused("conv_bias")
def _() -> object:
    return ops.conv2d(x(N, 2, 5, 5), y(4, 2, 3, 3)) + arg("b", N, 4, 1, 1)


@case
def write_out_standardize() -> Rewrites:
    def formula(z: Node, axes: tuple[int, ...], n: Node | float) -> Node:
        centred = z - ops.sum(z, axes=axes, keepdims=True) / n
        variance = ops.sum(centred * centred, axes=axes, keepdims=True) / n
        scale = ops.reshape(y(3), shape=(1, 3, *(1,) * (z.rank - 2)))
        return centred * (1.0 / ops.sqrt(variance + 0.5) * scale)

    images, rows = x(2, 3, 4, 2), arg("a", N + 1, 3)
    return [
        (ops.standardize(images, y(3), eps=0.5), formula(images, (0, 2, 3), 16.0)),
        (ops.standardize(rows, y(3), eps=0.5), formula(rows, (0,), count(N + 1))),
    ]


@case
def factor_into_weight() -> Rewrites:
    g, w, s, t = y(N, 4, 3, 3), arg("w", 4, 2, 2, 2), arg("s", 1, 4, 1, 1), arg("t", 4, 1, 1)
    return [
        (
            ops.conv2d_input_grad(g * s, w, size=(4, 4)),
            ops.conv2d_input_grad(g, w * by_output(s), size=(4, 4)),
        ),
        (
            ops.conv2d_input_grad(t * g, w, size=(4, 4)),
            ops.conv2d_input_grad(g, w * by_output(t), size=(4, 4)),
        ),
    ]


@refused("factor_into_weight")
def _() -> object:  # one factor for each pixel; one for each sample
    g, w = y(N, 4, 3, 3), arg("w", 4, 2, 3, 3)
    pixels = ops.conv2d_input_grad(g * arg("s", 3, 3), w, size=(5, 5))
    return pixels, ops.conv2d_input_grad(g * arg("t", N, 1, 1, 1), w, size=(5, 5))


@case
def factor_after_weight_grad() -> Rewrites:
    image, g, s = x(N, 2, 5, 5), y(N, 4, 4, 4), arg("s", 4, 1, 1)
    return [
        (
            ops.conv2d_weight_grad(image, s * g, kernel=(2, 2)),
            ops.conv2d_weight_grad(image, g, kernel=(2, 2)) * by_output(s),
        )
    ]


@refused("factor_after_weight_grad")
def _() -> object:  # the weight is the larger
    return ops.conv2d_weight_grad(x(2, 8, 5, 5), y(2, 4, 1, 1) * arg("s", 4, 1, 1), kernel=(5, 5))


@case
def sum_of_pool_grad() -> Rewrites:
    g = y(N, 2, 3, 3)
    pooled = ops.max_pool2d_grad(g, x(N, 2, 6, 6), kernel=(2, 2), stride=(2, 2))
    return [(ops.sum(pooled, axes=(0, 2, 3)), ops.sum(g, axes=(0, 2, 3)))]


@refused("sum_of_pool_grad")
def _() -> object:
    """Of the rows of the image, not all."""
    pooled = ops.max_pool2d_grad(y(N, 2, 3, 3), x(N, 2, 6, 6), kernel=(2, 2), stride=(2, 2))
    return ops.sum(pooled, axes=(2,))


@refused("sum_of_pool_grad")
def _() -> object:
    """A window may be padding alone."""
    g, image = y(N, 2, 4, 4), x(N, 2, 6, 6)
    pooled = ops.max_pool2d_grad(g, image, kernel=(2, 2), stride=(2, 2), padding=(1, 1))
    return ops.sum(pooled, axes=(0, 2, 3))


@case
def pool_before_relu() -> Rewrites:
    image = x(N, 2, 5, 6)
    how = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1), "ceil_mode": True}
    return [(ops.max_pool2d(ops.relu(image), **how), ops.relu(ops.max_pool2d(image, **how)))]


@case
def relu_grad_before_pool_grad() -> Rewrites:
    image, g, how = x(N, 2, 6, 6), y(N, 2, 3, 3), {"kernel": (2, 2), "stride": (2, 2)}
    r = ops.relu(image)
    kept = mask(ops.relu(ops.max_pool2d(image, **how)))
    return [(ops.max_pool2d_grad(g, r, **how) * mask(r), ops.max_pool2d_grad(g * kept, image, **how))]
