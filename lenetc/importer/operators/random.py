"""Random numbers, of lenetc's own generator: lenetc.manual_seed is what repeats them, a file's seeds are not used."""

from __future__ import annotations

from collections.abc import Sequence

import lenetc.nn.functional as F
from ir.dims import Dim
from ir.types import DType
from lenetc.importer.registry import operator
from lenetc.importer.values import Value, dtype_numbered, dtype_of_value
from lenetc.operations import creation
from lenetc.tensors.tensor import Tensor


@operator(differentiable=False)
def RandomNormal(
    *, shape: Sequence[int], dtype: int = 1, mean: float = 0.0, scale: float = 1.0, seed: float | None = None
) -> Tensor:
    return _normal(shape, dtype_numbered(dtype), mean, scale)


@operator(differentiable=False)
def RandomNormalLike(
    like: Value,
    /,
    *,
    dtype: int | None = None,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
) -> Tensor:
    return _normal(_shape(like), _dtype(dtype, like), mean, scale)


@operator(differentiable=False)
def RandomUniform(
    *, shape: Sequence[int], dtype: int = 1, low: float = 0.0, high: float = 1.0, seed: float | None = None
) -> Tensor:
    return _uniform(shape, dtype_numbered(dtype), low, high)


@operator(differentiable=False)
def RandomUniformLike(
    like: Value,
    /,
    *,
    dtype: int | None = None,
    low: float = 0.0,
    high: float = 1.0,
    seed: float | None = None,
) -> Tensor:
    return _uniform(_shape(like), _dtype(dtype, like), low, high)


@operator(differentiable=False)
def Bernoulli(x: Tensor, /, *, dtype: int | None = None, seed: float | None = None) -> Tensor:
    return creation.bernoulli(x.detach()).to(_dtype(dtype, x))


@operator(differentiable=False)
def Multinomial(x: Tensor, /, *, dtype: int = 6, sample_size: int = 1, seed: float | None = None) -> Tensor:
    """Classes, of which x[N,C] holds the logarithms of probabilities, up to a number for each row."""
    shares = F.softmax(x.detach(), -1)
    return creation.multinomial(shares, sample_size, replacement=True).to(dtype_numbered(dtype))


def _normal(shape: Sequence[Dim], dtype: DType, mean: float, scale: float) -> Tensor:
    return creation.randn(*shape, dtype=dtype) * scale + mean


def _uniform(shape: Sequence[Dim], dtype: DType, low: float, high: float) -> Tensor:
    return creation.rand(*shape, dtype=dtype) * (high - low) + low


def _shape(like: Value) -> Sequence[Dim]:
    assert like is not None and not isinstance(like, list)
    return tuple(like.shape)


def _dtype(number: int | None, like: Value) -> DType:
    return dtype_of_value(like) if number is None else dtype_numbered(number)
