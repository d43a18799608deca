"""Cases of the rules for values without elements."""

from __future__ import annotations

import numpy as np

from ir import Node, ops
from ir.types import bf16, bool_, f32, i64
from tests.passes.rewrite.cases import case, refused, x, y
from tests.passes.rewriting import Rewrites


def empty(*shape: int) -> Node:
    return ops.literal(np.zeros(shape, np.float32))


def zeros(*shape: int) -> Node:
    return ops.broadcast_to(ops.scalar(0, f32), shape=shape)


@case
def empty_constant() -> Rewrites:
    images = x(0, 2, 4, 4, name="images")
    return [
        (ops.exp(x(0, 3)), empty(0, 3)),
        (x(2, 3, 0) + 1.0, empty(2, 3, 0)),
        (ops.max_pool2d(images, kernel=(2, 2), stride=(2, 2)), empty(0, 2, 2, 2)),
        (
            ops.cast(ops.cast(x(0, 3), dtype=bf16), dtype=i64),
            ops.literal(np.zeros((0, 3), np.int64)),
        ),
    ]


@refused("empty_constant")
def _() -> object:
    return empty(0, 3), ops.exp(x())


@case
def sum_of_nothing() -> Rewrites:
    none, g = x(0, 3), x(0, 3, 2, 2, name="g")
    places, at = x(0, dtype=i64, name="places"), x(0, 3, dtype=i64, name="at")
    return [
        (ops.sum(none, axes=(0,)), zeros(3)),
        (x(2, 0) @ y(0, 3), zeros(2, 3)),
        (ops.conv2d_weight_grad(x(0, 2, 4, 4, name="images"), g, kernel=(3, 3)), zeros(3, 2, 3, 3)),
        (ops.scatter_add(none, places, axis=0, size=2), zeros(2, 3)),
        (ops.put_along_axis(none, at, axis=0, size=2), zeros(2, 3)),
    ]


@refused("sum_of_nothing")
def _() -> object:
    return ops.sum(x(), axes=(0,)), ops.gather(x(2, 3), x(0, dtype=i64, name="places"), axis=0)


@case
def pad_of_nothing() -> Rewrites:
    flags = x(2, 0, dtype=bool_, name="flags")
    return [
        (
            ops.pad(x(0, 3), low=(1, 0), high=(1, 0), value=2.5),
            ops.broadcast_to(ops.scalar(2.5, f32), shape=(2, 3)),
        ),
        (
            ops.pad(flags, low=(0, 1), high=(0, 0), value=1.0),
            ops.broadcast_to(ops.scalar(True, bool_), shape=(2, 1)),
        ),
    ]


@case
def concat_of_nothing() -> Rewrites:
    none = x(0, 3, name="none")
    return [(ops.concat(x(2, 3), none, y(1, 3), axis=0), ops.concat(x(2, 3), y(1, 3), axis=0))]


@refused("concat_of_nothing")
def _() -> object:
    return ops.concat(x(0, 3), x(0, 3, name="none"), axis=0), ops.concat(x(), y(), axis=0)
