"""Kullback-Leibler divergences, by the kinds of two distributions (torch.distributions.kl)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ir.errors import UnsupportedError
from lenetc.distributions.distribution import Distribution
from lenetc.evaluation.tracing import here
from lenetc.tensors.tensor import Tensor

__all__ = ["kl_divergence", "register_kl"]

Formula = Callable[[Any, Any], Tensor]
_formulas: dict[tuple[type, type], Formula] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Formula], Formula]:
    """Let the decorated function give the divergence of a `type_p` from a `type_q`. Raises TypeError for other
    classes."""
    for kind in (type_p, type_q):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise TypeError(f"Expected a subclass of Distribution, but got {kind}")

    def register(formula: Formula) -> Formula:
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
