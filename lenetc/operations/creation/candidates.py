"""Random numbers made of candidates: of sixteen for each number the first that passes a test is taken. That none does
has a probability below 1e-12."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ir.dims import Dim
from ir.types import f64
from lenetc.evaluation import bits
from lenetc.evaluation.random import Generator
from lenetc.operations import elementwise as e
from lenetc.operations import indexing, reductions, shaping
from lenetc.operations.creation.arguments import float_dtype
from lenetc.operations.creation.sampling import drawn
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor, require_tensors

__all__ = ["binomial", "poisson"]

_CANDIDATES = 16
_TERMS = 64  # of a sum over counts, where they are small
_LEAST = 2.0**-25


def _first(accepted: Tensor, candidates: Tensor) -> Tensor:
    """Of the candidates along the first dimension the first accepted one."""
    place = reductions.argmax(accepted.to(f64), 0, keepdim=True)
    return shaping.squeeze(indexing.gather(candidates, 0, place), 0)


def _uniform(shape: Sequence[Dim], generator: Generator | None) -> Tensor:
    """Uniform numbers in (0, 1], f64."""
    return 1.0 - drawn(bits.uniform, shape, generator, f64)


def standard_gamma(concentration: Tensor, generator: Generator | None = None) -> Tensor:
    """Numbers of the gamma distributions of rate 1, of the shape and dtype of `concentration`, without history.

    Marsaglia and Tsang 2000; below 1 by a number of one more, times a power of a uniform one.
    """
    with no_grad():
        shape, given = tuple(concentration.shape), concentration.detach().to(f64)
        small = e.lt(given, 1.0)
        d = e.where(small, given + 1.0, given) - 1 / 3
        x = drawn(bits.normal, (_CANDIDATES, *shape), generator, f64)
        root = 1.0 + x / e.sqrt(9.0 * d)
        v = e.clamp(root, min=_LEAST) ** 3
        u = _uniform((_CANDIDATES, *shape), generator)
        accepted = e.logical_and(e.gt(root, 0), e.lt(e.log(u), 0.5 * x * x + d * (1.0 - v + e.log(v))))
        power = e.where(small, _uniform(shape, generator) ** (1.0 / given), 1.0)
        return (d * _first(accepted, v) * power).to(concentration.dtype)


def _by_summing(log_p: Callable[[Tensor], Tensor], shape: Sequence[Dim], generator: Any) -> Tensor:
    """Counts below _TERMS: as many as have a distribution function below a uniform number."""
    counts = Tensor._from_array(np.arange(float(_TERMS))).reshape(_TERMS, *(1 for _ in shape))
    below = reductions.cumsum(e.exp(log_p(counts)), 0)
    return reductions.sum(e.gt(1.0 - _uniform(shape, generator), below).to(f64), 0)


def _by_ratios(
    log_p: Callable[[Tensor], Tensor],
    hat: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
    most: Any,
    shape: Sequence[Dim],
    generator: Any,
) -> Tensor:
    """Counts by transformed rejection (Hörmann 1993). hat: a, b, the center, what log_p(k) + log(alpha) is compared
    with, and the share that is accepted without comparing. most: the largest count."""
    a, b, center, log_alpha, share = hat
    u = drawn(bits.uniform, (_CANDIDATES, *shape), generator, f64) - 0.5
    v = _uniform((_CANDIDATES, *shape), generator)
    us = e.clamp(0.5 - e.abs(u), min=_LEAST)
    k = e.floor((2.0 * a / us + b) * u + center)
    allowed = e.logical_and(e.ge(k, 0), e.le(k, most))
    squeezed = e.logical_and(e.ge(us, 0.07), e.le(v, share))
    k = e.clamp(e.minimum(k, most) if isinstance(most, Tensor) else k, min=0.0)
    compared = e.le(e.log(v) + log_alpha - e.log(a / (us * us) + b), log_p(k))
    return _first(e.logical_and(allowed, e.logical_or(squeezed, compared)), k)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Counts of events whose mean number is `input`, in its dtype (torch.poisson).

    Raises DTypeError for rates that are not floating point.
    """
    require_tensors("poisson", input)
    float_dtype("poisson", input.dtype)
    with no_grad():
        shape, rate = tuple(input.shape), input.detach().to(f64)
        few = e.clamp(rate, max=12.0)

        def log_p(k: Tensor, mean: Tensor = few) -> Tensor:
            return e.xlogy(k, mean) - mean - e.lgamma(k + 1.0)

        many = e.clamp(rate, min=12.0)
        b = 0.931 + 2.53 * e.sqrt(many)
        a = -0.059 + 0.02483 * b
        hat = (a, b, many + 0.43, e.log(1.1239 + 1.1328 / (b - 3.4)), 0.9277 - 3.6224 / (b - 2.0))
        large = _by_ratios(lambda k: log_p(k, many), hat, math.inf, shape, generator)
        small = _by_summing(log_p, shape, generator)
        return e.where(e.lt(rate, 12.0), small, large).to(input.dtype)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Counts of successes among `count` trials of the probability `prob`, in the dtype of both (torch.binomial)."""
    require_tensors("binomial", count, prob)
    float_dtype("binomial", prob.dtype)
    with no_grad():
        n, share = count.detach().to(f64), prob.detach().to(f64)
        p = e.minimum(share, 1.0 - share)
        shape = tuple((n + p).shape)
        spread = e.sqrt(n * p * (1.0 - p))
        few = e.lt(n * p, 10.0)

        def log_p(k: Tensor, p: Tensor = p) -> Tensor:
            ways = e.lgamma(n + 1.0) - e.lgamma(k + 1.0) - e.lgamma(e.clamp(n - k, min=0.0) + 1.0)
            return e.where(e.le(k, n), ways + e.xlogy(k, p) + (n - k) * e.log1p(-p), -math.inf)

        small = _by_summing(log_p, shape, generator)
        # Where there are few, the numbers of the other way are not used, and only have to be numbers.
        safe = e.where(few, 0.5, p)
        b = 1.15 + 2.53 * e.clamp(spread, min=1.0)
        a = -0.0873 + 0.0248 * b + 0.01 * safe
        top = log_p(e.floor((n + 1.0) * safe), safe)
        log_alpha = e.log((2.83 + 5.1 / b) * e.clamp(spread, min=1.0)) + top
        hat = (a, b, n * safe + 0.5, log_alpha, 0.92 - 4.2 / b)
        large = _by_ratios(lambda k: log_p(k, safe), hat, n, shape, generator)
        found = e.where(few, small, large)
        return e.where(e.gt(share, 0.5), n - found, found).to(prob.dtype)
