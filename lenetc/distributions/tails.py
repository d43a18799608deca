"""Distributions of real numbers with long tails, and of those of one sign."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.continuous import Normal
from lenetc.distributions.distribution import Distribution, OfLocation
from lenetc.operations import elementwise as e
from lenetc.tensors.tensor import Tensor

__all__ = [
    "Cauchy",
    "GeneralizedPareto",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Kumaraswamy",
    "Pareto",
    "Weibull",
]

_EULER = 0.57721566490153286060
_OF_LOCATION = {"loc": constraints.real, "scale": constraints.positive}
_LEAST = 2.0**-25  # for the logarithm of a number that may be 0


class _ByInverse(OfLocation):
    """The base of those whose samples are `icdf` of uniform numbers, which are neither 0 nor 1."""

    has_rsample = True

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        like = next(self.__dict__[name] for name in self.arg_constraints)
        return self.icdf(e.clamp(self._uniform(sample_shape, like), _LEAST, 1 - 2.0**-24))


class Cauchy(_ByInverse):
    """Ratios of two normal numbers, around `loc` (torch.distributions.Cauchy)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = _OF_LOCATION
    support = constraints.real
    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, loc=loc, scale=scale)

    @property
    def mean(self) -> Tensor:
        return self.loc.detach() * math.nan

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return e.where(e.eq(self.loc.detach(), self.loc.detach()), math.inf, self.loc.detach())

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return -math.log(math.pi) - e.log(self.scale) - e.log1p(((value - self.loc) / self.scale) ** 2)

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return e.atan((value - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return e.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Tensor:
        return math.log(4 * math.pi) + e.log(self.scale)


class _Half(OfLocation):
    """The base of absolute values of what is symmetric around 0."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    whole: ClassVar[Any]
    scale: Tensor

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, scale=scale)
        self.base_dist: Distribution = self.whole(0.0, self.scale, validate_args=False)

    @property
    def mode(self) -> Tensor:
        return self.scale.detach() * 0

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return e.abs(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return e.where(e.ge(value, 0), self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value: Tensor) -> Tensor:
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() - math.log(2)


class HalfCauchy(_Half):
    """Absolute values of Cauchy numbers around 0 (torch.distributions.HalfCauchy)."""

    whole = Cauchy

    @property
    def mean(self) -> Tensor:
        return self.base_dist.variance

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance


class HalfNormal(_Half):
    """Absolute values of normal numbers of mean 0 (torch.distributions.HalfNormal)."""

    whole = Normal

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        return self.scale**2 * (1 - 2 / math.pi)


class Gumbel(_ByInverse):
    """Largest of many numbers (torch.distributions.Gumbel)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = _OF_LOCATION
    support = constraints.real
    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, loc=loc, scale=scale)

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * _EULER

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev**2

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return y - e.exp(y) - e.log(self.scale)

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return e.exp(-e.exp((self.loc - value) / self.scale))

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc - self.scale * e.log(-e.log(value))

    def entropy(self) -> Tensor:
        return e.log(self.scale) + (1 + _EULER)


class Pareto(_ByInverse):
    """Numbers above `scale`, of which a share of (scale / x)^alpha is above x (torch.distributions.Pareto)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "alpha": constraints.positive,
        "scale": constraints.positive,
    }
    scale: Tensor
    alpha: Tensor

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, scale=scale, alpha=alpha)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        a = e.clamp(self.alpha, min=1)
        return a * self.scale / (a - 1)

    @property
    def mode(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        a = e.clamp(self.alpha, min=2)
        return self.scale**2 * a / ((a - 1) ** 2 * (a - 2))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return e.log(self.alpha) - self.alpha * e.log(value / self.scale) - e.log(value)

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return 1 - e.exp(-self.alpha * e.log(value / self.scale))

    def icdf(self, value: Tensor) -> Tensor:
        return self.scale * e.exp(-e.log1p(-value) / self.alpha)

    def entropy(self) -> Tensor:
        return e.log(self.scale / self.alpha) + (1 + e.reciprocal(self.alpha))


class Weibull(_ByInverse):
    """Times to fail at a rate that is a power of the time (torch.distributions.Weibull)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "scale": constraints.positive,
        "concentration": constraints.positive,
    }
    support = constraints.positive
    scale: Tensor
    concentration: Tensor

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, scale=scale, concentration=concentration)

    def _moment(self, n: int) -> Tensor:
        return e.exp(e.lgamma(1 + n / self.concentration))

    @property
    def mean(self) -> Tensor:
        return self.scale * self._moment(1)

    @property
    def mode(self) -> Tensor:
        return self.scale * ((self.concentration - 1) / self.concentration) ** (1 / self.concentration)

    @property
    def variance(self) -> Tensor:
        return self.scale**2 * (self._moment(2) - self._moment(1) ** 2)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        ratio, k = value / self.scale, self.concentration
        return e.log(k / self.scale) + (k - 1) * e.log(ratio) - ratio**k

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return 1 - e.exp(-((value / self.scale) ** self.concentration))

    def icdf(self, value: Tensor) -> Tensor:
        return self.scale * (-e.log1p(-value)) ** (1 / self.concentration)

    def entropy(self) -> Tensor:
        reciprocal = e.reciprocal(self.concentration)
        return _EULER * (1 - reciprocal) + e.log(self.scale * reciprocal) + 1


class Kumaraswamy(_ByInverse):
    """Numbers in (0, 1), much as beta's (torch.distributions.Kumaraswamy)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    concentration1: Tensor
    concentration0: Tensor

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, concentration1=concentration1, concentration0=concentration0)

    def _moment(self, n: int) -> Tensor:
        first, b = 1 + n / self.concentration1, self.concentration0
        return b * e.exp(e.lgamma(first) + e.lgamma(b) - e.lgamma(first + b))

    @property
    def mean(self) -> Tensor:
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        found = e.exp(e.reciprocal(b) * e.log1p(-b) - e.log1p(-b * a))
        return e.where(e.logical_or(e.lt(a, 1), e.lt(b, 1)), math.nan, found)

    @property
    def variance(self) -> Tensor:
        return self._moment(2) - self.mean**2

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        a, b = self.concentration1, self.concentration0
        return e.log(a * b) + (a - 1) * e.log(value) + (b - 1) * e.log1p(-(value**a))

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return 1 - (1 - value**self.concentration1) ** self.concentration0

    def icdf(self, value: Tensor) -> Tensor:
        return (1 - (1 - value) ** (1 / self.concentration0)) ** (1 / self.concentration1)

    def entropy(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        harmonic = e.digamma(b + 1) + _EULER
        return 1 - 1 / b + (1 - 1 / a) * harmonic - e.log(a) - e.log(b)


class GeneralizedPareto(_ByInverse):
    """What exceeds a threshold `loc` (torch.distributions.GeneralizedPareto)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {**_OF_LOCATION, "concentration": constraints.real}
    loc: Tensor
    scale: Tensor
    concentration: Tensor

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, loc=loc, scale=scale, concentration=concentration)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        ends = e.lt(self.concentration, 0)
        upper = e.where(ends, self.loc - self.scale / e.where(ends, self.concentration, 1.0), math.inf)
        return constraints.interval(self.loc, upper)

    def _parts(self) -> tuple[Tensor, Tensor]:
        """Where the concentration counts as 0, and the concentration with 1 there."""
        none = e.le(e.abs(self.concentration), 1e-8)
        return none, e.where(none, 1.0, self.concentration)

    @property
    def mean(self) -> Tensor:
        valid = e.lt(self.concentration, 1)
        found = self.loc + self.scale / (1 - e.where(valid, self.concentration, 0.5))
        return e.where(valid, found, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        valid = e.lt(self.concentration, 0.5)
        safe = e.where(valid, self.concentration, 0.25)
        return e.where(valid, self.scale**2 / ((1 - safe) ** 2 * (1 - 2 * safe)), math.nan)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        z, (none, safe) = (value - self.loc) / self.scale, self._parts()
        y = 1 / safe + 1 + 0 * z
        bent = e.where(e.eq(y, 0), y, y * e.log1p(safe * z))
        return -e.log(self.scale) - e.where(none, z, bent)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """The logarithm of the share above `value`."""
        self._validate_sample(value)
        z, (none, safe) = (value - self.loc) / self.scale, self._parts()
        return e.where(none, -z, -e.log1p(safe * z) / safe)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of `cdf`."""
        return e.log1p(-e.exp(self.log_survival_function(value)))

    def cdf(self, value: Tensor) -> Tensor:
        return e.exp(self.log_cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        none, safe = self._parts()
        rest = e.log1p(-value)
        bent = self.loc + self.scale / safe * e.expm1(-safe * rest)
        return e.where(none, self.loc - self.scale * rest, bent)

    def entropy(self) -> Tensor:
        return e.log(self.scale) + self.concentration + 1
