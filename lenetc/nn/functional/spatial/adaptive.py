"""Pools whose windows divide lines, images and volumes into a given number of parts, evenly or nearly so."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir import ops
from ir.dims import Dim, Poly
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.types import Array, i64
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.spatial.avg_pool import averages
from lenetc.nn.functional.spatial.max_pool import maxima, need_images, numbered
from lenetc.nn.functional.spatial.sizes import over_batch
from lenetc.operations import reductions
from lenetc.operations.autocast import autocasts
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor, apply, require_tensors
from passes.autodiff import means


def _output_sizes(what: str, x: Tensor, dims: int, output_size: Any) -> list[Dim]:
    """`output_size` for each axis: one number for all, or one for each; None keeps a size."""
    given = list(output_size) if isinstance(output_size, (tuple, list)) else [output_size]
    given = (
        given * dims if len(given) == 1 and dims > 1 and not isinstance(output_size, (tuple, list)) else given
    )
    if len(given) != dims:
        raise ShapeError(f"{what}: output_size must have {dims} elements, but it is {output_size!r}").at(
            here()
        )
    sizes: list[Dim] = []
    for size, want in zip(x.shape[-dims:], given, strict=True):
        wanted = size if want is None else index_of(f"{what}: a size", want)
        if isinstance(wanted, int) and wanted < 1:
            raise ShapeError(
                f"{what}: elements of output_size must be greater than 0, but it is {output_size!r}"
            ).at(here())
        sizes.append(wanted)
    return sizes


def _parts(size: int, count: int) -> tuple[Array, Array]:
    """Where an axis of `size` is to be read so that each of `count` parts has the same number of places, [count,k]:
    the last place of shorter ones several times; and how many places each has, [count]."""
    number = np.arange(count)
    starts, stops = number * size // count, -(-(number + 1) * size // count)
    lengths = stops - starts
    places = starts[:, None] + np.arange(int(lengths.max()))
    return np.minimum(places, stops[:, None] - 1), lengths


def _uneven(x: Node, sizes: list[Dim]) -> bool:
    return any(
        want not in (1, size) and int(size) % int(want) for size, want in zip(x.shape[2:], sizes, strict=True)
    )


def _even_window(x: Node, sizes: list[Dim]) -> dict[str, Any]:
    kernel = tuple(
        1 if size == want else size if want == 1 else int(size) // int(want)
        for size, want in zip(x.shape[2:], sizes, strict=True)
    )
    return {"kernel": kernel, "stride": kernel}


def _averages(x: Node, sizes: list[Dim]) -> Node:
    if not _uneven(x, sizes):
        return averages(x, _even_window(x, sizes))
    y = means.widened(x)
    for axis, want in enumerate(sizes, 2):
        if y.shape[axis] == want:
            continue
        places, lengths = _parts(int(y.shape[axis]), int(want))
        seen = ops.gather(y, ops.literal(places), axis=axis)
        beside = (1,) * (y.rank - axis - 1)
        is_own = (np.arange(places.shape[1]) < lengths[:, None]).reshape(*places.shape, *beside)
        seen = ops.where(ops.literal(is_own), seen, ops.scalar(0, y.dtype))
        counts = lengths.astype(y.dtype.numpy).reshape(-1, *beside)
        y = ops.sum(seen, axes=(axis + 1,)) / ops.literal(counts)
    return means.narrowed(y, x.dtype)


def _adaptive_avg_pool(dims: int, input: Tensor, output_size: Any) -> Tensor:
    what = f"adaptive_avg_pool{dims}d"
    require_tensors(what, input)
    batched = need_images(what, input, dims)
    sizes = _output_sizes(what, input, dims, output_size)
    if not input.dtype.is_float:
        raise DTypeError(f"{what} takes floating point tensors, not {input.type_text()}; use .float()").at(
            here()
        )
    if sizes == [1] * dims:
        return reductions.mean(input, tuple(range(-dims, 0)), keepdim=True)
    name = f"AdaptiveAvgPool{dims}DBackward0" if dims > 1 else "SqueezeBackward1"
    return apply(name, over_batch(lambda x: _averages(x, sizes), batched), input)


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows that divide the line: [N,C,L], or [C,L] -> [N,C,output_size]; as adaptive_avg_pool2d
    (torch.nn.functional.adaptive_avg_pool1d)."""
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows that divide the image: [N,C,H,W], or [C,H,W] -> [N,C,*output_size].

    output_size: height and width, a number for both; None keeps a size. Window i of n reaches from i * size / n,
    rounded down, to (i + 1) * size / n, rounded up. Source: torch.nn.functional.adaptive_avg_pool2d.
    """
    return _adaptive_avg_pool(2, input, output_size)


@autocasts
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows that divide the volume: [N,C,D,H,W], or [C,D,H,W] -> [N,C,*output_size]; as
    adaptive_avg_pool2d (torch.nn.functional.adaptive_avg_pool3d)."""
    return _adaptive_avg_pool(3, input, output_size)


def _evened(x: Node, sizes: list[Dim]) -> Node:
    """x with the places of each window side by side: repeated ones come last, and are no first maximum."""
    if not _uneven(x, sizes):
        return x
    for axis, want in enumerate(sizes, 2):
        if x.shape[axis] != want:
            places, _ = _parts(int(x.shape[axis]), int(want))
            x = ops.gather(x, ops.literal(places.reshape(-1)), axis=axis)
    return x


def _adaptive_max_pool(dims: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    what = f"adaptive_max_pool{dims}d"
    require_tensors(what, input)
    batched = need_images(what, input, dims)
    sizes = _output_sizes(what, input, dims, output_size)
    if not input.dtype.is_float:
        raise DTypeError(f"{what} takes floating point tensors, not {input.type_text()}; use .float()").at(
            here()
        )

    if sizes == [1] * dims and dims > 1 and any(isinstance(size, Poly) for size in input.shape[-dims:]):
        line = input.flatten(-dims)
        found = _adaptive_max_pool(1, line, 1, return_indices)
        many = [part.reshape(*part.shape, *sizes[1:]) for part in (found if return_indices else (found,))]
        return tuple(many) if return_indices else many[0]

    def values(x: Node) -> Node:
        even = _evened(x, sizes)
        return maxima(even, None, _even_window(even, sizes)).values

    def indices(x: Node) -> Node:
        even, places = (_evened(node, sizes) for node in numbered(x))
        found = maxima(even, places, _even_window(even, sizes)).places
        assert found is not None
        return ops.cast(found, dtype=i64)

    name = f"AdaptiveMaxPool{dims}DBackward0" if dims > 1 else "SqueezeBackward1"
    found = apply(name, over_batch(values, batched), input)
    return (found, apply("", over_batch(indices, batched), input)) if return_indices else found


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of windows that divide the line; as adaptive_max_pool2d
    (torch.nn.functional.adaptive_max_pool1d)."""
    return _adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of the windows of adaptive_avg_pool2d: [N,C,H,W], or [C,H,W] -> [N,C,*output_size].

    return_indices: return (values, indices), which are places in each flat image, as i64.
    Source: torch.nn.functional.adaptive_max_pool2d.
    """
    return _adaptive_max_pool(2, input, output_size, return_indices)


@autocasts
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Largest elements of windows that divide the volume; as adaptive_max_pool2d
    (torch.nn.functional.adaptive_max_pool3d)."""
    return _adaptive_max_pool(3, input, output_size, return_indices)
