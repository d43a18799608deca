"""Distributions of random numbers: samples, densities, divergences (torch.distributions).

It may import `nn` and what that may.
"""

from typing import TYPE_CHECKING

from lenetc.distributions import constraints, kl, transforms
from lenetc.distributions.absent import (
    LKJCholesky,
    LowRankMultivariateNormal,
    VonMises,
    Wishart,
)
from lenetc.distributions.continuous import (
    Exponential,
    Laplace,
    LogNormal,
    Normal,
    Uniform,
)
from lenetc.distributions.counts import (
    Binomial,
    Geometric,
    Multinomial,
    NegativeBinomial,
    Poisson,
)
from lenetc.distributions.discrete import (
    Bernoulli,
    Categorical,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from lenetc.distributions.distribution import (
    Distribution,
    ExponentialFamily,
)
from lenetc.distributions.gamma import (
    Beta,
    Chi2,
    Dirichlet,
    FisherSnedecor,
    Gamma,
    InverseGamma,
    StudentT,
)
from lenetc.distributions.independent import (
    Independent,
)
from lenetc.distributions.kl import (
    kl_divergence,
    register_kl,
)
from lenetc.distributions.mixture import (
    MixtureSameFamily,
)
from lenetc.distributions.multivariate import (
    MultivariateNormal,
)
from lenetc.distributions.relaxed import (
    ContinuousBernoulli,
    LogitRelaxedBernoulli,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
)
from lenetc.distributions.tails import (
    Cauchy,
    GeneralizedPareto,
    Gumbel,
    HalfCauchy,
    HalfNormal,
    Kumaraswamy,
    Pareto,
    Weibull,
)
from lenetc.distributions.transformed import (
    LogisticNormal,
    TransformedDistribution,
)
from lenetc.distributions.transforms import *
from lenetc.missing import names_of

__all__ = [
    *transforms.__all__,
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ContinuousBernoulli",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LogitRelaxedBernoulli",
    "LowRankMultivariateNormal",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "StudentT",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "constraints",
    "kl",
    "kl_divergence",
    "register_kl",
    "transforms",
]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
