"""Fourier transforms: sums of cosines and sines, as products of matrices."""

from __future__ import annotations

import numpy as np

from ir.errors import ShapeError, UnsupportedError
from ir.types import Array, DType
from lenetc.importer.dtypes import numpy_dtype
from lenetc.importer.registry import operator
from lenetc.importer.values import Host, Sizes, numbers
from lenetc.operations import products
from lenetc.operations.creation import arange, tensor
from lenetc.operations.shaping import stack
from lenetc.tensors.tensor import Tensor


def _turns(frequencies: int, count: int, size: int, dtype: DType) -> tuple[Tensor, Tensor]:
    """cos and sin [count,frequencies] of the angles of a transform of `size` numbers."""
    angles = 2 * np.pi * (np.outer(np.arange(count), np.arange(frequencies)) % size) / size
    return tensor(np.cos(angles), dtype=dtype), tensor(np.sin(angles), dtype=dtype)


def _transformed(
    real: Tensor, imaginary: Tensor | None, size: int, frequencies: int
) -> tuple[Tensor, Tensor]:
    """The transform over the last axis, cut or filled up with zeros to `size`."""
    count = min(int(real.shape[-1]), size)
    cosines, sines = _turns(frequencies, count, size, real.dtype)
    real = real[..., :count]
    if imaginary is None:
        return products.matmul(real, cosines), -products.matmul(real, sines)
    imaginary = imaginary[..., :count]
    return (
        products.matmul(real, cosines) + products.matmul(imaginary, sines),
        products.matmul(imaginary, cosines) - products.matmul(real, sines),
    )


def _inverse_of_half(real: Tensor, imaginary: Tensor, size: int) -> Tensor:
    """The real numbers of which [*,size/2+1] is the half of a transform that says all."""
    count = min(int(real.shape[-1]), size // 2 + 1)
    cosines, sines = _turns(size, count, size, real.dtype)
    weights = np.full((count, 1), 2.0)
    weights[0] = 1
    if size % 2 == 0 and count == size // 2 + 1:
        weights[-1] = 1
    share = tensor(weights / size, dtype=real.dtype)
    return products.matmul(real[..., :count], cosines * share) - products.matmul(
        imaginary[..., :count], sines * share
    )


@operator
def DFT(
    x: Tensor,
    length: Sizes | None = None,
    axis_: Sizes | None = None,
    /,
    *,
    axis: int | None = None,
    inverse: int = 0,
    onesided: int = 0,
    opset: int,
) -> Tensor:
    """The discrete Fourier transform of x[...,1], real numbers, or x[...,2], complex ones, along an axis: [...,2].

    onesided: the first half, which says all of real numbers; with `inverse` from that half to real numbers, [...,1].
    """
    if axis_ is not None:
        axis = int(numbers(axis_)[0])
    elif axis is None:
        axis = 1 if opset < 20 else -2
    axis %= x.ndim
    if axis == x.ndim - 1 or x.shape[-1] not in (1, 2):
        raise ShapeError(
            f"{x.type_text()} needs to be [...,1] or [...,2], and the axis another one, not {axis}"
        )
    parts = x.transpose(axis, -2) if axis != x.ndim - 2 else x
    real, imaginary = parts[..., 0], parts[..., 1] if x.shape[-1] == 2 else None
    given = int(real.shape[-1])
    if inverse and onesided:
        size = 2 * (given - 1) if length is None else int(numbers(length)[0])
        zero = real * 0 if imaginary is None else imaginary
        y = _inverse_of_half(real, zero, size).unsqueeze(-1)
    else:
        size = given if length is None else int(numbers(length)[0])
        frequencies = size // 2 + 1 if onesided else size
        if onesided and imaginary is not None:
            raise UnsupportedError("onesided says all of real numbers alone, and the input is complex")
        if inverse:
            conjugate = None if imaginary is None else -imaginary
            a, b = _transformed(real, conjugate, size, frequencies)
            y = stack([a / size, -b / size], dim=-1)
        else:
            y = stack(list(_transformed(real, imaginary, size, frequencies)), dim=-1)
    return y.transpose(axis, -2) if axis != x.ndim - 2 else y


@operator
def STFT(
    x: Tensor,
    step: Sizes,
    window: Tensor | None = None,
    length: Sizes | None = None,
    /,
    *,
    onesided: int = 1,
) -> Tensor:
    """Transforms of pieces of x[B,L,1] or x[B,L,2], times a window, `step` apart: [B,pieces,frequencies,2]."""
    by = int(numbers(step)[0])
    if length is not None:
        size = int(numbers(length)[0])
    elif window is not None:
        size = int(window.shape[0])
    else:
        raise ShapeError("a window or a length of the pieces is needed")
    x = x.unsqueeze(-1) if x.ndim == 2 else x
    if onesided and x.shape[-1] == 2:
        raise UnsupportedError("onesided says all of real numbers alone, and the input is complex")
    count = (x.shape[1] - size) // by + 1
    places = (arange(count) * by).reshape([count, 1]) + arange(size).reshape([1, size])
    frames = x.index_select(1, places.reshape(-1)).reshape([x.shape[0], count, size, x.shape[-1]])
    real, imaginary = frames[..., 0], frames[..., 1] if x.shape[-1] == 2 else None
    if window is not None:
        real, imaginary = real * window, None if imaginary is None else imaginary * window
    return stack(list(_transformed(real, imaginary, size, size // 2 + 1 if onesided else size)), dim=-1)


@operator(differentiable=False)
def MelWeightMatrix(
    bins: Sizes, length: Sizes, rate: Sizes, lowest: Sizes, highest: Sizes, /, *, output_datatype: int = 1
) -> Host:
    """Triangles over the frequencies of a transform, evenly spaced by pitch: [length/2+1,bins]."""
    count, size, hertz, low, high = (float(numbers(v)[0]) for v in (bins, length, rate, lowest, highest))
    ends = 2595 * np.log10(1 + np.array([low, high]) / 700)
    pitches = np.linspace(ends[0], ends[1], int(count) + 2, endpoint=False)  # as ONNX has it
    edges = 700 * (10 ** (pitches / 2595) - 1)
    places = np.floor((size + 1) * edges / hertz).astype(np.int64)
    found: Array = np.zeros((int(size) // 2 + 1, int(count)))
    for i in range(int(count)):
        first, middle, last = places[i : i + 3]
        if middle == first:
            found[middle, i] = 1
        else:
            found[first : middle + 1, i] = (np.arange(first, middle + 1) - first) / (middle - first)
        if last > middle:
            found[middle:last, i] = (last - np.arange(middle, last)) / (last - middle)
    return found.astype(numpy_dtype(output_datatype))
