"""Transforms of vectors and matrices, and of parts one beside the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.transforms.base import (
    Transform,
)
from lenetc.distributions.transforms.numbers import Plain
from lenetc.nn import functional as F
from lenetc.operations import elementwise as e
from lenetc.operations import reductions, shaping
from lenetc.operations.dense.cholesky import cholesky
from lenetc.tensors.tensor import Tensor


class SoftmaxTransform(Plain):
    """y = softmax(x), whose inverse is one of many."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        return F.softmax(x, -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return e.log(y)


class StickBreakingTransform(Plain):
    """Shares of what is left: K-1 numbers become K that sum to 1."""

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def _offset(self, count: int, like: Tensor) -> Tensor:
        return e.log(Tensor._from_array(np.arange(count, 0.0, -1.0)).to(like.dtype))

    def _call(self, x: Tensor) -> Tensor:
        z = e.sigmoid(x - self._offset(int(x.shape[-1]), x))
        rest = reductions.cumprod(1 - z, -1)
        return F.pad(z, [0, 1], value=1) * F.pad(rest, [1, 0], value=1)

    def _inverse(self, y: Tensor) -> Tensor:
        cropped = y[..., :-1]
        rest = e.clamp(1 - reductions.cumsum(cropped, -1), min=float(np.finfo(y.dtype.numpy).tiny))
        return e.log(cropped) - e.log(rest) + self._offset(int(cropped.shape[-1]), y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        x = x - self._offset(int(x.shape[-1]), x)
        return reductions.sum(-x + F.logsigmoid(x) + e.log(y[..., :-1]), -1)

    def forward_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return (*shape[:-1], shape[-1] - 1)


class LowerCholeskyTransform(Plain):
    """A matrix's lower triangle with exp of its diagonal."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        diagonal = shaping.diagonal(x, dim1=-2, dim2=-1)
        return shaping.tril(x, -1) + shaping.diag_embed(e.exp(diagonal))

    def _inverse(self, y: Tensor) -> Tensor:
        diagonal = shaping.diagonal(y, dim1=-2, dim2=-1)
        return shaping.tril(y, -1) + shaping.diag_embed(e.log(diagonal))


class PositiveDefiniteTransform(Plain):
    """L times its transpose, where L is what LowerCholeskyTransform gives."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        factor = LowerCholeskyTransform()(x)
        return factor @ shaping.transpose(factor, -2, -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform().inv(cholesky(y))


class _Parts(Transform):
    """The base of transforms of parts along `dim`."""

    def __init__(self, transforms: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.transforms, self.dim = list(transforms), dim
        dims = max(part.domain.event_dim for part in self.transforms)
        self.bijective = all(part.bijective for part in self.transforms)
        self.domain = self.codomain = Constraint(type(self).__name__, lambda x: e.eq(x, x), dims)

    def _split(self, x: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def _joined(self, parts: list[Tensor]) -> Tensor:
        raise NotImplementedError

    def _call(self, x: Tensor) -> Tensor:
        return self._joined([f(part) for f, part in zip(self.transforms, self._split(x), strict=True)])

    def _inverse(self, y: Tensor) -> Tensor:
        return self._joined([f.inv(part) for f, part in zip(self.transforms, self._split(y), strict=True)])

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        pairs = zip(self.transforms, self._split(x), self._split(y), strict=True)
        return self._joined([f.log_abs_det_jacobian(a, b) for f, a, b in pairs])


class StackTransform(_Parts):
    """Transforms of the slices along `dim`."""

    def _split(self, x: Tensor) -> list[Tensor]:
        return list(shaping.unbind(x, self.dim))

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return shaping.stack(parts, self.dim)


class CatTransform(_Parts):
    """Transforms of parts of `lengths` along `dim`, of numbers each."""

    def __init__(
        self,
        tseq: Sequence[Transform],
        dim: int = 0,
        lengths: Sequence[int] | None = None,
        cache_size: int = 0,
    ) -> None:
        super().__init__(tseq, dim, cache_size)
        self.lengths = list(lengths or [1] * len(self.transforms))

    def _split(self, x: Tensor) -> list[Tensor]:
        return list(shaping.split(x, self.lengths, self.dim))

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return shaping.cat(parts, self.dim)
