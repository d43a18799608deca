"""Distributions of counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ir.errors import UnsupportedError
from lenetc.autograd import no_grad
from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.discrete import Categorical
from lenetc.distributions.distribution import (
    Distribution,
    OfLocation,
    OfProbability,
    broadcast_all,
    one_of,
)
from lenetc.distributions.gamma import Gamma
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.nn import functional as F
from lenetc.operations import elementwise as e
from lenetc.operations import reductions, shaping
from lenetc.operations.creation.candidates import binomial, poisson
from lenetc.tensors.size import Size
from lenetc.tensors.tensor import Tensor

__all__ = ["Binomial", "Geometric", "Multinomial", "NegativeBinomial", "Poisson"]


class Poisson(OfLocation):
    """Numbers of events whose mean number is `rate` (torch.distributions.Poisson)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    rate: Tensor

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, rate=rate)

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def mode(self) -> Tensor:
        return e.floor(self.rate)

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return poisson(shaping.expand(self.rate.detach(), self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return e.xlogy(value, rate) - rate - e.lgamma(value + 1)


class Geometric(OfProbability):
    """Numbers of failures before the first success (torch.distributions.Geometric)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, **one_of("Geometric", probs, logits))
        if probs is not None and self._validates():
            self._check("parameter probs", constraints.greater_than(0), self.probs)

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return self.probs.detach() * 0

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        with no_grad():
            u = 1 - self._uniform(sample_shape, self.probs)
            return e.floor(e.log(u) / e.log1p(-self.probs))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        sure = e.logical_and(e.eq(probs, 1), e.eq(value, 0))
        return value * e.log1p(-e.where(sure, 0.0, probs)) + e.log(self.probs)

    def entropy(self) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class Binomial(OfProbability):
    """Numbers of successes in `total_count` trials (torch.distributions.Binomial)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True
    total_count: Tensor

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(validate_args, **one_of("Binomial", probs, logits), total_count=total_count)
        self.total_count = self.total_count.to(self.probs.dtype)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return e.minimum(e.floor((self.total_count + 1) * self.probs), self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return binomial(shaping.expand(self.total_count, shape), shaping.expand(self.probs.detach(), shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        n, logits = self.total_count, self.logits
        ways = e.lgamma(n + 1) - e.lgamma(value + 1) - e.lgamma(n - value + 1)
        positive = (e.clamp(logits, min=0) + logits - e.clamp(logits, max=0)) / 2
        return value * logits + ways - n * positive - n * e.log1p(e.exp(-e.abs(logits)))

    def _trials(self, what: str) -> int:
        """The number of trials. Raises UnsupportedError for several, and in a compiled function."""
        if Context.trace is not None:
            raise UnsupportedError(f"Binomial.{what} in a compiled function: compute it before").at(here())
        most, least = int(self.total_count.max()), int(self.total_count.min())
        if most != least:
            raise UnsupportedError(f"Inhomogeneous total count not supported by `{what}`.").at(here())
        return most

    def entropy(self) -> Tensor:
        self._trials("entropy")
        found = self.log_prob(self.enumerate_support(False))
        return -reductions.sum(e.exp(found) * found, 0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        count = 1 + self._trials("enumerate_support")
        column = Tensor._from_array(np.arange(count)).to(self.probs.dtype)
        column = column.reshape((count, *(1 for _ in self._batch_shape)))
        return shaping.expand(column, (count, *self._batch_shape)) if expand else column


class NegativeBinomial(OfProbability):
    """Numbers of successes before `total_count` failures (torch.distributions.NegativeBinomial)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    total_count: Tensor

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(validate_args, **one_of("NegativeBinomial", probs, logits), total_count=total_count)
        self.total_count = self.total_count.to(self.probs.dtype)

    @property
    def mean(self) -> Tensor:
        return self.total_count * e.exp(self.logits)

    @property
    def mode(self) -> Tensor:
        return e.clamp(e.floor((self.total_count - 1) * e.exp(self.logits)), min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / e.sigmoid(-self.logits)

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        with no_grad():
            rates = Gamma(self.total_count, e.exp(-self.logits), validate_args=False)
            return poisson(rates.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        n = self.total_count
        likely = n * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits)
        ways = e.lgamma(n + value) - e.lgamma(1.0 + value) - e.lgamma(n)
        return likely + e.where(e.eq(n + value, 0.0), 0.0, ways)


class Multinomial(Distribution):
    """Numbers of each of the categories among `total_count` draws, [*,C] (torch.distributions.Multinomial).

    Raises UnsupportedError for a total count that is no int.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise UnsupportedError("inhomogeneous total_count is not supported").at(here())
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        return constraints.multinomial(self.total_count)

    @property
    def probs(self) -> Tensor:
        found: Tensor = self._categorical.probs
        return found

    @property
    def logits(self) -> Tensor:
        found: Tensor = self._categorical.logits
        return found

    @property
    def param_shape(self) -> Size:
        found: Size = self._categorical.param_shape
        return found

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def expand(self, batch_shape: Sequence[Any]) -> Distribution:
        probs = shaping.expand(self.probs, (*batch_shape, *self._event_shape))
        return Multinomial(self.total_count, probs, validate_args=False)

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        drawn = self._categorical.sample((self.total_count, *sample_shape))
        places = Tensor._from_array(np.arange(int(self._event_shape[0])))
        return reductions.sum(e.eq(drawn.unsqueeze(-1), places).to(self.probs.dtype), 0)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        never = e.logical_and(e.eq(value, 0), e.eq(logits, -math.inf))
        powers = reductions.sum(e.where(never, 0.0, logits) * value, -1)
        ways = e.lgamma(reductions.sum(value, -1) + 1) - reductions.sum(e.lgamma(value + 1), -1)
        return ways + powers

    def entropy(self) -> Tensor:
        n = self.total_count
        one = Binomial(n, self.probs, validate_args=False)
        support = one.enumerate_support(False)[1:]
        weighted = reductions.sum(e.exp(one.log_prob(support)) * e.lgamma(support + 1), (0, -1))
        return n * self._categorical.entropy() - math.lgamma(n + 1) + weighted
