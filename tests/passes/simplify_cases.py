"""For each rule of simplify a graph on which it fires (CASES), and graphs on which it must not (REFUSED)."""

from __future__ import annotations

import numpy as np

from ir import Node, ops
from ir.types import bf16, bool_, f16, f32, f64, i32, i64
from tests.passes.rewriting import Case, N, arg

CASES: dict[str, Case] = {}
REFUSED: list[tuple[str, Case]] = []


def case(build: Case) -> Case:
    """The function is named after its rule."""
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


# Arithmetic


@case
def fold_constants() -> object:
    return x() + ops.exp(ops.literal(np.float32([0, 1, 2])) * 2.0)


@refused("fold_constants")
def _() -> object:  # would swell the model
    return ops.broadcast_to(ops.literal(np.float32(1)), shape=(64, 64))


@case
def fold_dim() -> object:
    return ops.dim(size=4), ops.dim(size=N), x()


@case
def drop_zero() -> object:
    return x() + 0.0, y() - ops.broadcast_to(ops.literal(np.float32(0)), shape=(N, 3))


@refused("drop_zero")
def _() -> object:  # the zeros give the result its shape
    return x(3) + ops.literal(np.zeros((2, 3), np.float32))


@case
def negate_instead() -> object:
    return 0.0 - x()


@case
def drop_one() -> object:
    return x() * 1.0, y() / 1.0, ops.pow(x(), ops.scalar(1, f32))


@refused("drop_one")
def _() -> object:
    return ops.pow(ops.literal(np.float32(1)), x()), 1.0 / x()


@case
def constant_right() -> object:
    return 2.0 * x(), arg("lr") * x(), ops.maximum(ops.scalar(1, f32), x())


@case
def scalar_constant() -> object:
    twos, zero = np.full((1, 3), 2, np.float32), np.zeros((1, 1), np.float32)
    return x() + ops.literal(twos), ops.where(x(dtype=bool_, name="c"), y(), ops.literal(zero))


@refused("scalar_constant")
def _() -> object:
    return x(3) + ops.literal(np.full((2, 3), 2, np.float32)), y() + ops.literal(np.float32([1, 2, 3]))


@case
def drop_broadcast() -> object:
    row = ops.broadcast_to(x(3), shape=(N, 3))
    return row + y(), ops.exp(row), ops.where(ops.greater(y(), row), row, row)


@case
def merge_factors() -> object:
    a, b, i = arg("a"), arg("b"), x(dtype=i32, name="i")
    known = (x() * 3.0 * 0.5, x() / 3.0 * 6.0, x() * 6.0 / 3.0, x() / 3.0 / 5.0, i * 2 * 3)
    z = [op(y()) for op in (ops.neg, ops.abs, ops.exp, ops.tanh)]
    return *known, z[0] * a * b, z[1] / a * b, z[2] * a / b, z[3] / a / b


@refused("merge_factors")
def _() -> object:  # the merged number would be infinite, or lost
    return x() * 1e30 * 1e30, x() * 1e-30 * 1e-30, x() * 1e-30 / 1e30, x(dtype=i32, name="i") / 3 * 6


@refused("merge_factors")
def _() -> object:  # the inner product is needed anyway
    inner = x() * arg("a")
    return inner, inner * arg("b")


@case
def divide_exactly() -> object:
    return x() / 4.0, x() / -0.5


@refused("divide_exactly")
def _() -> object:
    return x() / 3.0, x() / 0.0, x() / float("inf"), x(dtype=i32, name="i") / 4, x() / 2.0**127


@case
def minus_one() -> object:
    return x() * -1.0, y() / -1.0


@case
def merge_neg() -> object:
    return ops.neg(-x()), -(x() - y()), -(x() * 2.0), -(x() / 3.0), -(1.0 / arg("a"))


@case
def factor_takes_sign() -> object:
    return -x() * 2.0, -x() / 3.0, -x() * -y(), -x() / -y()


@case
def add_negated() -> object:
    return x() + -y(), x() - -y(), -x() + y()


@case
def neg_outwards() -> object:
    return -ops.exp(x()) * y(), x() / -ops.exp(y())


@refused("neg_outwards")
def _() -> object:  # the sign is cheaper on the small operand
    return -ops.exp(x(3)) * y()


@case
def twice() -> object:
    return x() + x()


@case
def square() -> object:
    return ops.pow(x(), ops.scalar(2, f32))


@case
def same_operands() -> object:
    c = x(dtype=bool_, name="c")
    return ops.maximum(x(), x()), ops.minimum(x(), x()), ops.logical_and(c, c), ops.logical_or(c, c)


@case
def relu_instead() -> object:
    return ops.maximum(x(), ops.scalar(0, f32))


@case
def idempotent() -> object:
    return tuple(op(op(x())) for op in (ops.relu, ops.abs, ops.sign, ops.floor))


@case
def double_not() -> object:
    return ops.logical_not(ops.logical_not(x(dtype=bool_)))


@case
def drop_marker() -> object:
    marked = ops.custom(x() * 2.0, x(), backward="f"), ops.with_gradient(x() * 3.0, y())
    return ops.stop_gradient(x()) * ops.alias(y(), uid=1), *marked


@case
def drop_cast() -> object:
    c, i = x(dtype=bool_, name="c"), x(dtype=i32, name="i")
    return (
        ops.cast(x(), dtype=f32),
        ops.cast(ops.cast(c, dtype=f32), dtype=f64),
        ops.cast(ops.cast(i, dtype=i64), dtype=f32),
        ops.cast(ops.cast(x(), dtype=f64), dtype=f32),
    )


@refused("drop_cast")
def _() -> object:
    return tuple(ops.cast(ops.cast(x(), dtype=lossy), dtype=f32) for lossy in (f16, bf16, i32))


@case
def where_to_mask() -> object:
    c = x(dtype=bool_, name="c")
    one, zero = ops.literal(np.ones((1, 3), np.float32)), ops.literal(np.float32(0))
    return ops.where(c, one, zero), ops.where(c, zero, one)


@refused("where_to_mask")
def _() -> object:  # 0 * inf is not 0
    return ops.where(x(dtype=bool_, name="c"), y(), ops.scalar(0, f32))


@case
def where_decided() -> object:
    true = ops.literal(np.asarray(True))
    c = x(dtype=bool_, name="c")
    z = arg("z", 3)
    return ops.where(true, z, y()), ops.where(ops.logical_not(true), x(), y()), ops.where(c, z, z)


@case
def positive_mask() -> object:
    return ops.greater(mask(x()), 0.0)


@case
def mask_twice() -> object:
    m = mask(y())
    return x() * m * m, m * m


@case
def relu_grad_twice() -> object:
    return ops.relu_grad(ops.relu_grad(x(), y()), y())


@case
def where_equal() -> object:
    limited = ops.minimum(x(), 1.0)
    return ops.where(ops.equal(x(), limited), x(), limited)


@refused("where_equal")
def _() -> object:  # the result has another shape than the operand
    return ops.where(ops.equal(x(), y(1)), x(), y(1))


# Elements moved


@case
def merge_reshapes() -> object:
    return ops.reshape(ops.reshape(x(N, 4), shape=(4 * N,)), shape=(N, 2, 2)), ops.reshape(y(), shape=(N, 3))


@case
def reshape_broadcast() -> object:
    one = ops.broadcast_to(x(1, 1), shape=(N, 4))
    row = ops.broadcast_to(y(3), shape=(N, 2, 3))
    return ops.reshape(one, shape=(2 * N, 2)), ops.reshape(row, shape=(2 * N, 3))


@refused("reshape_broadcast")
def _() -> object:
    return ops.reshape(ops.broadcast_to(x(3), shape=(N, 3)), shape=(3 * N,))


@case
def merge_transposes() -> object:
    turned = ops.transpose(x(N, 2, 3), perm=(1, 2, 0))
    twice = [ops.transpose(turned, perm=perm) for perm in ((1, 0, 2), (2, 0, 1))]
    return *twice, ops.transpose(y(), perm=(0, 1))


@case
def transpose_to_reshape() -> object:
    return ops.transpose(x(N, 1, 3), perm=(1, 0, 2))


@case
def transpose_broadcast() -> object:
    return ops.transpose(ops.broadcast_to(x(3), shape=(N, 2, 3)), perm=(2, 0, 1))


@case
def merge_broadcasts() -> object:
    row = ops.broadcast_to(x(3), shape=(2, 3))
    return ops.broadcast_to(row, shape=(N, 2, 3)), ops.broadcast_to(y(), shape=(N, 3))


@case
def drop_leading_ones() -> object:
    return ops.broadcast_to(ops.reshape(x(3), shape=(1, 3)), shape=(N, 3))


@case
def scale_outwards() -> object:
    scaled = y() * arg("a"), ops.exp(y()) / 3.0
    return ops.transpose(-x(), perm=(1, 0)), *(ops.reshape(z, shape=(3 * N,)) for z in scaled)


@case
def merge_slices() -> object:
    inner = ops.slice(x(N, 8), starts=(0, 1), stops=(N, 7), steps=(1, 1))
    return (
        ops.slice(inner, starts=(0, 1), stops=(N, 5), steps=(1, 2)),
        ops.slice(y(), starts=(0, 0), stops=(N, 3), steps=(1, 1)),
    )


@case
def slice_of_pad() -> object:
    padded = ops.pad(x(), low=(0, 1), high=(0, 2))
    return ops.slice(padded, starts=(0, 1), stops=(N, 4), steps=(1, 1))


@case
def slice_of_concat() -> object:
    joined = ops.concat(x(), y(N, 2), axis=1)
    return ops.slice(joined, starts=(0, 3), stops=(N, 5), steps=(1, 1))


@refused("slice_of_concat")
def _() -> object:
    joined = ops.concat(x(), y(), axis=1)
    return ops.slice(joined, starts=(0, 1), stops=(N, 4), steps=(1, 1))


@case
def merge_pads() -> object:
    inner = ops.pad(x(), low=(0, 1), high=(1, 2))
    return ops.pad(inner, low=(1, 1), high=(0, 0)), ops.pad(y(), low=(0, 0), high=(0, 0))


@refused("merge_pads")
def _() -> object:
    return ops.pad(ops.pad(x(), low=(0, 1), high=(0, 0)), low=(0, 1), high=(0, 0), value=1.0)


@case
def concat_of_one() -> object:
    return ops.concat(x(), axis=0)


@case
def concat_of_slices() -> object:
    ranges = ((0, 2), (2, 5), (5, 6))
    parts = [ops.slice(x(N, 6), starts=(0, a), stops=(N, b), steps=(1, 1)) for a, b in ranges]
    return ops.concat(*parts, axis=1)


@refused("concat_of_slices")
def _() -> object:
    parts = [ops.slice(x(N, 6), starts=(0, a), stops=(N, b), steps=(1, 1)) for a, b in ((3, 6), (0, 3))]
    return ops.concat(*parts, axis=1)


@case
def merge_reverses() -> object:
    turned = ops.reverse(x(N, 1, 3), axes=(0, 1))
    return ops.reverse(turned, axes=(2,)), ops.reverse(turned, axes=(0,)), ops.reverse(y(1, 3), axes=(0,))


@case
def join_reshapes() -> object:
    return (
        ops.reshape(x(), shape=(3 * N,)) + ops.reshape(y(), shape=(3 * N,)),
        ops.transpose(x(), perm=(1, 0)) * ops.transpose(ops.exp(y()), perm=(1, 0)),
    )


@case
def concat_of_reshapes() -> object:
    parts = [ops.reshape(op(x(N, 2, 3)), shape=(N, 1, 6)) for op in (ops.exp, ops.neg, ops.abs)]
    return ops.concat(*parts, axis=1)


@refused("concat_of_reshapes")
def _() -> object:  # an axis before the concatenated one changes
    return ops.concat(*(ops.reshape(op(x(N, 2, 3)), shape=(2 * N, 3)) for op in (ops.exp, ops.abs)), axis=1)


@case
def reshape_before_slice() -> object:
    cube = x(N, 4, 6)
    parts = [ops.slice(cube, starts=(0, t, 0), stops=(N, t + 2, 6), steps=(1,) * 3) for t in range(3)]
    return *(ops.reshape(part, shape=(N, 2, 2, 3)) for part in parts[:2]), ops.reshape(
        parts[2], shape=(N, 6, 2)
    )


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
def merge_gathers() -> object:
    inner = ops.gather(x(N, 3), ops.literal(np.int64([2, 0, 1, 1])), axis=1)
    return (
        ops.gather(inner, ops.literal(np.int64([1, 1, 3])), axis=1),
        ops.gather(y(), ops.literal(np.arange(3)), axis=1),
    )


@refused("merge_gathers")
def _() -> object:
    rows = ops.gather(x(4, 3), ops.literal(np.int64([2, 0])), axis=0)
    return ops.gather(rows, ops.literal(np.int64([2, 0])), axis=1), ops.gather(
        y(4, 3), ops.literal(np.arange(3)), axis=0
    )


# Reductions, matrix products, convolution and pooling


@case
def drop_reduction() -> object:
    thin = x(N, 1, 3)
    sums = ops.sum(thin, axes=(1,)), ops.sum(thin, axes=(0, 1), keepdims=True), ops.sum(y(), axes=())
    return *sums, ops.reduce_max(thin, axes=(1,))


@case
def merge_reductions() -> object:
    cube = x(N, 2, 3)
    rows = ops.sum(cube, axes=(1,))
    columns = ops.sum(cube, axes=(0,), keepdims=True)
    largest = ops.reduce_max(ops.reduce_max(cube, axes=(2,)), axes=(0,))
    return ops.sum(rows, axes=(1,)), ops.sum(columns, axes=(0, 2)), largest


@refused("merge_reductions")
def _() -> object:
    rows = ops.sum(x(), axes=(1,))
    return rows, ops.sum(rows, axes=(0,))


@case
def reshape_reduction() -> object:
    return (
        ops.reshape(ops.sum(x(), axes=(1,)), shape=(N, 1)),
        ops.reshape(ops.reduce_max(y(), axes=(0,), keepdims=True), shape=(3,)),
        ops.reshape(ops.sum(arg("z", 1, N, 3), axes=(1,), keepdims=True), shape=(3,)),
    )


@case
def sum_of_broadcast() -> object:
    row = ops.broadcast_to(x(3), shape=(N, 2, 3))
    return ops.sum(row, axes=(0, 2)), ops.sum(row, axes=(1,), keepdims=True), ops.sum(row, axes=(0, 1, 2))


@case
def scale_after_sum() -> object:
    scaled = y() * arg("a"), ops.exp(y()) / 3.0
    return ops.sum(-x(), axes=(0,)), *(ops.sum(z, axes=(1,), keepdims=True) for z in scaled)


@case
def scale_after_matmul() -> object:
    return (x(2, 3) * 2.0) @ y(3, 2), x(2, 3) @ -arg("z", 3, 1)


@refused("scale_after_matmul")
def _() -> object:  # the product is larger than what is scaled
    return (x(2, 1) * 2.0) @ y(1, 2)


@case
def conv_bias() -> object:
    how = ops.conv2d(x(N, 2, 5, 5), y(4, 2, 3, 3), stride=(2, 2))
    other = ops.conv2d(x(N, 2, 5, 5), y(4, 2, 3, 3))
    return how + ops.reshape(arg("b", 4), shape=(4, 1, 1)), arg("c", 1, 4, 1, 1) + other


@refused("conv_bias")
def _() -> object:
    return ops.conv2d(x(N, 2, 5, 5), y(4, 2, 3, 3)) + arg("b", N, 4, 1, 1)


@case
def write_out_standardize() -> object:
    return ops.standardize(x(2, 3, 4, 2), y(3), eps=0.5), ops.standardize(arg("a", N + 1, 3), y(3), eps=0.5)


@case
def factor_into_weight() -> object:
    g = y(N, 4, 3, 3)
    w = arg("w", 4, 2, 2, 2)
    first = ops.conv2d_input_grad(g * arg("s", 1, 4, 1, 1), w, size=(4, 4))
    return first, ops.conv2d_input_grad(arg("t", 4, 1, 1) * g, w, size=(4, 4))


@refused("factor_into_weight")
def _() -> object:  # one factor for each pixel; one for each sample
    g, w = y(N, 4, 3, 3), arg("w", 4, 2, 3, 3)
    pixels = ops.conv2d_input_grad(g * arg("s", 3, 3), w, size=(5, 5))
    return pixels, ops.conv2d_input_grad(g * arg("t", N, 1, 1, 1), w, size=(5, 5))


@case
def factor_after_weight_grad() -> object:
    g = arg("s", 4, 1, 1) * y(N, 4, 4, 4)
    return ops.conv2d_weight_grad(x(N, 2, 5, 5), g, kernel=(2, 2))


@refused("factor_after_weight_grad")
def _() -> object:  # the weight is the larger
    return ops.conv2d_weight_grad(x(2, 8, 5, 5), y(2, 4, 1, 1) * arg("s", 4, 1, 1), kernel=(5, 5))


@case
def sum_of_pool_grad() -> object:
    pooled = ops.max_pool2d_grad(y(N, 2, 3, 3), x(N, 2, 6, 6), kernel=(2, 2), stride=(2, 2))
    return ops.sum(pooled, axes=(0, 2, 3))


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
def pool_before_relu() -> object:
    r = ops.relu(x(N, 2, 5, 6))
    return ops.max_pool2d(r, kernel=(3, 2), stride=(2, 1), padding=(1, 1), ceil_mode=True)


@case
def relu_grad_before_pool_grad() -> object:
    r = ops.relu(x(N, 2, 6, 6))
    return ops.relu_grad(ops.max_pool2d_grad(y(N, 2, 3, 3), r, kernel=(2, 2), stride=(2, 2)), r)
