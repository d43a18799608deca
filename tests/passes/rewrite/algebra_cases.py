"""Cases of the rules of arithmetic."""

from __future__ import annotations

import numpy as np

from ir import ops
from ir.types import bf16, bool_, f16, f32, f64, i32, i64
from tests.passes.rewrite.cases import case, mask, minus, refused, x, y
from tests.passes.rewriting import N, Rewrites, arg


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


@refused("drop_broadcast")
def _() -> object:  # the CPU has no kernel that broadcasts bf16
    return ops.cast(ops.broadcast_to(x(3), shape=(N, 3)), dtype=bf16)


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
        (ops.with_gradient(x() * 3.0, y()), x() * 3.0),
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


@case
def relu_grad_twice() -> Rewrites:
    return [(ops.relu_grad(ops.relu_grad(x(), y()), y()), ops.relu_grad(x(), y()))]


@case
def where_equal() -> Rewrites:
    limited = ops.minimum(x(), 1.0)
    return [(ops.where(ops.equal(x(), limited), x(), limited), limited)]


@refused("where_equal")
def _() -> object:  # the result has another shape than the operand
    return ops.where(ops.equal(x(), y(1)), x(), y(1))
