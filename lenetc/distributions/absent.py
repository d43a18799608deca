"""Distributions whose samples or densities take what is not there."""

from __future__ import annotations

from typing import Any

from ir.errors import UnsupportedError
from lenetc.distributions.distribution import Distribution
from lenetc.evaluation.tracing import here

__all__ = ["Beta", "Dirichlet", "Gamma", "MultivariateNormal", "Poisson"]


class _Absent(Distribution):
    """The base of those. Raises UnsupportedError when one is made."""

    reason = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise UnsupportedError(f"{type(self).__name__} is not there: {self.reason}").at(here())


class Gamma(_Absent):
    """Raises UnsupportedError."""

    reason = (
        "a sample takes a number of draws that is not known before; draw with NumPy and pass the tensor in"
    )


class Beta(Gamma):
    """Raises UnsupportedError."""


class Dirichlet(Gamma):
    """Raises UnsupportedError."""


class Poisson(Gamma):
    """Raises UnsupportedError."""


class MultivariateNormal(_Absent):
    """Raises UnsupportedError."""

    reason = "use Independent(Normal(loc, scale), 1), and a matrix product for what correlates the numbers"
