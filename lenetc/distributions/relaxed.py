"""Distributions between 0 and 1 that stand for choices, with samples that have gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.discrete import Categorical
from lenetc.distributions.distribution import (
    Distribution,
    OfProbability,
    broadcast_all,
    clamped,
    one_of,
)
from lenetc.distributions.transformed import TransformedDistribution
from lenetc.distributions.transforms import ExpTransform, SigmoidTransform
from lenetc.nn import functional as F
from lenetc.operations import elementwise as e
from lenetc.operations import reductions, shaping
from lenetc.tensors.convert import as_tensor
from lenetc.tensors.tensor import Tensor

__all__ = ["ContinuousBernoulli", "LogitRelaxedBernoulli", "RelaxedBernoulli", "RelaxedOneHotCategorical"]

_OF_PROBABILITY = {"probs": constraints.unit_interval, "logits": constraints.real}


def _temperature(value: Any, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else as_tensor(float(value), like.dtype)


class LogitRelaxedBernoulli(OfProbability):
    """The logits of RelaxedBernoulli's numbers."""

    arg_constraints: ClassVar[dict[str, Constraint]] = _OF_PROBABILITY
    support = constraints.real
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(validate_args, **one_of("LogitRelaxedBernoulli", probs, logits))
        self.temperature = _temperature(temperature, self.probs)

    def expand(self, batch_shape: Sequence[Any]) -> Distribution:
        name = "probs" if "probs" in self.__dict__ else "logits"
        given = {name: shaping.expand(self.__dict__[name], tuple(batch_shape))}
        return LogitRelaxedBernoulli(self.temperature, **given, validate_args=False)

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        probs = clamped(shaping.expand(self.probs, self._extended_shape(sample_shape)))
        u = clamped(self._uniform(sample_shape, self.probs))
        return (e.log(u) - e.log1p(-u) + e.log(probs) - e.log1p(-probs)) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        gap = logits - value * self.temperature
        return e.log(self.temperature) + gap - 2 * e.log1p(e.exp(gap))


class RelaxedBernoulli(TransformedDistribution):
    """Numbers that are near to 0 or 1 at low temperatures (torch.distributions.RelaxedBernoulli)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = _OF_PROBABILITY
    support = constraints.unit_interval
    base_dist: LogitRelaxedBernoulli

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        base = LogitRelaxedBernoulli(temperature, probs, logits, validate_args)
        super().__init__(base, SigmoidTransform(), validate_args)

    @property
    def temperature(self) -> Tensor:
        return self.base_dist.temperature

    @property
    def probs(self) -> Tensor:
        return self.base_dist.probs

    @property
    def logits(self) -> Tensor:
        return self.base_dist.logits


class ExpRelaxedCategorical(Categorical):
    """The logarithms of RelaxedOneHotCategorical's numbers."""

    support = constraints.real_vector
    has_enumerate_support = False
    has_rsample = True

    def __init__(
        self,
        temperature: Any,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(probs, logits, validate_args)
        self._event_shape = self.param_shape[-1:]
        self.temperature = _temperature(temperature, self.probs)

    def expand(self, batch_shape: Sequence[Any]) -> Distribution:
        logits = shaping.expand(self.logits, (*batch_shape, *self._event_shape))
        return ExpRelaxedCategorical(self.temperature, logits=logits, validate_args=False)

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        gumbel = -e.log(-e.log(clamped(self._uniform(sample_shape, self.logits))))
        scores = (self.logits + gumbel) / self.temperature
        return scores - reductions.logsumexp(scores, -1, True)

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return Distribution.sample(self, sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        count = self._num_events
        logits, value = broadcast_all(self.logits, value)
        scale = math.lgamma(count) + (count - 1) * e.log(self.temperature)
        score = logits - value * self.temperature
        score = reductions.sum(score - reductions.logsumexp(score, -1, True), -1)
        return score + scale


class RelaxedOneHotCategorical(TransformedDistribution):
    """Rows that are near to one-hot ones at low temperatures (torch.distributions.RelaxedOneHotCategorical)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    support = constraints.simplex
    base_dist: ExpRelaxedCategorical

    def __init__(
        self,
        temperature: Any,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args)
        super().__init__(base, ExpTransform(), validate_args)

    @property
    def temperature(self) -> Tensor:
        return self.base_dist.temperature

    @property
    def probs(self) -> Tensor:
        found: Tensor = self.base_dist.probs
        return found

    @property
    def logits(self) -> Tensor:
        found: Tensor = self.base_dist.logits
        return found


class ContinuousBernoulli(OfProbability):
    """Numbers in (0, 1) whose density is a power of probs / (1 - probs) (torch.distributions.ContinuousBernoulli).

    lims: between these probabilities, where the formulas divide by almost 0, their series is used.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = _OF_PROBABILITY
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(validate_args, **one_of("ContinuousBernoulli", probs, logits))
        self._lims = lims
        if probs is not None:
            self.probs = clamped(self.probs)

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        return clamped(found) if name == "probs" else found

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where the series is not used, probabilities that are beyond its limits, and 1/2 less than all."""
        beyond = e.logical_or(e.le(self.probs, self._lims[0]), e.gt(self.probs, self._lims[1]))
        return beyond, e.where(beyond, self.probs, self._lims[0]), self.probs - 0.5

    def _log_norm(self) -> Tensor:
        beyond, p, x = self._parts()
        odds = e.log(e.abs(e.log1p(-p) - e.log(p)))
        low = e.log1p(-2.0 * e.where(e.le(p, 0.5), p, 0.0))
        high = e.log(2.0 * e.where(e.ge(p, 0.5), p, 1.0) - 1.0)
        series = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x**2) * x**2
        return e.where(beyond, odds - e.where(e.le(p, 0.5), low, high), series)

    @property
    def mean(self) -> Tensor:
        beyond, p, x = self._parts()
        found = p / (2.0 * p - 1.0) + 1.0 / (e.log1p(-p) - e.log(p))
        return e.where(beyond, found, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x**2) * x)

    @property
    def variance(self) -> Tensor:
        beyond, p, x = self._parts()
        found = p * (p - 1.0) / (1.0 - 2.0 * p) ** 2 + 1.0 / (e.log1p(-p) - e.log(p)) ** 2
        return e.where(beyond, found, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x**2) * x**2)

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return self.icdf(self._uniform(sample_shape, self.probs))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return self._log_norm() - F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def cdf(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        beyond, p, _ = self._parts()
        found = (p**value * (1.0 - p) ** (1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = e.where(beyond, found, value)
        return e.where(e.le(value, 0.0), 0.0, e.where(e.ge(value, 1.0), 1.0, inside))

    def icdf(self, value: Tensor) -> Tensor:
        beyond, p, _ = self._parts()
        found = (e.log1p(-p + value * (2.0 * p - 1.0)) - e.log1p(-p)) / (e.log(p) - e.log1p(-p))
        return e.where(beyond, found, value)

    def entropy(self) -> Tensor:
        none, one = e.log1p(-self.probs), e.log(self.probs)
        return self.mean * (none - one) - self._log_norm() - none
