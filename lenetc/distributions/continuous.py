"""Distributions of real numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.distribution import OfLocation
from lenetc.operations import elementwise as e
from lenetc.tensors.tensor import Tensor

__all__ = ["Exponential", "Laplace", "LogNormal", "Normal", "Uniform"]

_LEAST = 2.0**-25  # for the logarithm of a number that may be 0


class _LocationScale(OfLocation):
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True
    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, loc=loc, scale=scale)


class Normal(_LocationScale):
    """Normal numbers of mean `loc` and deviation `scale` (torch.distributions.Normal)."""

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale**2

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return self.loc + self._normal(sample_shape, self.loc) * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        deviations = (value - self.loc) ** 2 / (2 * self.scale**2)
        return -deviations - e.log(self.scale) - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return 0.5 * (1 + e.erf((value - self.loc) * e.reciprocal(self.scale) / math.sqrt(2)))

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * e.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(2 * math.pi) + e.log(self.scale)


class LogNormal(_LocationScale):
    """Numbers whose logarithms are normal (torch.distributions.LogNormal)."""

    support = constraints.positive

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(loc, scale, validate_args)
        self.base_dist = Normal(self.loc, self.scale, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return e.exp(self.loc + self.scale**2 / 2)

    @property
    def mode(self) -> Tensor:
        return e.exp(self.loc - self.scale**2)

    @property
    def variance(self) -> Tensor:
        squared = self.scale**2
        return (e.exp(squared) - 1) * e.exp(2 * self.loc + squared)

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return e.exp(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logarithm = e.log(value)
        return self.base_dist.log_prob(logarithm) - logarithm

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return self.base_dist.cdf(e.log(value))

    def icdf(self, value: Tensor) -> Tensor:
        return e.exp(self.base_dist.icdf(value))

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() + self.loc


class Laplace(_LocationScale):
    """Numbers at an exponential distance from `loc` to either side (torch.distributions.Laplace)."""

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale**2

    @property
    def stddev(self) -> Tensor:
        return math.sqrt(2) * self.scale

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        u = self._uniform(sample_shape, self.loc) * 2 - 1
        tail = e.clamp(1 - e.abs(u), min=_LEAST)
        return self.loc - self.scale * e.sign(u) * e.log(tail)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return -e.log(2 * self.scale) - e.abs(value - self.loc) / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        offset = value - self.loc
        return 0.5 - 0.5 * e.sign(offset) * (e.exp(-e.abs(offset) / self.scale) - 1)

    def icdf(self, value: Tensor) -> Tensor:
        term = value - 0.5
        return self.loc - self.scale * e.sign(term) * e.log1p(-2 * e.abs(term))

    def entropy(self) -> Tensor:
        return 1 + e.log(2 * self.scale)


class Exponential(OfLocation):
    """Times between events of the rate `rate` (torch.distributions.Exponential)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    rate: Tensor

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, rate=rate)

    @property
    def mean(self) -> Tensor:
        return e.reciprocal(self.rate)

    @property
    def mode(self) -> Tensor:
        return self.rate * 0

    @property
    def stddev(self) -> Tensor:
        return e.reciprocal(self.rate)

    @property
    def variance(self) -> Tensor:
        return self.rate**-2

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        u = self._uniform(sample_shape, self.rate)
        return e.clamp(-e.log1p(-u), min=_LEAST) / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return e.log(self.rate) - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return 1 - e.exp(-self.rate * value)

    def icdf(self, value: Tensor) -> Tensor:
        return -e.log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        return 1.0 - e.log(self.rate)


class Uniform(OfLocation):
    """Uniform numbers in [low, high) (torch.distributions.Uniform). Raises ValueError unless low < high."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {"low": constraints.real, "high": constraints.real}
    has_rsample = True
    low: Tensor
    high: Tensor

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, low=low, high=high)
        if self._validates():
            self._check("parameter low", Constraint("low < high", lambda low: e.lt(low, self.high)), self.low)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        return math.nan * self.high

    @property
    def stddev(self) -> Tensor:
        return (self.high - self.low) / math.sqrt(12)

    @property
    def variance(self) -> Tensor:
        return (self.high - self.low) ** 2 / 12

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return self.low + self._uniform(sample_shape, self.low) * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        inside = e.logical_and(e.le(self.low, value), e.gt(self.high, value)).to(self.low.dtype)
        return e.log(inside) - e.log(self.high - self.low)

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return e.clamp((value - self.low) / (self.high - self.low), 0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        return e.log(self.high - self.low)
