"""Values with more around them, or less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

import lenetc.nn.functional as F
from ir.dims import Poly
from ir.errors import ShapeError
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.registry import operator
from lenetc.importer.values import Sizes, Value, is_symbolic, listed, numbers, to_tensor
from lenetc.operations import creation
from lenetc.operations import elementwise as E
from lenetc.tensors.tensor import Tensor

# torch's names of the modes.
_MODES = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@operator
def Pad(
    x: Tensor,
    pads_: Sizes | None = None,
    value_: Value = None,
    axes: Sizes | None = None,
    /,
    *,
    mode: str = "constant",
    pads: Sequence[int] | None = None,
    value: float = 0.0,
) -> Tensor:
    """Amounts below 0 take elements away, before others are put around what is left."""
    before, after = amounts(x.ndim, listed(pads_, pads), axes)
    if mode == "constant":
        return _with_constant(x, before, after, value_, value)
    if mode not in _MODES:
        raise OnnxOperatorError(f"the mode {mode!r} is not here")
    x = x[
        tuple(
            slice(max(-low, 0), size - max(-high, 0))
            for size, low, high in zip(x.shape, before, after, strict=True)
        )
    ]
    before, after = [max(low, 0) for low in before], [max(high, 0) for high in after]
    if _is_torchs(x, mode, before, after):
        rank = next(rank for rank in (x.ndim - 2, x.ndim - 1) if 1 <= rank <= 3)
        return F.pad(x, _last_first(before[-rank:], after[-rank:]), _MODES[mode])
    for axis, (low, high) in enumerate(zip(before, after, strict=True)):
        if low or high:
            x = x.index_select(axis, _places(x.shape[axis], low, high, mode))
    return x


def amounts(rank: int, pads: list[Any], axes: Sizes | None) -> tuple[list[Any], list[Any]]:
    """What is added before and after each axis."""
    which = list(range(rank)) if axes is None else [axis % rank for axis in numbers(axes)]
    if len(pads) != 2 * len(which):
        raise ShapeError(f"pads {pads} are not two for each of the axes {which}")
    before: list[Any] = [0] * rank
    after: list[Any] = [0] * rank
    for axis, low, high in zip(which, pads[: len(which)], pads[len(which) :], strict=True):
        before[axis], after[axis] = low, high
    return before, after


def _last_first(before: Sequence[Any], after: Sequence[Any]) -> list[Any]:
    return [amount for pair in reversed(list(zip(before, after, strict=True))) for amount in pair]


def _with_constant(x: Tensor, before: list[Any], after: list[Any], given: Value, attribute: float) -> Tensor:
    around = _last_first(before, after)
    if given is None:
        return F.pad(x, around, value=attribute)
    if isinstance(given, np.ndarray) and not is_symbolic(given):
        if not given.size:
            return F.pad(x, around)
        return F.pad(x, around, value=given.reshape(()).item())
    inside = F.pad(creation.ones_like(x, dtype=creation.arange(1).dtype), around) > 0
    return E.where(inside, F.pad(x, around), to_tensor(given).reshape(()).to(x.dtype))


def _is_torchs(x: Tensor, mode: str, before: list[Any], after: list[Any]) -> bool:
    """Whether F.pad does it: behind the channels of images, by no more than is there."""
    rank = x.ndim - 2 if x.ndim > 2 else x.ndim - 1
    if not 1 <= rank <= 3 or any((*before[:-rank], *after[:-rank])) or 0 in x.shape:
        return False
    return mode == "edge" or all(
        not isinstance(size, Poly) and max(low, high) < size
        for size, low, high in zip(x.shape[-rank:], before[-rank:], after[-rank:], strict=True)
    )


def _places(size: Any, low: Any, high: Any, mode: str) -> Tensor:
    """Which elements of an axis stand in it once it is padded."""
    if not isinstance(size, Poly):
        return Tensor._from_array(np.pad(np.arange(size), (low, high), cast(Any, mode)))
    at = creation.arange(size + low + high) - low
    last = creation.arange(1) + (size - 1)
    if mode == "edge":
        return E.minimum(E.clamp(at, 0), last)
    if mode == "wrap":
        return E.remainder(at, last + 1)
    return E.sub(last, E.abs(E.sub(last, E.abs(at))))


@operator
def CenterCropPad(x: Tensor, shape: Sizes, /, *, axes: Sequence[int] | None = None) -> Tensor:
    """The middle of what is larger than `shape`, zeros around what is smaller; one more of these after than before."""
    which = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in axes]
    before: list[Any] = [0] * x.ndim
    after: list[Any] = [0] * x.ndim
    for axis, size in zip(which, numbers(shape), strict=True):
        more = size - x.shape[axis]
        half = abs(more) // 2
        before[axis], after[axis] = (half, more - half) if more >= 0 else (-half, more + half)
    return F.pad(x, _last_first(before, after))
