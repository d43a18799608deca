"""PyTorch's import paths of names that live elsewhere here, as `torch.nn.modules.batchnorm`: scripts import by them.

Each is a module that has what it is given here, and all names of its home. Names that ask for nothing, whatever
their path, are in `accepted`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from lenetc import autograd, distributions, func, nn, signal, utils
from lenetc.accepted.made import module_at
from lenetc.accepted.tracers import COMPILER
from lenetc.evaluation import random
from lenetc.missing import names_of
from lenetc.nn.modules import dropout, normalization
from lenetc.nn.modules.attention import transformer
from lenetc.nn.modules.losses import base as losses
from lenetc.nn.modules.spatial import conv


def _names(home: Any) -> Callable[[str], Any]:
    """A module's __getattr__ that finds the names of `home`."""

    def find(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(home, name)

    return find


def _path(path: str, home: Any, **members: Any) -> None:
    """Let `lenetc.path` have the names of `home`, and `members`."""
    there = sys.modules.get(f"lenetc.{path}")
    if there is None:
        there = module_at(path, f"The names of {home.__name__} under a path that PyTorch has.")
    for name, value in members.items():
        there.__dict__.setdefault(name, value)
    there.__dict__["__getattr__"] = _names(home)


def _repeated(n: int) -> Callable[[Any], tuple[Any, ...]]:
    """The function that makes n of one number, and a tuple of what has several (torch.nn.modules.utils._ntuple)."""

    def make(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    return make


_MODULES: dict[str, dict[str, Any]] = {
    "activation": {},
    "adaptive": {},
    "batchnorm": {"_BatchNorm": normalization._BatchNorm, "_NormBase": normalization._Normalization},
    "channelshuffle": {},
    "container": {},
    "conv": {"_ConvNd": conv._ConvNd, "_ConvTransposeNd": conv._ConvTransposeNd},
    "dropout": {"_DropoutNd": dropout._Dropout},
    "fold": {},
    "instancenorm": {"_InstanceNorm": normalization._InstanceNorm},
    "linear": {"NonDynamicallyQuantizableLinear": nn.Linear},
    "loss": {"_Loss": losses.Loss, "_WeightedLoss": losses.WeightedLoss},
    "padding": {},
    "pixelshuffle": {},
    "pooling": {},
    "rnn": {"RNNBase": nn.RNNBase, "RNNCellBase": nn.RNNCellBase},
    "sparse": {},
    "transformer": {"_get_clones": transformer._copies},
    "upsampling": {},
    "utils": {
        "_ntuple": _repeated,
        "_single": _repeated(1),
        "_pair": _repeated(2),
        "_triple": _repeated(3),
        "_quadruple": _repeated(4),
    },
}
_path("nn.modules", nn)
for _name, _members in _MODULES.items():
    _path(f"nn.modules.{_name}", nn, **_members)
_path("nn.utils.stateless", func, functional_call=func.functional_call)
_path("nn.utils.weight_norm", nn.utils)
_path("nn.utils.spectral_norm", nn.utils)
_path("nn.common_types", nn, **{f"_size_{n}_t": int | tuple[int, ...] for n in ("any", 1, 2, 3)})
_path("nn.parallel", nn)
_path("nn.parallel.data_parallel", nn)

for _name in """
    bernoulli beta binomial categorical cauchy chi2 constraint_registry continuous_bernoulli
    dirichlet exponential exp_family fishersnedecor gamma generalized_pareto geometric gumbel
    half_cauchy half_normal inverse_gamma kumaraswamy laplace lkj_cholesky log_normal
    logistic_normal lowrank_multivariate_normal mixture_same_family multinomial multivariate_normal
    negative_binomial normal one_hot_categorical pareto poisson relaxed_bernoulli
    relaxed_categorical studentT transformed_distribution uniform von_mises weibull wishart
""".split():
    _path(f"distributions.{_name}", distributions)

_path("autograd.gradcheck", func)
_path("signal.windows.windows", signal.windows)
_path("utils.data.distributed", utils.data)
_path("utils.data._utils", utils.data)
_path("utils.data._utils.collate", utils.data)
_path("utils.hooks", autograd.hooks)
_path("utils.tensorboard.writer", utils.tensorboard)
sys.modules["lenetc.random"] = random
sys.modules["lenetc.compiler"].__dict__.update(COMPILER, __getattr__=names_of("lenetc.compiler"))
