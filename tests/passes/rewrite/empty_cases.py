"""Cases of the rules for values without elements."""

from __future__ import annotations

import numpy as np

from ir import Node, ops
from ir.dims import Dim
from ir.types import DType, bf16, bool_, f32, i64
from tests.passes.rewrite.cases import case, refused, x, y
from tests.passes.rewriting import Rewrites


def nothing(*shape: int, dtype: DType = f32) -> Node:
    return ops.literal(np.zeros(shape, dtype.numpy))


def block(value: float, *shape: Dim, dtype: DType = f32) -> Node:
    return ops.broadcast_to(ops.scalar(value, dtype), shape=shape)


@case
def empty_constant() -> Rewrites:
    empty, images = x(0, 3), x(0, 2, 4, 4, name="images")
    return [
        (ops.exp(empty) + 1.0, nothing(0, 3)),
        (ops.cast(ops.cast(empty, dtype=bf16), dtype=i64), nothing(0, 3, dtype=i64)),
        (ops.max_pool2d(images, kernel=(2, 2), stride=(2, 2)), nothing(0, 2, 2, 2)),
    ]


@refused("empty_constant")
def _() -> object:
    return nothing(0, 3), ops.exp(x())


@case
def sum_of_nothing() -> Rewrites:
    none, images, g = x(0, 3), x(0, 2, 4, 4, name="images"), x(0, 3, 2, 2, name="g")
    places, at = x(0, dtype=i64, name="places"), x(0, 3, dtype=i64, name="at")
    return [
        (ops.sum(none, axes=(0,)), block(0, 3)),
        (ops.transpose(none, perm=(1, 0)) @ none, block(0, 3, 3)),
        (ops.conv2d_weight_grad(images, g, kernel=(3, 3)), block(0, 3, 2, 3, 3)),
        (ops.scatter_add(none, places, axis=0, size=2), block(0, 2, 3)),
        (ops.put_along_axis(none, at, axis=0, size=2), block(0, 2, 3)),
    ]


@refused("sum_of_nothing")
def _() -> object:
    return ops.sum(x(), axes=(0,)), ops.gather(x(2, 3), x(0, dtype=i64, name="places"), axis=0)


@case
def scatter_of_nothing() -> Rewrites:
    at, values = x(2, 0, dtype=i64, name="at"), x(2, 0, name="values")
    return [(ops.scatter(x(2, 3), at, values, axis=1), x(2, 3))]


@refused("scatter_of_nothing")
def _() -> object:
    return ops.scatter(x(2, 3), x(2, 1, dtype=i64, name="at"), x(2, 1, name="values"), axis=1)


@case
def pad_of_nothing() -> Rewrites:
    flags = x(2, 0, dtype=bool_, name="flags")
    return [
        (ops.pad(x(0, 3), low=(1, 0), high=(1, 0), value=2.5), block(2.5, 2, 3)),
        (ops.pad(flags, low=(0, 1), high=(0, 0), value=1.0), block(True, 2, 1, dtype=bool_)),
    ]


@case
def concat_of_nothing() -> Rewrites:
    none = x(0, 3, name="none")
    return [(ops.concat(x(2, 3), none, y(1, 3), axis=0), ops.concat(x(2, 3), y(1, 3), axis=0))]


@refused("concat_of_nothing")
def _() -> object:
    return ops.concat(x(0, 3), x(0, 3, name="none"), axis=0), ops.concat(x(), y(), axis=0)
