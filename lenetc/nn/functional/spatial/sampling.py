"""Images and volumes read at places that a grid names, between pixels too."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from ir import ops
from ir.dims import Dim, product
from ir.errors import DTypeError, ShapeError, UnsupportedError
from ir.node import Node
from ir.types import Array, DType, i64
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.linear import same_dtype
from lenetc.nn.functional.spatial.resize import cubic_weights
from lenetc.operations.autocast import autocasts
from lenetc.operations.creation.ranges import evenly
from lenetc.tensors.tensor import Tensor, apply, require_tensors
from passes.autodiff import means

_MODES, _PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


@autocasts
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """input[N,C,H,W] read at grid[N,OH,OW,2], or input[N,C,D,H,W] at grid[N,OD,OH,OW,3] -> [N,C,OH,OW].

    grid: (x, y) or (x, y, z), -1 and 1 at the borders; at the middle of the first and last pixels if `align_corners`.
    mode: "bilinear", "nearest", or for images "bicubic". padding_mode: what lies outside, "zeros", "border" for the
    nearest pixel, "reflection" for what a mirror at the border shows. Raises ValueError for other modes, ShapeError
    where shapes do not fit. Source: torch.nn.functional.grid_sample.
    """
    require_tensors("grid_sample", input, grid)
    if mode not in _MODES:
        raise ValueError(
            f"grid_sample: expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: {mode!r}"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            f"grid_sample: expected padding_mode to be 'zeros', 'border', or 'reflection', but got: {padding_mode!r}"
        )
    same_dtype("grid_sample", input, grid)
    _warn_of_corners(align_corners)
    dims = input.ndim - 2
    if (
        dims not in (2, 3)
        or grid.ndim != input.ndim
        or grid.shape[0] != input.shape[0]
        or grid.shape[-1] != dims
    ):
        raise ShapeError(
            f"grid_sample: expected an input [N,C,H,W] with a grid [N,OH,OW,2], or [N,C,D,H,W] with [N,OD,OH,OW,3], "
            f"but they are {input.type_text()} and {grid.type_text()}"
        ).at(here())
    if not input.dtype.is_float:
        raise DTypeError(f"grid_sample takes floating point tensors, not {input.type_text()}").at(here())
    if 0 in input.shape[1:]:
        raise ShapeError(f"grid_sample: of the sizes of {input.type_text()} only the batch's may be 0").at(
            here()
        )
    if mode == "bicubic" and dims == 3:
        raise UnsupportedError("grid_sample: bicubic interpolation only supports 4D input").at(here())

    def build(x: Node, places: Node) -> Node:
        y = _sampled(means.widened(x), means.widened(places), mode, padding_mode, bool(align_corners))
        return means.narrowed(y, x.dtype)

    return apply(f"GridSampler{dims}DBackward0", build, input, grid)


@autocasts
def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """grid_sample, its modes by number (torch.grid_sampler)."""
    return grid_sample(input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode], align_corners)


def _warn_of_corners(align_corners: bool | None) -> None:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify align_corners=True if the old behavior is desired.",
            stacklevel=3,
        )


def _sampled(x: Node, grid: Node, mode: str, padding: str, aligned: bool) -> Node:
    sizes = x.shape[2:]
    out, count = grid.shape[1:-1], product(grid.shape[1:-1])
    image = ops.reshape(x, shape=(*x.shape[:2], product(sizes)))
    axes = [_read(grid, i, (grid.shape[0], count)) for i in reversed(range(len(sizes)))]
    places = [_in_pixels(at, size, aligned) for at, size in zip(axes, sizes, strict=True)]
    if mode != "bicubic":  # for which the neighbours are moved inside, and not the place
        places = [_inside(at, size, padding, aligned) for at, size in zip(places, sizes, strict=True)]
    neighbours = [_neighbours(at, mode) for at in places]
    total = []
    for chosen in itertools.product(*neighbours):
        steps = [at for at, _ in chosen]
        if mode == "bicubic":
            steps = [_inside(at, size, padding, aligned) for at, size in zip(steps, sizes, strict=True)]
        weights = [weight for _, weight in chosen if weight is not None]
        value = _pixels(image, steps, sizes, padding == "zeros")
        if weights:
            weight = reduce(ops.mul, weights)
            value = value * ops.reshape(weight, shape=(weight.shape[0], 1, count))
        total.append(value)
    y = reduce(ops.add, total)
    if mode == "nearest":  # does not change with the grid, which gets a gradient of zeros
        y = _flat(ops.sum(grid, axes=tuple(range(grid.rank))), y)
    return ops.reshape(y, shape=(*x.shape[:2], *out))


def _read(grid: Node, index: int, shape: tuple[Dim, ...]) -> Node:
    """One coordinate of all places of the grid."""
    last = grid.rank - 1
    starts = tuple(index if axis == last else 0 for axis in range(grid.rank))
    one = ops.slice(grid, starts=starts, stops=(*grid.shape[:-1], index + 1), steps=(1,) * grid.rank)
    return ops.reshape(one, shape=shape)


def _in_pixels(at: Node, size: Dim, aligned: bool) -> Node:
    """-1 to 1 as the places of an axis, rounded as PyTorch's are."""
    if aligned:
        return (at + 1.0) * ((int(size) - 1) / 2)
    return (at + 1.0) * (int(size) / 2) - 0.5


def _inside(at: Node, size: Dim, padding: str, aligned: bool) -> Node:
    """`at` moved to where the image is, as `padding` has it; its gradient is 0 where it was moved to a border."""
    last = int(size) - 1
    if padding == "zeros":
        return at
    if padding == "reflection":
        at = _reflected(at, 0, 2 * last) if aligned else _reflected(at, -1, 2 * last + 1)
    within = ops.logical_and(ops.greater(at, 0.0), ops.less(at, float(last)))
    low, high = ops.scalar(0, at.dtype), ops.scalar(last, at.dtype)
    return ops.where(within, at, ops.where(ops.greater(at, 0.0), high, low))  # NaN goes to the first


def _reflected(at: Node, twice_low: int, twice_high: int) -> Node:
    """`at` between two mirrors at half of these."""
    if twice_low == twice_high:
        return _flat(at, ops.scalar(0, at.dtype))
    low, span = twice_low / 2, (twice_high - twice_low) / 2
    distance = ops.abs(at - low)
    turns = ops.stop_gradient(ops.floor(distance / span))
    rest = distance - turns * span
    is_odd = ops.equal(turns - ops.floor(turns * 0.5) * 2.0, 1.0)
    return ops.where(is_odd, (span + low) - rest, rest + low)


def _flat(at: Node, value: Node) -> Node:
    """`value`, which depends on `at` with a gradient of zeros rather than none."""
    return ops.where(ops.literal(np.asarray(False)), at, value)


def _neighbours(at: Node, mode: str) -> list[tuple[Node, Node | None]]:
    """Whole places, as floats, that are read for `at`, and their weights."""
    if mode == "nearest":
        return [(_rounded(at), None)]
    first = ops.stop_gradient(ops.floor(at))
    share = at - first
    if mode == "bilinear":
        return [(first, 1.0 - share), (first + 1.0, share)]
    return [(first + float(k), weight) for k, weight in zip(range(-1, 3), cubic_weights(share), strict=True)]


def _rounded(at: Node) -> Node:
    """To the nearest whole number, halves to the even one, as nearbyint."""
    low = ops.floor(at)
    rest = at - low
    is_odd = ops.equal(low - ops.floor(low * 0.5) * 2.0, 1.0)
    up = ops.logical_or(ops.greater(rest, 0.5), ops.logical_and(ops.equal(rest, 0.5), is_odd))
    return ops.where(up, low + 1.0, low)


def _pixels(image: Node, steps: Sequence[Node], sizes: Sequence[Dim], has_outside: bool) -> Node:
    """image[N,C,pixels] at whole places, one node [N,L] for each axis -> [N,C,L]; 0 outside, if there is an outside."""
    place: Any = None
    inside: Any = None
    for at, size in zip(steps, sizes, strict=True):
        within = ops.logical_and(ops.greater(at, -1.0), ops.less(at, float(int(size))))
        index = ops.cast(ops.where(within, at, ops.scalar(0, at.dtype)), dtype=i64)
        place = index if place is None else place * int(size) + index
        inside = within if inside is None else ops.logical_and(inside, within)
    n, channels, _ = image.shape
    count = place.shape[1]
    spread = ops.broadcast_to(ops.reshape(place, shape=(n, 1, count)), shape=(n, channels, count))
    found = ops.take_along_axis(image, spread, axis=2)
    if not has_outside:
        return found
    return ops.where(ops.reshape(inside, shape=(n, 1, count)), found, ops.scalar(0, found.dtype))


def _line(n: int, align_corners: bool, dtype: DType) -> Array:
    """n places from -1 to 1, rounded as PyTorch's are: under the identity every place is that of an element, where
    the slope of grid_sample depends on the last bit."""
    kind = dtype.numpy.type
    line = evenly(-1.0, 1.0, n, dtype) if n > 1 else np.zeros(1, kind)
    return line if align_corners else line * kind(n - 1) / kind(n)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid for grid_sample that affine maps theta[N,2,3] make of an image of `size` (N,C,H,W) -> [N,H,W,2]; or
    theta[N,3,4] of a volume (N,C,D,H,W) -> [N,D,H,W,3].

    Raises ValueError where shapes do not fit. Source: torch.nn.functional.affine_grid.
    """
    require_tensors("affine_grid", theta)
    if not theta.dtype.is_float:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.type_text()}")
    _warn_of_corners(align_corners)
    dims = len(size) - 2
    if dims not in (2, 3):
        raise UnsupportedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms. Got size {tuple(size)}"
        ).at(here())
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (dims, dims + 1) or theta.shape[0] != size[0]:
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape {size[0]}x{dims}x{dims + 1} for size {tuple(size)}. "
            f"Got {theta.type_text()}."
        )
    sizes = [int(n) for n in size[2:]]
    if min(sizes) < 1:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    lines = [_line(n, bool(align_corners), theta.dtype) for n in sizes]
    places = np.stack([*reversed(np.meshgrid(*lines, indexing="ij")), np.ones(sizes)], -1).reshape(
        -1, dims + 1
    )

    def build(maps: Node) -> Node:
        base = ops.literal(places, maps.dtype)
        grid = ops.matmul(base, ops.transpose(maps, perm=(0, 2, 1)))
        return ops.reshape(grid, shape=(maps.shape[0], *sizes, dims))

    return apply("AffineGridGeneratorBackward0", build, theta)
