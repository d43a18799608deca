"""Transforms of numbers, each by itself, and the bases of those without parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ir.ops.rules import broadcast_shapes
from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.distribution import Distribution
from lenetc.distributions.independent import summed
from lenetc.distributions.transforms.base import (
    Transform,
)
from lenetc.nn import functional as F
from lenetc.operations import elementwise as e
from lenetc.operations import reductions, shaping
from lenetc.tensors.tensor import Tensor


class Plain(Transform):
    """The base of those that have no parameters: they are equal to their like."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    __hash__ = Transform.__hash__


class _Rising(Plain):
    """The base of those of a number, that rise everywhere."""

    domain = constraints.real
    bijective = True
    sign = 1


class ExpTransform(_Rising):
    """y = exp(x)."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return e.exp(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return e.log(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x


class SigmoidTransform(_Rising):
    """y = sigmoid(x), which is neither 0 nor 1."""

    codomain = constraints.unit_interval

    def _clamped(self, y: Tensor) -> Tensor:
        limits = np.finfo(y.dtype.numpy)
        return e.clamp(y, float(limits.tiny), 1.0 - float(limits.eps))

    def _call(self, x: Tensor) -> Tensor:
        return self._clamped(e.sigmoid(x))

    def _inverse(self, y: Tensor) -> Tensor:
        y = self._clamped(y)
        return e.log(y) - e.log1p(-y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -F.softplus(-x) - F.softplus(x)


class SoftplusTransform(_Rising):
    """y = log(1 + exp(x))."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return F.softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return e.log(-e.expm1(-y)) + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -F.softplus(-x)


class TanhTransform(_Rising):
    """y = tanh(x)."""

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return e.tanh(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return e.atanh(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))


class AbsTransform(Plain):
    """y = |x|, whose inverse is the positive one of two."""

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return e.abs(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return y


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return bool(reductions.all(e.eq(a, b) if isinstance(a, Tensor) else e.eq(b, a)))
    return bool(a == b)


class PowerTransform(Transform):
    """y = x ** exponent, of positive numbers."""

    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.exponent = exponent

    def __getattr__(self, name: str) -> Any:
        if name != "sign":
            return super().__getattr__(name)
        exponent = self.__dict__["exponent"]
        return e.sign(exponent) if isinstance(exponent, Tensor) else (exponent > 0) - (exponent < 0)

    def _call(self, x: Tensor) -> Tensor:
        return e.pow(x, self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return e.pow(y, 1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return e.log(e.abs(self.exponent * y / x))

    def forward_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return broadcast_shapes("a transform", tuple(shape), tuple(getattr(self.exponent, "shape", ())))

    inverse_shape = forward_shape

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and _same(self.exponent, other.exponent)

    __hash__ = Transform.__hash__


class AffineTransform(Transform):
    """y = loc + scale * x. event_dim: how many of the last axes are one event."""

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim
        real = constraints.real if not event_dim else constraints.independent(constraints.real, event_dim)
        self.domain = self.codomain = real

    def __getattr__(self, name: str) -> Any:
        if name != "sign":
            return super().__getattr__(name)
        scale = self.__dict__["scale"]
        return e.sign(scale) if isinstance(scale, Tensor) else (scale > 0) - (scale < 0)

    @property
    def event_dim(self) -> int:
        return self._event_dim

    def _call(self, x: Tensor) -> Tensor:
        y: Tensor = self.loc + self.scale * x
        return y

    def _inverse(self, y: Tensor) -> Tensor:
        x: Tensor = (y - self.loc) / self.scale
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        scale = self.scale
        size = e.log(e.abs(scale)) if isinstance(scale, Tensor) else math.log(abs(scale))
        return summed(shaping.expand(size + x.detach() * 0, x.shape), self._event_dim)

    def forward_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        parts = (tuple(getattr(x, "shape", ())) for x in (self.loc, self.scale))
        return broadcast_shapes("a transform", tuple(shape), *parts)

    inverse_shape = forward_shape

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, AffineTransform)
            and _same(self.loc, other.loc)
            and _same(self.scale, other.scale)
        )

    __hash__ = Transform.__hash__


class CumulativeDistributionTransform(Transform):
    """y = distribution.cdf(x)."""

    bijective = True
    codomain = constraints.unit_interval
    sign = 1

    def __init__(self, distribution: Distribution, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        return self.distribution.support

    def _call(self, x: Tensor) -> Tensor:
        return self.distribution.cdf(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.distribution.log_prob(x)
