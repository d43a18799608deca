"""Pools whose windows lie at places drawn at random, as many as are asked for (Graham 2014)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir import ops
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.types import i64
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.linear import same_dtype
from lenetc.nn.functional.spatial.max_pool import maxima, need_images, numbered
from lenetc.nn.functional.spatial.sizes import Sizes, spread
from lenetc.operations.autocast import autocasts
from lenetc.operations.creation import rand
from lenetc.tensors.arrays import need_number
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def _starts(drawn: Node, axis: int, size: int, wanted: int, kernel: int) -> Node:
    """Where the windows along an axis of `size` start: drawn[N,C,axes] -> i64[N,C,wanted]."""
    last = ops.literal(np.full(1, size - kernel, np.int64))
    rest = (*drawn.shape[:2], 1)
    if wanted > 1:
        part = ops.slice(drawn, starts=(0, 0, axis), stops=(*drawn.shape[:2], axis + 1), steps=(1, 1, 1))
        apart = drawn.dtype.numpy.type(size - kernel) / drawn.dtype.numpy.type(wanted - 1)
        number = ops.literal(np.arange(wanted - 1), drawn.dtype)
        steps = ops.cast((number + part) * float(apart), dtype=i64) - ops.cast(part * float(apart), dtype=i64)
        return ops.concat(steps, ops.broadcast_to(last, shape=rest), axis=2)
    return ops.broadcast_to(last, shape=rest)


def _side_by_side(x: Node, starts: list[Node], kernel: tuple[int, ...]) -> Node:
    """x[N,C,...] with what each window sees beside what the next one sees."""
    for axis, (start, size) in enumerate(zip(starts, kernel, strict=True), 2):
        inner = ops.literal(np.arange(size))
        places = ops.reshape(start, shape=(*start.shape, 1)) + inner
        count = start.shape[2] * size
        shape = tuple(count if i == axis else 1 if i > 1 else n for i, n in enumerate(x.shape))
        wanted = tuple(count if i == axis else n for i, n in enumerate(x.shape))
        x = ops.take_along_axis(
            x, ops.broadcast_to(ops.reshape(places, shape=shape), shape=wanted), axis=axis
        )
    return x


def _fractional_max_pool(
    dims: int,
    input: Tensor,
    kernel_size: Sizes,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    random_samples: Tensor | None,
) -> Any:
    what = f"fractional_max_pool{dims}d"
    require_tensors(what, input, optional=[random_samples])
    kernel = spread(kernel_size, dims, "kernel_size")
    batched = need_images(what, input, dims)
    image = [int(size) for size in input.shape[-dims:]]
    if output_size is not None:
        wanted = spread(output_size, dims, "output_size")
    elif output_ratio is not None:
        ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else [output_ratio] * dims
        for ratio in ratios:
            need_number(what, "output_ratio", ratio)
        wanted = tuple(int(size * ratio) for size, ratio in zip(image, ratios, strict=True))
    else:
        raise ValueError(f"{what} requires specifying either an output_size or an output_ratio")
    if not input.dtype.is_float:
        raise DTypeError(f"{what} takes floating point tensors, not {input.type_text()}; use .float()").at(
            here()
        )
    if min(*kernel, *wanted) < 1 or any(o + k - 1 > n for n, o, k in zip(image, wanted, kernel, strict=True)):
        raise ShapeError(
            f"{what}: pools of {kernel} and an output of {wanted} do not fit into the input {input.type_text()}"
        ).at(here())
    x = input if batched else input.unsqueeze(0)
    if random_samples is None:
        random_samples = rand(*x.shape[:2], dims, dtype=input.dtype)
    same_dtype(what, input, random_samples)
    if random_samples.ndim == 3:
        random_samples = random_samples[: x.shape[0]]  # PyTorch takes more than it needs
    if tuple(random_samples.shape) != (*x.shape[:2], dims):
        raise ShapeError(
            f"{what}: _random_samples must be {[*x.shape[:2], dims]}, but it is {random_samples.type_text()}"
        ).at(here())
    # Of images PyTorch draws the width first.
    order = [0, 1, 2] if dims == 3 else [1, 0]
    how = {"kernel": kernel, "stride": kernel}

    def even(a: Node, drawn: Node) -> Node:
        axes = zip(order, image, wanted, kernel, strict=True)
        return _side_by_side(a, [_starts(drawn, i, n, o, k) for i, n, o, k in axes], kernel)

    def indices(a: Node, drawn: Node) -> Node:
        wide, numbers = numbered(a)
        found = maxima(even(wide, drawn), even(numbers, drawn), how).places
        assert found is not None
        return ops.cast(found, dtype=i64)

    values = apply(
        f"FractionalMaxPool{dims}DBackward0",
        lambda a, drawn: maxima(even(a, drawn), None, how).values,
        x,
        random_samples.detach(),
        edges=(x,),
    )
    values = values if batched else values.squeeze(0)
    if not return_indices:
        return values
    places = apply("", indices, x.detach(), random_samples.detach())
    return values, places if batched else places.squeeze(0)


@autocasts
def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Largest elements of windows at random places: [N,C,H,W], or [C,H,W] -> [N,C,*output_size].

    output_ratio: the output size as a part of the input's. _random_samples: numbers in [0, 1) of shape [N,C,2], drawn
    if None. Raises ShapeError where windows do not fit. Source: torch.nn.functional.fractional_max_pool2d.
    """
    return _fractional_max_pool(
        2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


@autocasts
def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Largest elements of windows at random places in volumes; as fractional_max_pool2d
    (torch.nn.functional.fractional_max_pool3d)."""
    return _fractional_max_pool(
        3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
