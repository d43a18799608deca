"""Divergences of two distributions of one kind."""

from __future__ import annotations

import math

from ir.errors import UnsupportedError
from lenetc.distributions.continuous import Exponential, Laplace, LogNormal, Normal, Uniform
from lenetc.distributions.counts import Binomial, Geometric, Poisson
from lenetc.distributions.discrete import Bernoulli, Categorical
from lenetc.distributions.gamma import Beta, Dirichlet, Gamma
from lenetc.distributions.independent import Independent, summed
from lenetc.distributions.kl.registry import kl_divergence, register_kl
from lenetc.distributions.multivariate import MultivariateNormal, half_log_det, mahalanobis
from lenetc.distributions.relaxed import ContinuousBernoulli
from lenetc.distributions.tails import Cauchy, Gumbel, HalfNormal, Pareto
from lenetc.distributions.transformed import TransformedDistribution
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.nn import functional as F
from lenetc.operations import elementwise as e
from lenetc.operations import reductions, shaping
from lenetc.operations.dense.equations import solve_triangular
from lenetc.tensors.tensor import Tensor

_EULER = 0.57721566490153286060


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


@register_kl(Cauchy, Cauchy)
def _(p: Cauchy, q: Cauchy) -> Tensor:
    return e.log((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2) - e.log(4 * p.scale * q.scale)


@register_kl(HalfNormal, HalfNormal)
def _(p: HalfNormal, q: HalfNormal) -> Tensor:
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Gumbel, Gumbel)
def _(p: Gumbel, q: Gumbel) -> Tensor:
    ratio, distance = p.scale / q.scale, (q.loc - p.loc) / q.scale
    far = e.exp(distance + e.lgamma(1 + ratio))
    return -e.log(ratio) - distance + ratio * _EULER + far - (1 + _EULER)


@register_kl(Pareto, Pareto)
def _(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    found = q.alpha * e.log(p.scale / q.scale) - e.log(ratio) + ratio - 1
    return e.where(e.lt(p.scale, q.scale), math.inf, found)


@register_kl(Gamma, Gamma)
def _(p: Gamma, q: Gamma) -> Tensor:
    found = q.concentration * e.log(p.rate / q.rate) + e.lgamma(q.concentration) - e.lgamma(p.concentration)
    found = found + (p.concentration - q.concentration) * e.digamma(p.concentration)
    return found + (q.rate - p.rate) * (p.concentration / p.rate)


@register_kl(Dirichlet, Dirichlet)
def _(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    total = reductions.sum(a, -1)
    norms = e.lgamma(total) - e.lgamma(reductions.sum(b, -1))
    parts = reductions.sum(e.lgamma(a) - e.lgamma(b), -1)
    rest = (a - b) * (e.digamma(a) - e.digamma(total).unsqueeze(-1))
    return norms - parts + reductions.sum(rest, -1)


@register_kl(Beta, Beta)
def _(p: Beta, q: Beta) -> Tensor:
    return kl_divergence(p._dirichlet, q._dirichlet)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _(p: ContinuousBernoulli, q: ContinuousBernoulli) -> Tensor:
    norms = p._log_norm() + e.log1p(-p.probs) - q._log_norm() - e.log1p(-q.probs)
    return p.mean * (p.logits - q.logits) + norms


@register_kl(Poisson, Poisson)
def _(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (e.log(p.rate) - e.log(q.rate)) - (p.rate - q.rate)


@register_kl(Geometric, Geometric)
def _(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - e.log1p(-q.probs) / p.probs - q.logits


@register_kl(Binomial, Binomial)
def _(p: Binomial, q: Binomial) -> Tensor:
    if Context.trace is None and bool(reductions.any(e.lt(p.total_count, q.total_count))):
        raise UnsupportedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        ).at(here())
    one = p.probs * (p.logits - q.logits) + e.log1p(-p.probs) - e.log1p(-q.probs)
    return e.where(e.gt(p.total_count, q.total_count), math.inf, p.total_count * one)


@register_kl(MultivariateNormal, MultivariateNormal)
def _(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed"
        )
    a, b = p.scale_tril, q.scale_tril
    shape = (a[..., 0, 0] + b[..., 0, 0]).shape
    a, b = (shaping.expand(x, (*shape, *x.shape[-2:])) for x in (a, b))
    trace = reductions.sum(solve_triangular(b, a, upper=False) ** 2, (-2, -1))
    rest = trace + mahalanobis(b, q.loc - p.loc) - float(p.event_shape[0])
    return half_log_det(b) - half_log_det(a) + 0.5 * rest


@register_kl(TransformedDistribution, TransformedDistribution)
def _(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise UnsupportedError("KL of distributions that are transformed differently").at(here())
    return kl_divergence(p.base_dist, q.base_dist)
