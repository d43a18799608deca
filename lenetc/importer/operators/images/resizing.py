"""Resize and Upsample: axis by axis, each element a weighted sum of a few (ONNX's modes, as ONNX Runtime has them)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ir.dims import Dim, Poly
from ir.errors import ShapeError, SymbolicDimError
from ir.node import Node
from ir.types import Array
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.operators.on_host.arithmetic import Mul
from lenetc.importer.registry import operator
from lenetc.importer.values import Sizes, as_host, numbers
from lenetc.nn.functional.spatial.resize import along, repeated
from lenetc.operations import elementwise as E
from lenetc.tensors.tensor import Tensor, apply
from passes.autodiff import means

_COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
)
_NEAREST = ("simple", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_ONE = np.float32(1)
_HALF = np.float32(0.5)


@dataclass(frozen=True)
class _How:
    """The attributes that say how."""

    mode: str
    coordinates: str
    nearest: str
    cubic_coeff_a: float
    exclude_outside: bool
    antialias: bool


@dataclass(frozen=True)
class _Axis:
    """An axis that is resized. scale: as given, or the ratio of the sizes; roi: the part of it that is taken."""

    axis: int
    size: int
    wanted: int
    scale: np.float32
    roi: tuple[float, float]


@operator
def Resize(
    x: Tensor,
    second: Sizes | None = None,
    third: Sizes | None = None,
    sizes: Sizes | None = None,
    /,
    *,
    antialias: int = 0,
    axes: Sequence[int] | None = None,
    coordinate_transformation_mode: str | None = None,
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str | None = None,
    opset: int,
) -> Tensor:
    """Before opset 11 the inputs are x and scales; since, roi comes between them, and sizes after."""
    roi, scales = (None, second) if opset < 11 else (second, third)
    old = opset < 11
    how = _How(
        mode,
        coordinate_transformation_mode or ("asymmetric" if old else "half_pixel"),
        nearest_mode or ("simple" if old else "round_prefer_floor"),
        cubic_coeff_a,
        bool(exclude_outside),
        bool(antialias),
    )
    which = [axis % x.ndim for axis in axes] if axes is not None else list(range(x.ndim))
    given = numbers(scales), numbers(sizes), numbers(roi)
    return _resized(x, which, *given, keep_aspect_ratio_policy, extrapolation_value, how)


@operator
def Upsample(
    x: Tensor,
    scales_: Sizes | None = None,
    /,
    *,
    mode: str = "nearest",
    scales: Sequence[float] | None = None,
) -> Tensor:
    by = list(scales or ()) if scales_ is None else numbers(scales_)
    how = _How(mode, "asymmetric", "simple", -0.75, False, False)
    return _resized(x, list(range(x.ndim)), by, [], [], "stretch", 0.0, how)


def _resized(
    x: Tensor,
    axes: list[int],
    scales: list[float],
    sizes: list[Dim],
    roi: list[float],
    policy: str,
    outside: float,
    how: _How,
) -> Tensor:
    if how.mode not in ("nearest", "linear", "cubic") or how.coordinates not in _COORDINATES:
        raise OnnxOperatorError(f"the mode {how.mode!r} with {how.coordinates!r} is not here")
    if how.mode == "nearest" and (how.nearest not in _NEAREST or how.antialias):
        raise OnnxOperatorError(
            f"the nearest mode {how.nearest!r}{' with antialias' if how.antialias else ''} is not here"
        )
    if bool(scales) == bool(sizes) or len(scales or sizes) != len(axes):
        raise ShapeError(f"scales {scales} or sizes {sizes}, one of them, are to have {len(axes)} numbers")
    is_cropped = how.coordinates == "tf_crop_and_resize"
    if is_cropped and len(roi) != 2 * len(axes):
        raise ShapeError(f"roi {roi} is to have {2 * len(axes)} numbers")
    parts = (
        list(zip(roi[: len(axes)], roi[len(axes) :], strict=True)) if is_cropped else [(0.0, 1.0)] * len(axes)
    )
    wanted, factors = _targets(x, axes, scales, sizes, policy)
    found, beyond = x, []
    # ONNX Runtime leaves what keeps all its sizes as it is, and axes of scale 1, whatever scales and roi say.
    if all(size == x.shape[axis] for axis, size in zip(axes, wanted, strict=True)):
        return x
    for axis, size, factor, part in zip(axes, wanted, factors, parts, strict=True):
        if size == x.shape[axis] and (factor is None or factor == 1):
            continue
        if isinstance(size, Poly) or isinstance(x.shape[axis], Poly):
            found = _repeated(found, axis, size, how)
            continue
        scale = np.float32(size / x.shape[axis]) if factor is None else np.float32(factor)
        one = _Axis(axis, int(x.shape[axis]), int(size), scale, part)
        at = _origins(one, how)
        found = _along(found, one, _sources(at, one, how))
        if is_cropped:
            beyond.append((axis, (at < 0) | (at > one.size - 1)))
    for axis, is_beyond in beyond:
        mask = Tensor._from_array(is_beyond.reshape([-1] + [1] * (x.ndim - 1 - axis)))
        found = E.where(mask, Tensor._from_array(np.asarray(outside, np.float32)).to(found.dtype), found)
    return found


def _targets(
    x: Tensor, axes: list[int], scales: list[float], sizes: list[Dim], policy: str
) -> tuple[list[Dim], list[Any]]:
    """The sizes wanted, and the scales where these do not follow from them."""
    own = [x.shape[axis] for axis in axes]
    if scales:
        return [_scaled(size, scale) for size, scale in zip(own, scales, strict=True)], list(scales)
    if policy == "stretch":
        return sizes, [None] * len(axes)
    if policy not in ("not_larger", "not_smaller"):
        raise OnnxOperatorError(f"the policy {policy!r} is not here")
    if any(isinstance(size, Poly) for size in (*own, *sizes)):
        raise SymbolicDimError(f"which of the ratios of {sizes} to {own} is the least is not known")
    ratios = [np.float32(size) / np.float32(have) for size, have in zip(sizes, own, strict=True)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return [int(np.floor(scale * np.float32(size) + _HALF)) for size in own], [float(scale)] * len(axes)


def _scaled(size: Dim, scale: float) -> Dim:
    if isinstance(size, Poly):
        found: Dim = Mul(as_host(np.asarray(size), np.float32), np.asarray(scale, np.float32)).item()
        return found
    return int(np.float32(scale) * np.float32(size))


def _repeated(x: Tensor, axis: int, wanted: Dim, how: _How) -> Tensor:
    """An axis of symbolic size: each element as often as the sizes say."""
    times = wanted // x.shape[axis]
    is_repetition = how.mode == "nearest" and (
        (how.coordinates == "asymmetric" and how.nearest in ("floor", "simple"))
        or (how.coordinates in ("half_pixel", "pytorch_half_pixel") and how.nearest.startswith("round"))
    )
    if not is_repetition or not isinstance(times, int):
        raise SymbolicDimError(
            f"an axis of the symbolic size {x.shape[axis]} is resized to {wanted} in the mode {how.mode!r} with "
            f"{how.coordinates!r}; make this dimension a fixed number"
        )
    return apply("UpsampleNearestBackward0", lambda a: repeated(a, axis, times), x, saves=False)


def _along(x: Tensor, one: _Axis, sources: tuple[Array, Array | None]) -> Tensor:
    def build(a: Node) -> Node:
        return means.narrowed(along(means.widened(a), one.axis, sources), a.dtype)

    if not x.dtype.is_float and sources[1] is not None:
        return _along(x.float(), one, sources).to(x.dtype)
    return apply("UpsampleBackward0", build, x, saves=False)


def _origins(one: _Axis, how: _How) -> Array:
    """Where in the axis each element of the result is, in f32 as ONNX Runtime counts."""
    at = np.arange(one.wanted).astype(np.float32)
    size, wanted = np.float32(one.size), np.float32(one.wanted)
    if how.coordinates == "asymmetric":
        return at / one.scale
    if how.coordinates == "tf_half_pixel_for_nn":
        return (at + _HALF) / one.scale
    if how.coordinates == "align_corners":
        return at * (size - _ONE) / (wanted - _ONE) if one.wanted > 1 else at * np.float32(0)
    if how.coordinates == "tf_crop_and_resize":
        low, high = map(np.float32, one.roi)
        if one.wanted == 1:
            return at + _HALF * (low + high) * (size - _ONE)
        return low * (size - _ONE) + at * (high - low) * (size - _ONE) / (wanted - _ONE)
    if how.coordinates == "pytorch_half_pixel" and one.wanted == 1:
        return at
    found = (at + _HALF) / one.scale - _HALF
    if how.coordinates == "half_pixel_symmetric":
        found = size / np.float32(2) * (_ONE - wanted / (one.scale * size)) + found
    return found


def _sources(at: Array, one: _Axis, how: _How) -> tuple[Array, Array | None]:
    """Which elements make each of the result, [wanted,K], and with which weights; None for these themselves."""
    if how.mode == "nearest":
        return np.clip(_nearest(at, bool(one.scale < 1), how.nearest), 0, one.size - 1)[:, None], None
    narrow = min(one.scale, _ONE) if how.antialias else _ONE
    reach = int(np.ceil((2 if how.mode == "cubic" else 1) / narrow))
    places = np.floor(at).astype(np.int64)[:, None] + np.arange(1 - reach, reach + 1)
    away = np.abs(places - at[:, None]) * narrow
    weights = (
        np.maximum(_ONE - away, 0) if how.mode == "linear" else _cubic(away, np.float32(how.cubic_coeff_a))
    )
    weights = weights / weights.sum(1, keepdims=True)
    if how.exclude_outside:
        weights = np.where((places < 0) | (places >= one.size), 0, weights)
        weights = weights / weights.sum(1, keepdims=True)
    return np.clip(places, 0, one.size - 1), weights


def _nearest(at: Array, is_smaller: bool, mode: str) -> Array:
    low = np.floor(at)
    if mode == "simple":
        found = np.ceil(at) if is_smaller else low
    elif mode == "round_prefer_floor":
        found = np.where(at - low <= _HALF, low, low + 1)
    elif mode == "round_prefer_ceil":
        found = np.where(at - low < _HALF, low, low + 1)
    else:
        found = low if mode == "floor" else np.ceil(at)
    return found.astype(np.int64)


def _cubic(away: Array, a: np.float32) -> Array:
    """The weights of elements this far away (Keys 1981)."""
    near = ((a + 2) * away - (a + 3)) * away * away + 1
    far = ((a * away - 5 * a) * away + 8 * a) * away - 4 * a
    return np.where(away <= 1, near, np.where(away < 2, far, 0))
