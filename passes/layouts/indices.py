"""Index tables as expressions of `iota`: sums of a few rows of numbers, which a runtime folds when it loads a model.

A table of constants would grow with the image, and the file with it. Numbers are i32, half of what i64 takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from ir import ops
from ir.interpret import evaluate_node
from ir.node import Node, topological
from ir.types import Array, i32


def count(size: int, axis: int, rank: int, step: int = 1, start: int = 0) -> Node:
    """start, start + step, ... `size` numbers along one of `rank` axes: i32[1,..,size,..,1]."""
    numbers = ops.iota(size=int(size), dtype=i32)
    numbers = numbers if step == 1 else numbers * int(step)
    numbers = numbers if start == 0 else numbers + int(start)
    shape = tuple(int(size) if i == axis else 1 for i in range(rank))
    return numbers if rank == 1 else ops.reshape(numbers, shape=shape)


def along(values: Array, axis: int, rank: int) -> Node:
    """Numbers along one of `rank` axes: by `count` where they are evenly spaced."""
    steps = np.diff(values)
    if not len(steps) or (steps == steps[0]).all():
        return count(len(values), axis, rank, int(steps[0]) if len(steps) else 1, int(values[0]))
    shape = tuple(len(values) if i == axis else 1 for i in range(rank))
    return ops.literal(np.asarray(values, np.int32).reshape(shape))


def grid(shape: Sequence[int], steps: Sequence[int], start: int = 0) -> Node:
    """start + i*steps[0] + j*steps[1] + ... at place (i, j, ...) of an array of `shape`: i32."""
    numbers = list(enumerate(zip(shape, steps, strict=True)))
    parts = [count(n, axis, len(shape), step) for axis, (n, step) in numbers if n > 1]
    if not parts:
        return count(1, 0, len(shape), start=start)
    total = reduce(ops.add, parts)
    return total + start if start else total


def permuted(
    shape: Sequence[int],
    perm: Sequence[int],
    turned: int | None = None,
    kept: Sequence[int] | None = None,
) -> Node:
    """0, 1, ... in an array of `shape`, of which `kept` remains, with its axes permuted, and the axis `turned` of the
    result in reverse."""
    steps = [math.prod(shape[axis + 1 :]) for axis in perm]
    sizes, start = [(kept or shape)[axis] for axis in perm], 0
    if turned is not None:
        start, steps[turned] = (sizes[turned] - 1) * steps[turned], -steps[turned]
    return grid(sizes, steps, start)


def flat(numbers: Node) -> Node:
    """The numbers one after another."""
    return numbers if numbers.rank == 1 else ops.reshape(numbers, shape=(numbers.ty.size,))


def below(numbers: Node, end: int) -> Node:
    """Whether they are in 0..end-1."""
    return ops.logical_and(ops.greater(numbers, -1), ops.less(numbers, end))


def value(numbers: Node) -> Array:
    """What an expression that reads no input comes to."""
    values: dict[Node, Any] = {}
    for node in topological((), [numbers]):
        values[node] = evaluate_node(node, [values[x] for x in node.inputs], {})
    found: Array = values[numbers]
    return found


def counts_all(numbers: Node, size: int) -> bool:
    """Whether the numbers are 0, 1, ... size-1: a gather by them would change nothing."""
    return bool(numbers.ty.size == size) and bool((value(numbers).reshape(-1) == np.arange(size)).all())
