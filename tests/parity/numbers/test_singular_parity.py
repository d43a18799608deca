"""Points at which formulas divide by 0 or tie, and infinities: values and gradients are PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from tests.parity.numbers.test_nan_parity import INF, NAN, assert_same, theirs
from tests.parity.torch_functions import torch

TF = torch.nn.functional

# Functions of both libraries, and the numbers that they are tried with.
LINE = (0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, INF, -INF, NAN, 1e30, -1e-30)
POINTS: dict[str, tuple[Callable[[Any, Any], Any], tuple[float, ...]]] = {
    "sqrt": (lambda lib, x: lib.sqrt(x), LINE),
    "rsqrt": (lambda lib, x: lib.rsqrt(x), LINE),
    "log": (lambda lib, x: lib.log(x), LINE),
    "reciprocal": (lambda lib, x: lib.reciprocal(x), LINE),
    "exp": (lambda lib, x: lib.exp(x), LINE),
    "tanh": (lambda lib, x: lib.tanh(x), LINE),
    "sigmoid": (lambda lib, x: lib.sigmoid(x), LINE),
    "erf": (lambda lib, x: lib.erf(x), (*LINE[:6], INF, -INF, NAN)),
    "abs": (lambda lib, x: lib.abs(x), LINE),
    "sign": (lambda lib, x: lib.sign(x) + x, LINE),
    "relu": (lambda lib, x: lib.relu(x), LINE),
    "square": (lambda lib, x: lib.square(x), LINE),
    "clamp": (lambda lib, x: lib.clamp(x, -1, 1), LINE),
    "clamp to one number": (lambda lib, x: lib.clamp(x, 1, 1), LINE),
    "clamp to infinity": (lambda lib, x: lib.clamp(x, min=-INF, max=INF), LINE),
    "half": (lambda lib, x: x / 2 + 3 / x, LINE),
    "ratio": (lambda lib, x: x / x, LINE),
    "where": (lambda lib, x: lib.where(x > 0, lib.log(x), x), LINE),
    **{
        f"x**{power}": (lambda lib, x, power=power: x**power, LINE)
        for power in (0, 0.0, 1, 2, 3, 4, 0.5, -0.5, -1, -2, 2.5, -1.5, 2.0, 3.0)
    },
    **{f"{base}**x": (lambda lib, x, base=base: base**x, LINE) for base in (0.0, 1.0, 2.0, 0.5)},
    **{
        name: (lambda lib, x, name=name: getattr(lib, name)(x), LINE)
        for name in (
            *("exp2", "expm1", "log2", "log10", "log1p", "asin", "acos", "atan", "sinh", "cosh", "asinh"),
            *("acosh", "atanh", "sinc", "erfc", "erfinv", "lgamma", "logit", "ceil", "trunc"),
            *("floor", "round", "sgn", "angle", "nan_to_num"),
        )
    },
    # The slope of PyTorch has nine digits, and at negative whole numbers none.
    "digamma": (lambda lib, x: lib.digamma(x), (0.0, -0.0, INF, -INF, NAN, 1e30)),
    "logit with eps": (lambda lib, x: lib.logit(x, 0.25), LINE),
    "clamp by tensors": (
        lambda lib, x: lib.clamp(x, lib.zeros_like(x), lib.ones_like(x)) + lib.clamp(x, max=x * 2),
        LINE,
    ),
    "clamp by tensors the wrong way round": (
        lambda lib, x: lib.clamp(x, lib.ones_like(x), lib.zeros_like(x)),
        LINE,
    ),
    "copysign": (lambda lib, x: lib.copysign(x, -x), LINE),
    "fmax": (lambda lib, x: lib.fmax(x, lib.zeros_like(x)), LINE),
    "fmin": (lambda lib, x: lib.fmin(x, x * NAN), LINE),
    "atan2": (lambda lib, x: lib.atan2(x, lib.ones_like(x) * 0.5), LINE),
    "atan2 of itself": (lambda lib, x: lib.atan2(x, -x), LINE),
    "hypot": (lambda lib, x: lib.hypot(x, lib.zeros_like(x) + 3), LINE),
    "logaddexp": (lambda lib, x: lib.logaddexp(x, lib.zeros_like(x)), LINE),
    "logaddexp of itself": (lambda lib, x: lib.logaddexp(x, x), LINE),
    "xlogy": (lambda lib, x: lib.xlogy(x, x), LINE),
    "xlogy of 0": (lambda lib, x: lib.xlogy(lib.zeros_like(x), x) + x, LINE),
    "remainder": (lambda lib, x: lib.remainder(x, 0.75) + lib.fmod(x, -0.75), LINE),
    "remainder by it": (lambda lib, x: lib.remainder(x.detach() * 0 + 7, x), (2.0, -2.0, 0.5, INF, 1e30)),
    "floor of a quotient": (lambda lib, x: lib.div(x, 0.1, rounding_mode="floor") + x, LINE),
    "maximum of ties": (lambda lib, x: lib.maximum(x, lib.zeros_like(x)), LINE),
    "minimum of itself": (lambda lib, x: lib.minimum(x, x), LINE),
}
FUNCTIONAL: dict[str, tuple[Callable[[Any, Any], Any], tuple[float, ...]]] = {
    "softplus": (lambda f, x: f.softplus(x), (*LINE, 20.0, 20.5, -100.0)),
    **{
        name: (lambda f, x, name=name: getattr(f, name)(x), (*LINE, 50.0, -50.0))
        for name in (
            *("logsigmoid", "elu", "celu", "selu", "silu", "mish", "softsign", "tanhshrink"),
            *("hardswish", "leaky_relu", "hardshrink", "softshrink"),
        )
    },
    "huber": (lambda f, x: f.huber_loss(x, x.detach() * 0 + 1, reduction="none"), (*LINE[:7], 3.0)),
    "smooth l1": (lambda f, x: f.smooth_l1_loss(x, x.detach() * 0, beta=0.5, reduction="none"), LINE[:7]),
    "l1": (lambda f, x: f.l1_loss(x, x.detach() * 0, reduction="none"), (*LINE[:7], 1e30)),
    "mse": (lambda f, x: f.mse_loss(x, x.detach() * 0, reduction="none"), LINE[:7]),
    "bce": (
        lambda f, x: f.binary_cross_entropy(x, x.detach() * 0 + 0.25, reduction="none"),
        (0, 1, 0.5, 1e-20),
    ),
    "bce of 1": (lambda f, x: f.binary_cross_entropy(x, x.detach() * 0 + 1, reduction="none"), (0, 1, 0.5)),
    "bce with logits": (
        lambda f, x: f.binary_cross_entropy_with_logits(x, x.detach() * 0 + 1, reduction="none"),
        (*LINE[:7], 1e30, -1e30, 50, -50),
    ),
}
ROWS = (
    (0.0, 0.0, 0.0, 0.0),
    (2.0, 2.0, 2.0, 2.0),
    (1.0, 2.0, 2.0, -1.0),
    (-INF, 0.0, 1.0, -INF),
    (-INF, -INF, -INF, -INF),
    (INF, 1.0, 0.0, -1.0),
    (1e30, -1e30, 0.0, 1.0),
    (-3.0, -3.0, 3.0, 3.0),
)
REDUCED: dict[str, Callable[[Any, Any, Any], Any]] = {
    "std": lambda lib, f, x: x.std(1),
    "std of all": lambda lib, f, x: x[:2].std(),
    "std, biased": lambda lib, f, x: x.std(1, unbiased=False),
    "std of one": lambda lib, f, x: x[:, :1].std(1, unbiased=False),
    "var of constants": lambda lib, f, x: x[:2].var(1),
    "norm 1": lambda lib, f, x: x.norm(1, 1),
    "norm 2": lambda lib, f, x: x.norm(2, 1),
    "norm inf": lambda lib, f, x: x.norm(INF, 1),
    **{f"norm {p}": lambda lib, f, x, p=p: lib.norm(x[:3], p, 1) for p in (0.5, -1, 1.5, 3, -INF)},
    "norm of zeros": lambda lib, f, x: lib.norm(x[:1], 3),
    "cdist of equals": lambda lib, f, x: lib.cdist(x[:3], x[:3].detach()),
    "prod": lambda lib, f, x: x[:3].prod(1),
    "prod of zeros": lambda lib, f, x: x[:1, :2].prod(),
    "cumprod": lambda lib, f, x: x[:3].cumprod(1),
    "cumsum": lambda lib, f, x: x.cumsum(1),
    "cummax": lambda lib, f, x: lib.cummax(x, 1).values,
    "cummin": lambda lib, f, x: lib.cummin(x, 1).values,
    "logcumsumexp": lambda lib, f, x: lib.logcumsumexp(x[:3], 1),
    "logsumexp": lambda lib, f, x: lib.logsumexp(x, 1),
    "aminmax": lambda lib, f, x: lib.aminmax(x, dim=1).max - lib.aminmax(x[1:3]).min,
    "median": lambda lib, f, x: x[1:3].median(),
    "median of rows": lambda lib, f, x: x[2].median(0).values,
    "mode": lambda lib, f, x: x[1:3].mode(1).values,
    "quantile": lambda lib, f, x: x[:3].quantile(lib.tensor([0.0, 0.3, 1.0], dtype=x.dtype), 1),
    "nansum": lambda lib, f, x: (x / x).nansum(1),
    "nanmean": lambda lib, f, x: (x * 0).nanmean(1),
    "det of rank 1": lambda lib, f, x: lib.det(x[1:3, :2]),
    "det": lambda lib, f, x: lib.linalg.det(x[[1, 2, 7]][:, [0, 1, 3]]),
    "normalize": lambda lib, f, x: f.normalize(x[:3]),
    "amax": lambda lib, f, x: x.amax(1),
    "amin": lambda lib, f, x: x.amin(1),
    "max": lambda lib, f, x: x[1:3].max(),
    "min": lambda lib, f, x: x.min(),
    "max of rows": lambda lib, f, x: x.max(1).values,
    "tril": lambda lib, f, x: lib.tril(x[:4]),
    "tril above": lambda lib, f, x: lib.tril(x[3:], 1),
    "softmax": lambda lib, f, x: f.softmax(x, 1),
    "log_softmax": lambda lib, f, x: f.log_softmax(x, 1),
    "cross entropy": lambda lib, f, x: f.cross_entropy(
        x, lib.tensor([0, 1, 2, 1, 0, 1, 1, 2]), reduction="none"
    ),
    "cross entropy of nothing": lambda lib, f, x: f.cross_entropy(x[:2], lib.tensor([-100, -100])),
    "layer norm": lambda lib, f, x: f.layer_norm(x[:3], (4,)),
    "batch norm": lambda lib, f, x: f.batch_norm(x[:3], None, None, training=True),
}


def check(function: Callable[[Any, Any], Any], x: Any, upstream: tuple[float, ...]) -> None:
    """`function` takes a library and x. Lazily and compiled."""
    y, gradient, g = theirs(lambda x: function(torch, x), x, upstream)

    def graded(x: Any, g: Any) -> tuple[Any, Any]:
        x = x.detach().requires_grad_()
        found = function(lenetc, x)
        found.backward(g)
        return found.detach(), x.grad

    for way in (graded, lenetc.compile(graded, device="cpu")):
        found, slope = way(lenetc.tensor(x), lenetc.tensor(g))
        assert_same(found.numpy(), y, f"the value at {x.tolist()}")
        assert_same(slope.numpy(), gradient, f"the gradient at {x.tolist()}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("name", POINTS)
def test_functions(name: str, dtype: Any) -> None:
    function, values = POINTS[name]
    check(function, np.array(values, dtype), (1.0, -0.5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("name", FUNCTIONAL)
def test_activations_and_losses(name: str, dtype: Any) -> None:
    function, values = FUNCTIONAL[name]
    check(lambda lib, x: function(TF if lib is torch else F, x), np.array(values, dtype), (1.0, -0.5))


@pytest.mark.parametrize("name", REDUCED)
def test_reductions(name: str) -> None:
    function = REDUCED[name]
    x = np.array(ROWS, np.float64)
    check(lambda lib, x: function(lib, TF if lib is torch else F, x), x, (1.0, -0.5, 2.0))


@pytest.mark.parametrize("scale", [1e-19, 3e18, 1e25])
def test_deviations_whose_squares_are_no_f32(scale: float) -> None:
    x = (np.random.default_rng(0).standard_normal((3, 5)) * scale).astype(np.float32)
    for function in (
        lambda lib, x: x.std() / scale,
        lambda lib, x: x.std(1) / scale,
        lambda lib, x: lib.std_mean(x, 0, unbiased=False)[0] / scale,
        lambda lib, x: x.var(0) / scale / scale if 1 < scale < 1e19 else x.sum(),
    ):
        check(function, x, (1.0, -0.5))
