"""Sums and products up to each element."""

from __future__ import annotations

from collections.abc import Callable

from lenetc.importer.registry import operator
from lenetc.importer.values import Sizes, numbers
from lenetc.operations import creation
from lenetc.operations.shaping import cat
from lenetc.tensors.tensor import Tensor


@operator
def CumSum(x: Tensor, axis: Sizes, /, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    return _running(x, numbers(axis)[0], exclusive, reverse, Tensor.cumsum, 0)


@operator
def CumProd(x: Tensor, axis: Sizes, /, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    return _running(x, numbers(axis)[0], exclusive, reverse, Tensor.cumprod, 1)


def _running(
    x: Tensor, axis: int, exclusive: int, reverse: int, function: Callable[..., Tensor], first: int
) -> Tensor:
    """exclusive: without the element itself. reverse: from the end."""
    axis = axis % x.ndim
    x = x.flip([axis]) if reverse else x
    if exclusive:
        lead = (slice(None),) * axis
        start = creation.full_like(x[(*lead, slice(0, 1))], first)
        x = cat([start, x[(*lead, slice(0, x.shape[axis] - 1))]], dim=axis)
    found = function(x, axis, dtype=x.dtype)
    return found.flip([axis]) if reverse else found
