"""Functions and their gradients in f32, no further from f64 than PyTorch's own are, or than 4 units of the last place.

Bin by bin over the whole range: where PyTorch subtracts nearly equal numbers it may be far off, and only there may we.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from tests.lenetc.operations.test_accuracy import both, errors
from tests.parity.torch_functions import torch

TF = torch.nn.functional
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    **{
        name: (getattr(lenetc, name), getattr(torch, name))
        for name in (
            *("exp", "log", "sqrt", "rsqrt", "reciprocal", "sin", "cos", "tanh", "sigmoid", "erf", "erfc"),
            *(
                "exp2",
                "expm1",
                "log2",
                "log10",
                "log1p",
                "tan",
                "asin",
                "acos",
                "atan",
                "sinh",
                "cosh",
                "asinh",
            ),
            *("acosh", "atanh", "sinc", "erfinv", "lgamma", "digamma", "logit", "frac", "deg2rad"),
        )
    },
    "logaddexp": (lambda x: lenetc.logaddexp(x, x * 0.5), lambda x: torch.logaddexp(x, x * 0.5)),
    "hypot": (lambda x: lenetc.hypot(x, x * 0.5), lambda x: torch.hypot(x, x * 0.5)),
    "atan2": (lambda x: lenetc.atan2(x, x + 1), lambda x: torch.atan2(x, x + 1)),
    "xlogy": (lambda x: lenetc.xlogy(x, x), lambda x: torch.xlogy(x, x)),
    "logaddexp2": (lambda x: lenetc.logaddexp2(x, x * 0.5), lambda x: torch.logaddexp2(x, x * 0.5)),
    **{
        name: (getattr(F, name), getattr(TF, name))
        for name in ("softplus", "logsigmoid", "gelu", "relu", "elu")
    },
    # Below, exp(x) is denormal, which counts as 0.
    "mish": (lambda x: F.mish(x.clamp(min=-87)), lambda x: TF.mish(x.clamp(min=-87))),
    **{
        name: (getattr(lenetc.special, name), getattr(torch.special, name))
        for name in ("erfcx", "log_ndtr", "entr")
    },
    "gelu by tanh": (lambda x: F.gelu(x, "tanh"), lambda x: TF.gelu(x, approximate="tanh")),
    "x**2.5": (lambda x: x**2.5, lambda x: x**2.5),
    "x**-3": (lambda x: x**-3, lambda x: x**-3),
    "bce of 0": (
        lambda x: F.binary_cross_entropy_with_logits(x, lenetc.zeros_like(x), reduction="none"),
        lambda x: TF.binary_cross_entropy_with_logits(x, torch.zeros_like(x), reduction="none"),
    ),
    "bce of 1": (
        lambda x: F.binary_cross_entropy_with_logits(x, lenetc.ones_like(x), reduction="none"),
        lambda x: TF.binary_cross_entropy_with_logits(x, torch.ones_like(x), reduction="none"),
    ),
    "bce of 0.3, weighted": (
        lambda x: F.binary_cross_entropy_with_logits(
            x, lenetc.full_like(x, 0.3), reduction="none", pos_weight=lenetc.tensor(2.0)
        ),
        lambda x: TF.binary_cross_entropy_with_logits(
            x, torch.full_like(x, 0.3), reduction="none", pos_weight=torch.tensor(2.0, dtype=x.dtype)
        ),
    ),
    "huber": (
        lambda x: F.huber_loss(x, lenetc.zeros_like(x), reduction="none"),
        lambda x: TF.huber_loss(x, torch.zeros_like(x), reduction="none"),
    ),
}
# Gradients that are 0 somewhere, gelu's at -0.75, mish's at -1.19 and entr's at 0.37.
SLACK = {"gelu by tanh": 1.5, "mish": 1.5, "entr": 1.5}


def theirs(function: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    x = torch.from_numpy(x).requires_grad_()
    y = function(x)
    y.backward(torch.ones_like(y))
    return y.detach().numpy(), x.grad.numpy()


def test_lgamma_keeps_its_digits_where_it_is_small() -> None:
    x = np.concatenate(
        [np.linspace(-0.9, 5, 500), 1 + np.geomspace(1e-12, 0.1, 50), 2 - np.geomspace(1e-12, 0.1, 50)]
    )
    value, _ = both(lenetc.lgamma, x, "compiled")
    np.testing.assert_allclose(value, theirs(torch.lgamma, x)[0], rtol=2e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_further_off_than_pytorch(name: str) -> None:
    mine, reference = FUNCTIONS[name]
    edges = np.concatenate([-np.geomspace(100, 1e-3, 120), [0], np.geomspace(1e-3, 100, 120)])
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(a, b, 400) for a, b in itertools.pairwise(edges)])
    x = x.astype(np.float32)
    found, expected, exact = (
        both(mine, x, "compiled"),
        theirs(reference, x),
        theirs(reference, x.astype(np.float64)),
    )
    for what, got, want, wide in zip(("value", "gradient"), found, expected, exact, strict=True):
        with np.errstate(all="ignore"):
            ours, torchs = (errors(y, wide).reshape(-1, 400).max(1) for y in (got, want))
        allowed = np.maximum(4, 1.5 * torchs) * SLACK.get(name, 1)
        worst = int((ours / allowed).argmax())
        assert (ours <= allowed).all(), (
            f"the {what} of {name} between {edges[worst]:.4g} and {edges[worst + 1]:.4g} is off by "
            f"{ours[worst]:.3g} units, PyTorch's by {torchs[worst]:.3g}"
        )
