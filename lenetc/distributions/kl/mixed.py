"""Divergences of distributions of two kinds: minus the entropy of p, minus what log q is on average under p."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lenetc.distributions.continuous import Exponential, Laplace, Normal, Uniform
from lenetc.distributions.counts import Binomial, Poisson
from lenetc.distributions.discrete import Bernoulli
from lenetc.distributions.distribution import Distribution
from lenetc.distributions.gamma import Beta, Gamma
from lenetc.distributions.kl.registry import Formula, register_kl
from lenetc.distributions.relaxed import ContinuousBernoulli
from lenetc.distributions.tails import Gumbel, Pareto
from lenetc.operations import creation
from lenetc.operations import elementwise as e
from lenetc.tensors.tensor import Tensor

_EULER = 0.57721566490153286060


def _from(other: type, *kinds: type) -> Callable[[Formula], Formula]:
    """Let the decorated function give the divergence of each of `kinds` from `other`."""

    def register(formula: Formula) -> Formula:
        for kind in kinds:
            register_kl(kind, other)(formula)
        return formula

    return register


def _limits(p: Any) -> tuple[Any, Any]:
    """Between which numbers those of p are."""
    if isinstance(p, Uniform):
        return p.low, p.high
    if isinstance(p, Pareto):
        return p.scale, math.inf
    if isinstance(p, (Beta, ContinuousBernoulli)):
        return 0.0, 1.0
    return (0.0, math.inf) if isinstance(p, (Exponential, Gamma)) else (-math.inf, math.inf)


def _mean_log(p: Any) -> Tensor:
    """The mean of log x, of positive numbers."""
    if isinstance(p, Exponential):
        return -_EULER - e.log(p.rate)
    if isinstance(p, Pareto):
        return e.log(p.scale) + e.reciprocal(p.alpha)
    if isinstance(p, Beta):
        return e.digamma(p.concentration1) - e.digamma(p.concentration1 + p.concentration0)
    assert isinstance(p, Uniform)
    return _of_uniform(p.low, p.high)


def _of_uniform(low: Tensor, high: Tensor) -> Tensor:
    """The mean of log x between the limits."""
    return (e.xlogy(high, high) - e.xlogy(low, low)) / (high - low) - 1


def _mean_exp(p: Any, q: Gumbel) -> Tensor:
    """The mean of exp((loc - x) / scale)."""
    moved = q.loc / q.scale
    if isinstance(p, Normal):
        return e.exp(moved - p.loc / q.scale + 0.5 * (p.scale / q.scale) ** 2)
    if isinstance(p, Exponential):
        return e.exp(moved) * p.rate * q.scale / (p.rate * q.scale + 1)
    if isinstance(p, Gamma):
        return e.exp(moved) * (1 + 1 / (p.rate * q.scale)) ** (-p.concentration)
    assert isinstance(p, Uniform)
    low, high = e.exp((q.loc - p.low) / q.scale), e.exp((q.loc - p.high) / q.scale)
    return (low - high) * q.scale / (p.high - p.low)


def _inside(p: Any, low: Any, high: Any, found: Tensor) -> Tensor:
    """`found` where all numbers of p are between the limits, else infinity."""
    least, most = _limits(p)
    for a, b in ((least, low), (high, most)):
        if isinstance(a, Tensor) or isinstance(b, Tensor):
            outside = e.lt(a, b) if isinstance(a, Tensor) else e.gt(b, a)
            found = e.where(outside, math.inf, found)
        elif a < b:
            return creation.full_like(found, math.inf)
    return found


@_from(Normal, Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform)
def _(p: Distribution, q: Normal) -> Tensor:
    spread = (p.variance + (p.mean - q.loc) ** 2) / (2 * q.scale**2)
    return -p.entropy() + 0.5 * math.log(2 * math.pi) + e.log(q.scale) + spread


@_from(Exponential, Beta, ContinuousBernoulli, Gamma, Gumbel, Laplace, Normal, Pareto, Uniform)
def _(p: Distribution, q: Exponential) -> Tensor:
    return _inside(p, 0.0, math.inf, -p.entropy() - e.log(q.rate) + q.rate * p.mean)


@_from(Gamma, Beta, Exponential, Pareto, Uniform)
def _(p: Distribution, q: Gamma) -> Tensor:
    a, rate = q.concentration, q.rate
    found = -p.entropy() + e.lgamma(a) - a * e.log(rate) - (a - 1) * _mean_log(p) + rate * p.mean
    return _inside(p, 0.0, math.inf, found)


@_from(Gumbel, Exponential, Gamma, Normal, Uniform)
def _(p: Distribution, q: Gumbel) -> Tensor:
    return e.log(q.scale) - p.entropy() + (p.mean - q.loc) / q.scale + _mean_exp(p, q)


@_from(Uniform, Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Normal, Pareto)
def _(p: Distribution, q: Uniform) -> Tensor:
    return _inside(p, q.low, q.high, -p.entropy() + e.log(q.high - q.low))


@_from(ContinuousBernoulli, Beta, Exponential, Gamma, Gumbel, Laplace, Normal, Pareto, Uniform)
def _(p: Distribution, q: ContinuousBernoulli) -> Tensor:
    found = -p.entropy() - p.mean * q.logits - e.log1p(-q.probs) - q._log_norm()
    return _inside(p, 0.0, 1.0, found)


@register_kl(Uniform, Beta)
def _(p: Uniform, q: Beta) -> Tensor:
    a, b = q.concentration1, q.concentration0
    norm = e.lgamma(a) + e.lgamma(b) - e.lgamma(a + b)
    logs = (a - 1) * _of_uniform(p.low, p.high) + (b - 1) * _of_uniform(1 - p.high, 1 - p.low)
    return _inside(p, 0.0, 1.0, -p.entropy() + norm - logs)


@register_kl(Uniform, Pareto)
def _(p: Uniform, q: Pareto) -> Tensor:
    found = -p.entropy() - e.log(q.alpha) - q.alpha * e.log(q.scale) + (q.alpha + 1) * _mean_log(p)
    return e.where(e.lt(p.low, q.scale), math.inf, found)


@register_kl(Normal, Laplace)
def _(p: Normal, q: Laplace) -> Tensor:
    distance = (p.loc - q.loc) / p.scale
    near = math.sqrt(2 / math.pi) * p.scale * e.exp(-0.5 * distance**2)
    far = (p.loc - q.loc) * e.erf(math.sqrt(0.5) * distance)
    return -e.log(p.scale / q.scale) + (near + far) / q.scale - 0.5 * (1 + math.log(0.5 * math.pi))


@register_kl(Bernoulli, Poisson)
def _(p: Bernoulli, q: Poisson) -> Tensor:
    return -p.entropy() - (p.probs * e.log(q.rate) - q.rate)


def _everywhere(p: Distribution, q: Distribution) -> Tensor:
    """Infinity, in the shape of the batch of p."""
    return creation.full_like(p.mean, math.inf)


# What has numbers that q does not allow.
_from(Beta, Exponential, Gamma, Gumbel, Laplace, Normal, Pareto)(_everywhere)
_from(Pareto, Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Normal)(_everywhere)
_from(Gamma, Gumbel, Laplace, Normal)(_everywhere)
_from(Bernoulli, Poisson)(_everywhere)
_from(Binomial, Poisson)(_everywhere)
