"""Kernels that are right for finite numbers, with something slower for the others: one sum tells, at about the price of
reading the operand once. For the CPU: on CUDA a choice that depends on values cannot be captured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ir import ops
from ir.node import Graph, Node
from ir.op import leaf
from ir.types import f32
from passes.rewrite.driver import substitute

Formula = Callable[[Node], tuple[Node, ...]]


def choice(
    told: Sequence[Node], read: Sequence[Node], quick: Sequence[Node], otherwise: Sequence[Node]
) -> Node:
    """`quick` if all of `told` is finite, else `otherwise`: each is computed, from `read`, only where it is chosen. A
    sum that overflows counts as the latter, which is right for all numbers."""
    return _chosen(ops.less(ops.abs(_total(told)), math.inf), read, quick, otherwise)


def _total(told: Sequence[Node]) -> Node:
    return reduce(ops.add, [ops.sum(x, axes=tuple(range(x.rank))) for x in told])


def _chosen(condition: Node, read: Sequence[Node], quick: Sequence[Node], otherwise: Sequence[Node]) -> Node:
    leaves = {x: leaf(f"x{i}", x.ty) for i, x in enumerate(dict.fromkeys(read))}

    def body(name: str, results: Sequence[Node]) -> Graph:
        return substitute(name, [(f"y{i}", y) for i, y in enumerate(results)], leaves)

    return ops.cond(condition, *leaves, then=body("finite", quick), otherwise=body("not_finite", otherwise))


def if_finite(x: Node, quick: Formula, otherwise: Formula) -> Node:
    """The results of `quick`(x) if all of x is finite, else those of `otherwise`(x)."""
    return choice([x], [x], quick(x), otherwise(x))


def _if_above(x: Node, quick: Formula, otherwise: Formula) -> Node:
    """The results of `quick`(x) if no element of x is NaN or -inf, else those of `otherwise`(x). A sum in which one is
    -inf is NaN, or -inf as well: one comparison tells."""
    return _chosen(ops.greater(_total([x]), -math.inf), [x], quick(x), otherwise(x))


def max_pool2d(x: Node, **how: Any) -> Node:
    """MaxPool, whose kernel loses NaN and takes the least finite number for -inf."""

    def exact(x: Node) -> tuple[Node, ...]:
        with_nan, above = _seen(x, how)
        return (_largest(x, ops.max_pool2d(_numbers(x), **how), with_nan, above),)

    return ops.get(_if_above(x, lambda x: (ops.max_pool2d(x, **how),), exact), index=0)


def max_pool2d_with_indices(x: Node, **how: Any) -> Node:
    """MaxPool with indices, -1 where the kernel finds nothing larger than the least finite number."""
    images, (height, width) = x.shape[:2], map(int, x.shape[2:])

    def largest(x: Node) -> tuple[Node, Node]:
        both = ops.max_pool2d_with_indices(x, **how)
        return ops.get(both, index=0), ops.get(both, index=1)

    def exact(x: Node) -> tuple[Node, ...]:
        with_nan, above = _seen(x, how)
        order = ops.reshape(ops.iota(size=height * width, dtype=f32) + 1, shape=(1, 1, height, width))
        whole = (*images, height, width)
        _, first = largest(ops.broadcast_to(-order, shape=whole))
        _, last_nan = largest(ops.where(ops.is_nan(x), order, ops.scalar(0, f32)))
        values, places = largest(_numbers(x))
        places = ops.where(with_nan, last_nan, ops.where(above, places, first))
        return _largest(x, values, with_nan, above), places

    return _if_above(x, largest, exact)


def _numbers(x: Node) -> Node:
    """x with the least finite number for NaN."""
    return ops.where(ops.is_nan(x), ops.scalar(float(np.finfo(x.dtype.numpy).min), x.dtype), x)


def _seen(x: Node, how: dict[str, Any]) -> tuple[Node, Node]:
    """Which windows see NaN, and which a number above -inf."""

    def any_of(condition: Node) -> Node:
        return ops.greater(ops.max_pool2d(ops.cast(condition, dtype=f32), **how), 0.0)

    return any_of(ops.is_nan(x)), any_of(ops.greater(x, -math.inf))


def _largest(x: Node, found: Node, with_nan: Node, above: Node) -> Node:
    nan, least = (ops.scalar(value, x.dtype) for value in (math.nan, -math.inf))
    return ops.where(with_nan, nan, ops.where(above, found, least))
