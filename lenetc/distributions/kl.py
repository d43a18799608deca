"""Kullback-Leibler divergences, by the kinds of two distributions (torch.distributions.kl)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ir.errors import UnsupportedError
from lenetc.distributions.continuous import Exponential, Laplace, LogNormal, Normal, Uniform
from lenetc.distributions.discrete import Bernoulli, Categorical
from lenetc.distributions.distribution import Distribution
from lenetc.distributions.independent import Independent, summed
from lenetc.evaluation.tracing import here
from lenetc.nn import functional as F
from lenetc.operations import elementwise as e
from lenetc.tensors.tensor import Tensor

__all__ = ["kl_divergence", "register_kl"]

_Formula = Callable[[Any, Any], Tensor]
_formulas: dict[tuple[type, type], _Formula] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[_Formula], _Formula]:
    """Let the decorated function give the divergence of a `type_p` from a `type_q`. Raises TypeError for other
    classes."""
    for kind in (type_p, type_q):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise TypeError(f"Expected a subclass of Distribution, but got {kind}")

    def register(formula: _Formula) -> _Formula:
        _formulas[type_p, type_q] = formula
        return formula

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), of the shape of the batch. Raises UnsupportedError where no formula is registered."""
    for left in type(p).__mro__:
        for right in type(q).__mro__:
            formula = _formulas.get((left, right))
            if formula is not None:
                return formula(p, q)
    raise UnsupportedError(
        f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}; register one with "
        "register_kl, or average p.log_prob(x) - q.log_prob(x) over samples of p"
    ).at(here())


@register_kl(Normal, Normal)
def _(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    distance = ((p.loc - q.loc) / q.scale) ** 2
    return 0.5 * (ratio + distance - 1 - e.log(ratio))


@register_kl(LogNormal, LogNormal)
def _(p: LogNormal, q: LogNormal) -> Tensor:
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _(p: Laplace, q: Laplace) -> Tensor:
    ratio = p.scale / q.scale
    distance = e.abs(p.loc - q.loc)
    return -e.log(ratio) + distance / q.scale + ratio * e.exp(-distance / p.scale) - 1


@register_kl(Exponential, Exponential)
def _(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return -e.log(ratio) + ratio - 1


@register_kl(Uniform, Uniform)
def _(p: Uniform, q: Uniform) -> Tensor:
    outside = e.logical_or(e.gt(q.low, p.low), e.lt(q.high, p.high))
    return e.where(outside, math.inf, e.log((q.high - q.low) / (p.high - p.low)))


@register_kl(Bernoulli, Bernoulli)
def _(p: Bernoulli, q: Bernoulli) -> Tensor:
    one = p.probs * (F.softplus(-q.logits) - F.softplus(-p.logits))
    zero = (1 - p.probs) * (F.softplus(q.logits) - F.softplus(p.logits))
    one = e.where(e.eq(p.probs, 0), 0.0, e.where(e.eq(q.probs, 0), math.inf, one))
    return one + e.where(e.eq(p.probs, 1), 0.0, e.where(e.eq(q.probs, 1), math.inf, zero))


@register_kl(Categorical, Categorical)
def _(p: Categorical, q: Categorical) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms = e.where(e.eq(p.probs, 0), 0.0, e.where(e.eq(q.probs, 0), math.inf, terms))
    return terms.sum(-1)


@register_kl(Independent, Independent)
def _(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise UnsupportedError(
            f"KL of Independent of {p.reinterpreted_batch_ndims} axes from one of {q.reinterpreted_batch_ndims}: "
            "reinterpret as many axes of both"
        ).at(here())
    return summed(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Uniform, Normal)
def _(p: Uniform, q: Normal) -> Tensor:
    width = p.high - p.low
    first = e.log(math.sqrt(math.pi * 2) * q.scale / width)
    second = width**2 / 12
    third = ((p.high + p.low - 2 * q.loc) / 2) ** 2
    return first + 0.5 * (second + third) / q.scale**2


@register_kl(Exponential, Normal)
def _(p: Exponential, q: Normal) -> Tensor:
    variance, rate = q.scale**2, p.rate**2
    return (
        0.5 * e.log(rate * variance * 2 * math.pi) - 1 + (1 / rate - q.loc / p.rate + q.loc**2 / 2) / variance
    )


@register_kl(Laplace, Normal)
def _(p: Laplace, q: Normal) -> Tensor:
    variance = q.scale**2
    ratio = p.scale**2 / variance
    rest = 0.5 * p.loc**2 - p.loc * q.loc + 0.5 * q.loc**2
    return -0.5 * e.log(2 * ratio / math.pi) - 1 + ratio + rest / variance
