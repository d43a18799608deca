"""Convolutions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import lenetc.nn.functional as F
from ir.dims import Dim
from ir.errors import ShapeError, UnsupportedError
from lenetc.importer.operators.windows.moves import around, divided, paddings, spread
from lenetc.importer.operators.windows.regions import sampled
from lenetc.importer.registry import operator
from lenetc.operations import products
from lenetc.operations.creation import arange
from lenetc.operations.shaping import stack
from lenetc.tensors.tensor import Tensor

_CONV: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED: dict[int, Callable[..., Tensor]] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}


def _kernel(x: Tensor, w: Tensor, kernel_shape: Sequence[int] | None) -> list[int]:
    """The kernel's sizes. Raises ShapeError where the file's do not fit."""
    rank = x.ndim - 2
    if rank not in _CONV or w.ndim != x.ndim:
        raise ShapeError(
            f"images have 1 to 3 axes and weights as many: the input is {x.type_text()}, the weight {w.type_text()}"
        )
    kernel = [int(size) for size in w.shape[2:]]
    if kernel_shape is not None and list(kernel_shape) != kernel:
        raise ShapeError(f"kernel_shape {list(kernel_shape)} is not that of the weight {w.type_text()}")
    return kernel


@operator
def Conv(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    /,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    kernel = _kernel(x, w, kernel_shape)
    rank = len(kernel)
    strides, dilations = spread(strides, rank, "strides"), spread(dilations, rank, "dilations")
    before, after = paddings(auto_pad, pads, x.shape[2:], kernel, strides, dilations)
    padding = before
    if before != after or min(before) < 0:
        x, padding = F.pad(x, around(before, after)), [0] * rank
    return _CONV[rank](x, w, b, strides, padding, dilations, group)


@operator
def ConvTranspose(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    /,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """The padding is taken from the result; `output_shape` says what is to be left of it."""
    kernel = _kernel(x, w, kernel_shape)
    rank = len(kernel)
    strides, dilations = spread(strides, rank, "strides"), spread(dilations, rank, "dilations")
    more = [int(extra) for extra in output_padding or [0] * rank]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    full: list[Dim] = [
        (size - 1) * stride + span + extra
        for size, stride, span, extra in zip(x.shape[2:], strides, reach, more, strict=True)
    ]
    if output_shape is not None:
        wanted = list(output_shape)[-rank:]  # early exporters gave batch and channels too
        before, after = divided([_less(f, size) for f, size in zip(full, wanted, strict=True)], auto_pad)
        # More than there is comes at the end.
        more = [
            m + max(int(size - f), 0) if isinstance(f, int) else m
            for m, f, size in zip(more, full, wanted, strict=True)
        ]
    elif auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        spare = [max(span + m - stride, 0) for span, m, stride in zip(reach, more, strides, strict=True)]
        before, after = divided(spare, auto_pad)
    else:
        before, after = paddings(auto_pad, pads, x.shape[2:], kernel, strides, dilations)
    transposed = _TRANSPOSED[rank]
    small = all(m < max(s, d) for m, s, d in zip(more, strides, dilations, strict=True))
    if before == after and min(before) >= 0 and small:
        return transposed(x, w, b, strides, before, more, group, dilations)
    y = transposed(x, w, None, strides, 0, 0, group, dilations)
    amounts = around([-amount for amount in before], [m - a for m, a in zip(more, after, strict=True)])
    y = F.pad(y, amounts)
    return y if b is None else y + b.reshape([-1, *[1] * rank])


def _less(size: Dim, wanted: int) -> int:
    """How much of an axis is cut off."""
    if not isinstance(size, int):
        raise UnsupportedError(f"output_shape {wanted} needs an input of a known size; the result has {size}")
    return max(size - wanted, 0)


@operator
def DeformConv(
    x: Tensor,
    w: Tensor,
    offset: Tensor,
    b: Tensor | None = None,
    mask: Tensor | None = None,
    /,
    *,
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    offset_group: int = 1,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """A convolution of images whose every tap is read where offset[N,groups*KH*KW*2,OH,OW] moves it to, between pixels
    too, times mask[N,groups*KH*KW,OH,OW] (Dai et al. 2017, Zhu et al. 2019)."""
    kernel = _kernel(x, w, kernel_shape)
    if len(kernel) != 2:
        raise UnsupportedError(f"of images only, not of {x.type_text()}")
    steps, apart = spread(strides, 2, "strides"), spread(dilations, 2, "dilations")
    before, _ = paddings("NOTSET", pads, x.shape[2:], kernel, steps, apart)
    n, channels, height, width = x.shape
    taps, out = kernel[0] * kernel[1], list(offset.shape[2:])
    count = taps * out[0] * out[1]
    moved = offset.reshape([n * offset_group, taps, 2, *out])
    places = []
    for axis in range(2):
        kept = [1, 1]
        kept[axis] = out[axis]
        line = (arange(out[axis]) * steps[axis] - before[axis]).reshape([1, 1, *kept])
        tap = [k[axis] * apart[axis] for k in itertools.product(range(kernel[0]), range(kernel[1]))]
        at = stack([line + t for t in tap], dim=1)[:, :, 0]
        places.append((moved[:, :, axis] + at.to(offset.dtype)).reshape([n * offset_group, count]))
    seen = sampled(x.reshape([n * offset_group, channels // offset_group, height, width]), *places)
    if mask is not None:
        seen = seen * mask.reshape([n * offset_group, 1, count])
    columns = seen.reshape([n, group, channels // group * taps, out[0] * out[1]])
    rows = w.reshape([group, w.shape[0] // group, channels // group * taps])
    y = products.matmul(rows, columns).reshape([n, w.shape[0], *out])
    return y if b is None else y + b.reshape([-1, 1, 1])
