"""Cases of the rules that move elements."""

from __future__ import annotations

import numpy as np

from ir import Node, ops
from tests.passes.rewrite.cases import case, refused, x, y
from tests.passes.rewriting import N, Rewrites, arg


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
def merge_concats() -> Rewrites:
    a, b, c = x(N, 2), y(N, 3), arg("z", N, 4)
    return [
        (ops.concat(ops.concat(a, b, axis=1), c, axis=1), ops.concat(a, b, c, axis=1)),
        (ops.concat(a, ops.concat(b, c, axis=1), axis=1), ops.concat(a, b, c, axis=1)),
    ]


@refused("merge_concats")
def _() -> object:
    return ops.concat(ops.concat(x(N, 2), y(N, 2), axis=0), arg("z", 2 * N, 3), axis=1)


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


@case
def scatter_in_order() -> Rewrites:
    order = ops.literal(np.arange(3))
    return [(ops.scatter_add(arg("z", 2, 3, 4), order, axis=1, size=3), arg("z", 2, 3, 4))]


@refused("scatter_in_order")
def _() -> object:
    z, order = arg("z", 3, 4), ops.literal(np.arange(3))
    turned = ops.literal(np.int64([1, 0, 2]))
    return ops.scatter_add(z, order, axis=0, size=4), ops.scatter_add(z, turned, axis=0, size=3)


@refused("merge_gathers")
def _() -> object:
    rows = ops.gather(x(4, 3), ops.literal(np.int64([2, 0])), axis=0)
    return ops.gather(rows, ops.literal(np.int64([2, 0])), axis=1), ops.gather(
        y(4, 3), ops.literal(np.arange(3)), axis=0
    )
