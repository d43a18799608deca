"""Operands beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.values import Value, is_symbolic
from lenetc.tensors.tensor import Tensor


def beside(a: Tensor, b: Tensor, axis: int | None, broadcast: int | None, opset: int) -> Tensor:
    """b in the shape to be broadcast to a. Before opset 7 b is broadcast only where `broadcast` says so, and its axes
    are those of a from `axis` on, the last ones by default.

    Raises OnnxOperatorError for shapes that differ and are not to be broadcast, and for the attributes in later opsets.
    """
    if opset >= 7:
        if axis is not None or broadcast is not None:
            raise OnnxOperatorError("the attributes axis and broadcast have ended with opset 6")
        return b
    if not broadcast:
        if tuple(a.shape) != tuple(b.shape):
            raise OnnxOperatorError(
                f"{a.type_text()} and {b.type_text()} differ, and before opset 7 only broadcast=1 broadcasts"
            )
        return b
    if axis is None or not b.ndim:
        return b
    after = a.ndim - axis % a.ndim - b.ndim
    if after < 0:
        raise OnnxOperatorError(f"{b.type_text()} has no place in {a.type_text()} from axis {axis} on")
    return b.reshape([*b.shape, *[1] * after])


def number(value: Value, rank: int) -> int | float | bool | None:
    """The number that `value` is where it is a constant of one element, with no more axes than `rank`; else None."""
    if not isinstance(value, np.ndarray) or is_symbolic(value) or value.size != 1 or value.ndim > rank:
        return None
    found: int | float | bool = value.reshape(()).item()
    return found


def joined(xs: Sequence[Tensor]) -> Sequence[Tensor]:
    """The inputs of an operator of any number. Raises OnnxOperatorError where there are none."""
    if not xs:
        raise OnnxOperatorError("there is no input")
    return xs
