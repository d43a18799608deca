"""Divergences of distributions of two kinds: minus the entropy of p, minus what log q is on average under p."""

from __future__ import annotations

import math
from typing import Any

from lenetc.distributions.continuous import Exponential, Laplace, Normal, Uniform
from lenetc.distributions.counts import Binomial, Poisson
from lenetc.distributions.discrete import Bernoulli
from lenetc.distributions.gamma import Beta, Gamma
from lenetc.distributions.kl.registry import register_kl
from lenetc.distributions.relaxed import ContinuousBernoulli
from lenetc.distributions.tails import Gumbel, Pareto
from lenetc.operations import elementwise as e
from lenetc.tensors.tensor import Tensor

_EULER = 0.57721566490153286060


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
            return e.where(e.eq(found, found), math.inf, math.inf)
    return found


for _kind in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform):

    @register_kl(_kind, Normal)
    def _(p: Any, q: Normal) -> Tensor:
        spread = (p.variance + (p.mean - q.loc) ** 2) / (2 * q.scale**2)
        return -p.entropy() + 0.5 * math.log(2 * math.pi) + e.log(q.scale) + spread


for _kind in (Beta, ContinuousBernoulli, Gamma, Gumbel, Laplace, Normal, Pareto, Uniform):

    @register_kl(_kind, Exponential)
    def _(p: Any, q: Exponential) -> Tensor:
        return _inside(p, 0.0, math.inf, -p.entropy() - e.log(q.rate) + q.rate * p.mean)


for _kind in (Beta, Exponential, Pareto, Uniform):

    @register_kl(_kind, Gamma)
    def _(p: Any, q: Gamma) -> Tensor:
        a, rate = q.concentration, q.rate
        found = -p.entropy() + e.lgamma(a) - a * e.log(rate) - (a - 1) * _mean_log(p) + rate * p.mean
        return _inside(p, 0.0, math.inf, found)


for _kind in (Exponential, Gamma, Normal, Uniform):

    @register_kl(_kind, Gumbel)
    def _(p: Any, q: Gumbel) -> Tensor:
        return -p.entropy() + e.log(q.scale) + (p.mean - q.loc) / q.scale + _mean_exp(p, q)


for _kind in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Normal, Pareto):

    @register_kl(_kind, Uniform)
    def _(p: Any, q: Uniform) -> Tensor:
        return _inside(p, q.low, q.high, -p.entropy() + e.log(q.high - q.low))


for _kind in (Beta, Exponential, Gamma, Gumbel, Laplace, Normal, Pareto, Uniform):

    @register_kl(_kind, ContinuousBernoulli)
    def _(p: Any, q: ContinuousBernoulli) -> Tensor:
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


def _everywhere(x: Tensor) -> Tensor:
    """Infinity in the shape of x."""
    return e.where(e.eq(x, x), math.inf, x)


# What has numbers that q does not allow.
for _kind in (Exponential, Gamma, Gumbel, Laplace, Normal, Pareto):
    register_kl(_kind, Beta)(lambda p, q: _everywhere(p.mean))
for _kind in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Normal):
    register_kl(_kind, Pareto)(lambda p, q: _everywhere(p.mean))
for _kind in (Gumbel, Laplace, Normal):
    register_kl(_kind, Gamma)(lambda p, q: _everywhere(p.mean))
for _kind in (Bernoulli, Binomial):
    register_kl(Poisson, _kind)(lambda p, q: _everywhere(p.mean))
