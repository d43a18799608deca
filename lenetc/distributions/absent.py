"""Distributions that are not here: each says what to use instead."""

from __future__ import annotations

from typing import Any

from ir.errors import UnsupportedError
from lenetc.distributions.distribution import Distribution
from lenetc.evaluation.tracing import here

__all__ = ["LKJCholesky", "LowRankMultivariateNormal", "VonMises", "Wishart"]


class _Absent(Distribution):
    """The base of those. Raises UnsupportedError when one is made."""

    instead = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise UnsupportedError(f"{type(self).__name__} is not there: {self.instead}").at(here())


class LowRankMultivariateNormal(_Absent):
    """Raises UnsupportedError."""

    instead = "use MultivariateNormal with the covariance cov_factor @ cov_factor.mT + diag(cov_diag)"


class Wishart(_Absent):
    """Raises UnsupportedError."""

    instead = "multiply samples of MultivariateNormal, as rows of a matrix, by their transpose"


class LKJCholesky(_Absent):
    """Raises UnsupportedError."""

    instead = "draw correlations with NumPy and pass the tensor in"


class VonMises(_Absent):
    """Raises UnsupportedError."""

    instead = "its density takes Bessel functions; use Normal for angles that do not spread much"
