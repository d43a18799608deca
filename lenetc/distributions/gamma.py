"""The gamma distribution and those that are made of it. Samples have no gradient for their parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from lenetc.autograd import no_grad
from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.distribution import Distribution, OfLocation
from lenetc.operations import elementwise as e
from lenetc.operations import reductions, shaping
from lenetc.operations.creation.candidates import standard_gamma
from lenetc.tensors.tensor import Tensor

__all__ = ["Beta", "Chi2", "Dirichlet", "FisherSnedecor", "Gamma", "InverseGamma", "StudentT"]

_OF_RATE = {"concentration": constraints.positive, "rate": constraints.positive}


def _tiny(x: Tensor) -> float:
    return float(np.finfo(x.dtype.numpy).tiny)


class Gamma(OfLocation):
    """Times to wait for `concentration` events of the rate `rate` (torch.distributions.Gamma)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = _OF_RATE
    support = constraints.nonnegative
    concentration: Tensor
    rate: Tensor

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, concentration=concentration, rate=rate)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return e.clamp((self.concentration - 1) / self.rate, min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate**2

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        with no_grad():
            shape = self._extended_shape(sample_shape)
            drawn = standard_gamma(shaping.expand(self.concentration, shape)) / self.rate
            return e.clamp(drawn, min=_tiny(drawn))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        a, rate = self.concentration, self.rate
        return e.xlogy(a, rate) + e.xlogy(a - 1, value) - rate * value - e.lgamma(a)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - e.log(self.rate) + e.lgamma(a) + (1.0 - a) * e.digamma(a)


class Chi2(Gamma):
    """Sums of the squares of `df` normal numbers (torch.distributions.Chi2)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {"df": constraints.positive}
    df: Tensor

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        OfLocation.__init__(self, validate_args, df=df)
        self.concentration, self.rate = 0.5 * self.df, self.df.detach() * 0 + 0.5


class InverseGamma(OfLocation):
    """Reciprocals of gamma's numbers (torch.distributions.InverseGamma)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = _OF_RATE
    support = constraints.positive
    concentration: Tensor
    rate: Tensor

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, concentration=concentration, rate=rate)
        self.base_dist = Gamma(self.concentration, self.rate, validate_args=False)

    @property
    def mean(self) -> Tensor:
        a = self.concentration
        return e.where(e.gt(a, 1), self.rate / (e.where(e.gt(a, 1), a, 2.0) - 1), math.inf)

    @property
    def mode(self) -> Tensor:
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        a = e.where(e.gt(self.concentration, 2), self.concentration, 3.0)
        found = self.rate**2 / ((a - 1) ** 2 * (a - 2))
        return e.where(e.gt(self.concentration, 2), found, math.inf)

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        with no_grad():
            return e.reciprocal(self.base_dist.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return self.base_dist.log_prob(e.reciprocal(value)) - 2 * e.log(value)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a + e.log(self.rate) + e.lgamma(a) - (1.0 + a) * e.digamma(a)


class Dirichlet(Distribution):
    """Shares that sum to 1 (torch.distributions.Dirichlet). concentration: [*,K].

    Raises ValueError for one without dimensions.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration": constraints.independent(constraints.positive, 1)
    }
    support = constraints.simplex

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    def expand(self, batch_shape: Sequence[Any]) -> Distribution:
        return Dirichlet(
            shaping.expand(self.concentration, (*batch_shape, *self._event_shape)), validate_args=False
        )

    def _total(self, keepdim: bool = False) -> Tensor:
        return reductions.sum(self.concentration, -1, keepdim)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self._total(True)

    @property
    def mode(self) -> Tensor:
        above = e.clamp(self.concentration - 1, min=0.0)
        low = reductions.all(e.lt(self.concentration, 1), -1, True)
        total = reductions.sum(above, -1, True)
        places = Tensor._from_array(np.arange(int(self._event_shape[0])))
        corner = e.eq(reductions.argmax(above / total, -1, keepdim=True), places).to(above.dtype)
        return e.where(low, corner, above / total)

    @property
    def variance(self) -> Tensor:
        total = self._total(True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        with no_grad():
            drawn = standard_gamma(shaping.expand(self.concentration, self._extended_shape(sample_shape)))
            drawn = e.clamp(drawn, min=_tiny(drawn))
            return drawn / reductions.sum(drawn, -1, True)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        terms = e.xlogy(self.concentration - 1.0, value)
        parts = reductions.sum(e.lgamma(self.concentration), -1)
        return reductions.sum(terms, -1) + e.lgamma(self._total()) - parts

    def entropy(self) -> Tensor:
        a, total = self.concentration, self._total()
        parts = reductions.sum(e.lgamma(a), -1) - e.lgamma(total)
        rest = (int(a.shape[-1]) - total) * e.digamma(total)
        return parts - rest - reductions.sum((a - 1.0) * e.digamma(a), -1)


class Beta(OfLocation):
    """Shares of one of two parts (torch.distributions.Beta)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    concentration1: Tensor
    concentration0: Tensor

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, concentration1=concentration1, concentration0=concentration0)
        both = shaping.stack([self.concentration1, self.concentration0], -1)
        self._dirichlet = Dirichlet(both, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Tensor:
        return self._dirichlet.mode[..., 0]

    @property
    def variance(self) -> Tensor:
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total**2 * (total + 1))

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return self._dirichlet.sample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return self._dirichlet.log_prob(shaping.stack([value, 1.0 - value], -1))

    def entropy(self) -> Tensor:
        return self._dirichlet.entropy()


class StudentT(OfLocation):
    """Normal numbers over the root of what chi-squared ones are on average (torch.distributions.StudentT)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    df: Tensor
    loc: Tensor
    scale: Tensor

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, df=df, loc=loc, scale=scale)

    @property
    def mean(self) -> Tensor:
        return e.where(e.le(self.df, 1), math.nan, self.loc)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        df = e.where(e.gt(self.df, 2), self.df, 3.0)
        found = e.where(e.gt(self.df, 2), self.scale**2 * df / (df - 2), math.inf)
        return e.where(e.le(self.df, 1), math.nan, found)

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        with no_grad():
            squares = Chi2(self.df, validate_args=False).sample(sample_shape)
            return self.loc + self.scale * self._normal(sample_shape, self.loc) * e.rsqrt(squares / self.df)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        y, df = (value - self.loc) / self.scale, self.df
        norm = e.log(self.scale) + 0.5 * e.log(df) + 0.5 * math.log(math.pi)
        norm = norm + e.lgamma(0.5 * df) - e.lgamma(0.5 * (df + 1.0))
        return -0.5 * (df + 1.0) * e.log1p(y**2.0 / df) - norm

    def entropy(self) -> Tensor:
        half, more = 0.5 * self.df, 0.5 * (self.df + 1)
        beta = e.lgamma(half) + math.lgamma(0.5) - e.lgamma(more)
        return e.log(self.scale) + more * (e.digamma(more) - e.digamma(half)) + 0.5 * e.log(self.df) + beta


class FisherSnedecor(OfLocation):
    """Ratios of two chi-squared numbers, each over its degrees of freedom (torch.distributions.FisherSnedecor)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "df1": constraints.positive,
        "df2": constraints.positive,
    }
    support = constraints.positive
    df1: Tensor
    df2: Tensor

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, df1=df1, df2=df2)

    @property
    def mean(self) -> Tensor:
        df2 = e.where(e.le(self.df2, 2), math.nan, self.df2)
        return df2 / (df2 - 2)

    @property
    def mode(self) -> Tensor:
        found = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return e.where(e.le(self.df1, 2), math.nan, found)

    @property
    def variance(self) -> Tensor:
        df1, df2 = self.df1, e.where(e.le(self.df2, 4), math.nan, self.df2)
        return 2 * df2**2 * (df1 + df2 - 2) / (df1 * (df2 - 2) ** 2 * (df2 - 4))

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        with no_grad():
            over, under = (
                Gamma(df * 0.5, df, validate_args=False).sample(sample_shape) for df in (self.df1, self.df2)
            )
            return e.clamp(over / under, min=_tiny(over))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        a, b, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        first = e.lgamma(a + b) - e.lgamma(a) - e.lgamma(b)
        second = a * e.log(ratio) + (a - 1) * e.log(value)
        return first + second - (a + b) * e.log1p(ratio * value)
