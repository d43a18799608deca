"""Distributions of random numbers: samples, densities, divergences (torch.distributions).

It may import `nn` and what that may.
"""

from typing import TYPE_CHECKING

from lenetc.distributions import constraints, kl
from lenetc.distributions.absent import Beta, Dirichlet, Gamma, MultivariateNormal, Poisson
from lenetc.distributions.continuous import Exponential, Laplace, LogNormal, Normal, Uniform
from lenetc.distributions.discrete import Bernoulli, Categorical, OneHotCategorical
from lenetc.distributions.distribution import Distribution
from lenetc.distributions.independent import Independent
from lenetc.distributions.kl import kl_divergence, register_kl
from lenetc.missing import names_of

__all__ = [
    "Bernoulli",
    "Beta",
    "Categorical",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "Gamma",
    "Independent",
    "Laplace",
    "LogNormal",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "Poisson",
    "Uniform",
    "constraints",
    "kl",
    "kl_divergence",
    "register_kl",
]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
