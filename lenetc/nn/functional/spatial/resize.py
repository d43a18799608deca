"""Resizing lines, images and volumes: one axis after the other, each element a weighted sum of a few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from ir import ops
from ir.errors import DTypeError, ShapeError, UnsupportedError
from ir.node import Node
from ir.types import Array, f64, u8
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.spatial.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from lenetc.operations.autocast import autocasts
from lenetc.tensors.arrays import index_of, need_number
from lenetc.tensors.tensor import Tensor, apply, require_tensors
from passes.autodiff import means

CUBIC = -0.75  # the free coefficient of cubic convolution, as PyTorch has it
# Elements of the matrix of one axis, above which its gradient is scattered: 1 MB in f32.
_LARGEST_MATRIX = 1 << 18
_DIMS = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
_ANY = ("nearest", "nearest-exact", "area")
_AREAS = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}

# Which elements of an axis make one of the result, [size,K], and with which weights; None for those themselves.
Sources = tuple[Array, Array | None]
Scale = float | None


@autocasts
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """input[N,C,...] resized behind its channels to `size`, or by `scale_factor`: a number, or one for each axis.

    mode: "nearest", "nearest-exact" and "area" for lines, images and volumes; "linear" for lines, "bilinear" and
    "bicubic" for images, "trilinear" for volumes. align_corners: whether the first and last elements keep their
    places, or the borders of the whole. recompute_scale_factor: use the ratio of sizes instead of `scale_factor`.
    antialias: for "bilinear" and "bicubic", whether what is made smaller is a weighted mean of all that it covers.
    Raises ValueError for arguments that do not go together.
    Source: torch.nn.functional.interpolate.
    """
    require_tensors("interpolate", input)
    dims = input.ndim - 2
    if mode in _ANY:
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | "
                "trilinear"
            )
    elif mode not in _DIMS:
        raise UnsupportedError(
            f"interpolate: mode {mode!r} is not supported; use nearest, nearest-exact, area, linear, bilinear, "
            "bicubic or trilinear"
        ).at(here())
    if dims not in (1, 2, 3) or (mode in _DIMS and _DIMS[mode] != dims):
        raise UnsupportedError(
            "interpolate: input error: only 3D, 4D and 5D input tensors are supported, linear for 3D, bilinear and "
            f"bicubic for 4D, trilinear for 5D: the mode is {mode!r}, and the input {input.type_text()}"
        ).at(here())
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input"
        )
    sizes, scales = _wanted(input, dims, size, scale_factor, mode == "area" or bool(recompute_scale_factor))
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if mode == "area":
        return _AREAS[dims](input, sizes)
    if not input.dtype.is_float and not (input.dtype is u8 and mode in _ANY):
        raise DTypeError(
            f"interpolate in mode {mode!r} takes floating point tensors, not {input.type_text()}; use .float()"
        ).at(here())
    if 0 in input.shape[1:]:
        raise ShapeError(f"interpolate: of the sizes of {input.type_text()} only the batch's may be 0").at(
            here()
        )
    kind = mode if mode in _ANY else "cubic" if mode == "bicubic" else "linear"
    found = smoothed_sources if antialias else sources

    def build(x: Node) -> Node:
        y = means.widened(x)
        for axis in reversed(range(2, x.rank)):
            where, scale = axis - 2, scales[axis - 2]
            y = along(
                y, axis, found(kind, int(x.shape[axis]), sizes[where], scale, bool(align_corners), x.dtype)
            )
        return means.narrowed(y, x.dtype)

    shown = "NearestExact" if mode == "nearest-exact" else mode.capitalize()
    return apply(f"Upsample{shown}{dims}DBackward0", build, input, saves=False)


def _wanted(
    x: Tensor, dims: int, size: Any, scale_factor: Any, recompute: bool
) -> tuple[list[int], list[Scale]]:
    """The sizes of the result, and the factors that coordinates are made of; None for the ratio of sizes."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    given = size if size is not None else scale_factor
    if given is None:
        raise ValueError("either size or scale_factor should be defined")
    name = "output size" if size is not None else "scale_factor"
    values: Sequence[Any] = list(given) if isinstance(given, (tuple, list)) else [given] * dims
    if len(values) != dims:
        raise ValueError(
            f"Input and {name} must have the same number of spatial dimensions, but got input with spatial "
            f"dimensions of {list(x.shape[2:])} and {name} of {given}"
        )
    scales: list[Scale] = [None] * dims
    if size is not None:
        sizes = [index_of("interpolate: a size", value) for value in values]
    else:
        for value in values:
            need_number("interpolate", "scale_factor", value)
        sizes = [math.floor(int(n) * float(value)) for n, value in zip(x.shape[2:], values, strict=True)]
        if not recompute:
            scales = [float(value) for value in values]
    if min(sizes) < 1:
        raise ShapeError(
            f"interpolate: input and output sizes should be greater than 0, but they are {x.type_text()} and {sizes}"
        ).at(here())
    return sizes, scales


def sources(kind: str, size: int, wanted: int, scale: Scale, align_corners: bool, dtype: Any) -> Sources:
    """Where each of `wanted` elements comes from along an axis of `size`, counted in `dtype` as PyTorch counts."""
    wide: Any = np.float64 if dtype is f64 else np.float32
    number: Any = np.arange(wanted).astype(wide)
    step = _step(wide, size, wanted, scale, align_corners)
    if kind.startswith("nearest"):
        at = (
            number * step
            if kind == "nearest"
            else np.maximum(step * (number + wide(0.5)) - wide(0.5), 0) + 0.5
        )
        # PyTorch rounds down what it has rounded to f32.
        return np.minimum(np.floor(at.astype(np.float32)).astype(np.int64), size - 1)[:, None], None
    at = number * step if align_corners else step * (number + wide(0.5)) - wide(0.5)
    if kind == "cubic":
        first = np.floor(at)
        places = first.astype(np.int64)[:, None] + np.arange(-1, 3)
        weights = np.stack(cubic_weights(at - first), 1)
        return np.clip(places, 0, size - 1), weights.astype(wide)
    at = np.maximum(at, wide(0))
    first = np.minimum(np.floor(at).astype(np.int64), size - 1)
    share = np.clip(at - first.astype(wide), wide(0), wide(1))
    places = np.stack([first, np.minimum(first + 1, size - 1)], 1)
    return places, np.stack([1 - share, share], 1)


def _step(wide: Any, size: int, wanted: int, scale: Scale, align_corners: bool) -> Any:
    """How far apart along the axis two elements of the result are, as a number of the type `wide`."""
    if align_corners:
        return wide(size - 1) / wide(wanted - 1) if wanted > 1 else wide(0)
    return wide(1.0 / scale) if scale else wide(size) / wide(wanted)


def smoothed_sources(
    kind: str, size: int, wanted: int, scale: Scale, align_corners: bool, dtype: Any
) -> Sources:
    """`sources` with antialias: a triangle or a cubic as wide as an element of the result, if that is wider."""
    wide: Any = np.float64 if dtype is f64 else np.float32
    step = _step(wide, size, wanted, scale, align_corners)
    width = max(step, wide(1))
    reach = width * wide(2 if kind == "cubic" else 1)
    center = step * (np.arange(wanted).astype(wide) + wide(0.5))
    first = np.maximum((center - reach + wide(0.5)).astype(np.int64), 0)
    end = np.minimum((center + reach + wide(0.5)).astype(np.int64), size)
    places = first[:, None] + np.arange(max((end - first).max(), 1))
    away = np.abs((places.astype(wide) - center[:, None] + wide(0.5)) / width)
    if kind == "cubic":
        weights = np.where(away < 1, (1.5 * away - 2.5) * away**2 + 1, 0)
        weights = np.where((away >= 1) & (away < 2), ((2.5 - 0.5 * away) * away - 4) * away + 2, weights)
    else:
        weights = np.maximum(1 - away, 0)
    weights = np.where(places < end[:, None], weights, 0).astype(wide)
    return np.minimum(places, size - 1), weights / weights.sum(1, keepdims=True)


def cubic_weights(t: Any) -> list[Any]:
    """The weights of the four neighbours of a place between the second and the third, t behind the second: of arrays
    or nodes (Keys 1981)."""

    def near(x: Any) -> Any:
        return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC

    return [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]


def along(x: Node, axis: int, found: Sources) -> Node:
    """x resized along `axis`."""
    places, weights = found
    size, (wanted, count) = int(x.shape[axis]), places.shape
    if wanted == size and np.array_equal(places[:, 0], np.arange(size)) and _is_first(weights):
        return x
    if (
        weights is None
        and wanted % size == 0
        and np.array_equal(places[:, 0], np.arange(wanted) // (wanted // size))
    ):
        return repeated(x, axis, wanted // size)

    def weighted(k: int) -> Node:
        seen = ops.gather(x, ops.literal(places[:, k]), axis=axis)
        return seen if weights is None else seen * _column(weights[:, k])

    def _column(values: Array) -> Node:
        return ops.literal(values.reshape(wanted, *(1,) * (x.rank - axis - 1)), x.dtype)

    value: Node = reduce(ops.add, map(weighted, range(count)))
    if wanted * size > _LARGEST_MATRIX or not x.dtype.is_float:
        return value
    # Products are far faster than scattering; but their zeros would spread what is not finite in x itself.
    matrix = np.zeros((wanted, size), x.dtype.numpy)
    np.add.at(matrix, (np.arange(wanted)[:, None], places), 1 if weights is None else weights)
    return ops.with_gradient(value, _product(x, axis, matrix))


def _is_first(weights: Array | None) -> bool:
    return weights is None or bool(
        (weights == np.eye(weights.shape[1])[1 if weights.shape[1] == 4 else 0]).all()
    )


def repeated(x: Node, axis: int, times: int) -> Node:
    """Each element along `axis` so many times."""
    apart = (*x.shape[: axis + 1], 1, *x.shape[axis + 1 :])
    spread = (*x.shape[: axis + 1], times, *x.shape[axis + 1 :])
    y = ops.broadcast_to(ops.reshape(x, shape=apart), shape=spread)
    return ops.reshape(y, shape=(*x.shape[:axis], x.shape[axis] * times, *x.shape[axis + 1 :]))


def _product(x: Node, axis: int, matrix: Array) -> Node:
    """matrix[O,D] times x[A,D,B] -> [A,O,B]."""
    if axis == x.rank - 1:
        return ops.matmul(x, ops.literal(np.ascontiguousarray(matrix.T)))
    lead, tail = x.shape[:axis], x.shape[axis + 1 :]
    rows = math.prod(int(n) for n in tail)
    y = ops.matmul(ops.literal(matrix), ops.reshape(x, shape=(*lead, x.shape[axis], rows)))
    return ops.reshape(y, shape=(*lead, matrix.shape[0], *tail))


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """interpolate to the nearest element (torch.nn.functional.upsample_nearest)."""
    return interpolate(input, size, scale_factor)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """interpolate with mode "bilinear", corners aligned (torch.nn.functional.upsample_bilinear)."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """interpolate, under its old name (torch.nn.functional.upsample)."""
    return interpolate(input, size, scale_factor, mode, align_corners)
