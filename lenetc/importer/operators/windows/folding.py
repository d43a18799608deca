"""Images put together of windows, and of the largest elements of windows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

import lenetc.nn.functional as F
from ir.dims import product
from ir.errors import ShapeError
from lenetc.importer.registry import operator
from lenetc.importer.values import Sizes, numbers
from lenetc.operations import creation
from lenetc.tensors.tensor import Tensor


@operator
def Col2Im(
    x: Tensor,
    image_shape: Sizes,
    block_shape: Sizes,
    /,
    *,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """[N, C * elements of a block, blocks] to [N, C, image...]; where blocks overlap, their sum."""
    sizes, kernel = numbers(image_shape), numbers(block_shape)
    rank = len(sizes)
    steps, apart, pads = strides or [1] * rank, dilations or [1] * rank, pads or [0] * (2 * rank)
    padded = [size + pads[i] + pads[rank + i] for i, size in enumerate(sizes)]
    if rank == 2:
        whole = F.fold(x, padded, kernel, list(apart), 0, list(steps))
    else:
        whole = _summed(x, padded, kernel, apart, steps)
    inner = [slice(pads[i], pads[i] + size) for i, size in enumerate(sizes)]
    return whole[(slice(None), slice(None), *inner)]


def _summed(
    x: Tensor, sizes: Sequence[int], kernel: Sequence[int], apart: Sequence[int], steps: Sequence[int]
) -> Tensor:
    """The blocks of x summed where they stand in lines, volumes and so on of `sizes`."""
    rank = len(sizes)
    counts = [(n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(sizes, kernel, apart, steps, strict=True)]
    if x.shape[2] != math.prod(counts):
        raise ShapeError(f"{x.type_text()} has not the {math.prod(counts)} blocks that {list(sizes)} has")
    places = np.zeros([1] * (2 * rank), np.int64)  # [K1..., blocks1...]
    for i, size in enumerate(sizes):
        along = np.arange(kernel[i])[:, None] * apart[i] + np.arange(counts[i]) * steps[i]
        spread = [1] * (2 * rank)
        spread[i], spread[rank + i] = along.shape
        places = places * size + along.reshape(spread)
    batch, channels = x.shape[0], x.shape[1] // math.prod(kernel)
    nothing = creation.zeros([batch, channels, math.prod(sizes)], dtype=x.dtype)
    found = nothing.index_add(2, Tensor._from_array(places.reshape(-1)), x.reshape([batch, channels, -1]))
    return found.reshape([batch, channels, *sizes])


@operator
def MaxUnpool(
    x: Tensor,
    indices: Tensor,
    output_shape: Sizes | None = None,
    /,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """Zeros with x's elements where `indices` say, counted through batch and channels; more zeros behind, up to
    output_shape."""
    rank = len(kernel_shape)
    steps, pads = strides or [1] * rank, pads or [0] * (2 * rank)
    sizes = [
        (x.shape[2 + i] - 1) * steps[i] - pads[i] - pads[rank + i] + kernel_shape[i] for i in range(rank)
    ]
    shape = [*x.shape[:2], *sizes]
    nothing = creation.zeros([product(tuple(shape))], dtype=x.dtype)
    found = nothing.scatter(0, indices.reshape([-1]), x.reshape([-1])).reshape(shape)
    if output_shape is None:
        return found
    more = [wanted - size for wanted, size in zip(numbers(output_shape), shape, strict=True)]
    return F.pad(found, [amount for after in reversed(more) for amount in (0, after)])
