"""Sequences, which are lists here, and values that may be absent, which are None where they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.errors import BoundsError, DTypeError
from lenetc.importer.registry import operator
from lenetc.importer.values import Host, Sizes, Value, numbers, to_tensor
from lenetc.operations.shaping import cat, stack
from lenetc.tensors.tensor import Tensor


def _list(value: Value) -> list[Any]:
    if not isinstance(value, list):
        raise DTypeError("a sequence is needed")
    return value


def _place(sequence: list[Any], position: Sizes | None, last: int) -> int:
    """`position` counted from the front, `last` where there is none."""
    at = last if position is None else numbers(position)[0]
    if not -len(sequence) <= at <= last:
        raise BoundsError(f"the position {at} is none of a sequence of {len(sequence)}")
    return at + len(sequence) if at < 0 else at


@operator
def SequenceEmpty(*, dtype: int = 1) -> Value:
    return []


@operator
def SequenceConstruct(*xs: Value) -> Value:
    return list(xs)


@operator
def SequenceAt(sequence: Value, position: Sizes, /) -> Value:
    values = _list(sequence)
    found: Value = values[_place(values, position, len(values) - 1)]
    return found


@operator(differentiable=False)
def SequenceLength(sequence: Value, /) -> Host:
    return np.asarray(len(_list(sequence)))


@operator
def SequenceInsert(sequence: Value, value: Value, position: Sizes | None = None, /) -> Value:
    values = _list(sequence)
    at = _place(values, position, len(values))
    return [*values[:at], value, *values[at:]]


@operator
def SequenceErase(sequence: Value, position: Sizes | None = None, /) -> Value:
    values = _list(sequence)
    at = _place(values, position, len(values) - 1)
    return [*values[:at], *values[at + 1 :]]


@operator
def SplitToSequence(x: Tensor, split: Sizes | None = None, /, *, axis: int = 0, keepdims: int = 1) -> Value:
    """Pieces of the sizes given; of one size for all where it is a number, of which the last may be smaller. keepdims:
    without `split`, whether pieces keep the axis."""
    if split is None:
        pieces = x.split(1, axis)
        return list(pieces) if keepdims else [piece.squeeze(axis) for piece in pieces]
    sizes = numbers(split)
    return list(x.split(sizes if split.ndim else sizes[0], axis))


@operator
def ConcatFromSequence(sequence: Value, /, *, axis: int, new_axis: int = 0) -> Tensor:
    tensors = [to_tensor(value) for value in _list(sequence)]
    return stack(tensors, axis) if new_axis else cat(tensors, axis)


@operator
def Optional(x: Value = None, /, *, type: Any = None) -> Value:
    return x


@operator(differentiable=False)
def OptionalHasElement(x: Value = None, /) -> Host:
    return np.asarray(x is not None)


@operator
def OptionalGetElement(x: Value, /) -> Value:
    if x is None:
        raise DTypeError("the optional value is absent")
    return x
