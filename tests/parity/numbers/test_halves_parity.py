"""Functions of halves are computed in f32 and rounded once: values and gradients no further off than PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.types import Array
from tests.parity.torch_functions import torch

# `f` is the library's functional part. Of gradients that vanish somewhere only the value is compared.
VALUES: dict[str, Callable[[Any, Any], Any]] = {
    "gelu": lambda f, x: f.gelu(x),
    "gelu by tanh": lambda f, x: f.gelu(x, approximate="tanh"),
    "silu": lambda f, x: f.silu(x),
    "mish": lambda f, x: f.mish(x),
    "hardswish": lambda f, x: f.hardswish(x),
    "round": lambda f, x: x.round(decimals=2),
    "cosine similarity": lambda f, x: f.cosine_similarity(x[:, None] * 300, x[:, None] + 1),
    "huber": lambda f, x: f.huber_loss(x, x * 0, reduction="none", delta=0.7),
}
BOTH: dict[str, Callable[[Any, Any], Any]] = {
    "elu": lambda f, x: f.elu(x, alpha=0.3),
    "celu": lambda f, x: f.celu(x, alpha=2.5),
    "selu": lambda f, x: f.selu(x),
    "hardsigmoid": lambda f, x: f.hardsigmoid(x),
    "leaky relu": lambda f, x: f.leaky_relu(x, 0.01),
    "softplus": lambda f, x: f.softplus(x, beta=3.0),
    "logsigmoid": lambda f, x: f.logsigmoid(x),
    "exp2": lambda f, x: x.exp2(),
    "log2": lambda f, x: x.abs().log2(),
    "rsqrt": lambda f, x: x.abs().rsqrt(),
    "asinh": lambda f, x: x.asinh(),
    "times a number": lambda f, x: x * 0.3,
    "over a number": lambda f, x: x / 0.7,
    "a number over it": lambda f, x: 0.3 / x,
    "lerp": lambda f, x: x.lerp(x * -2, 0.3),
    "addcmul": lambda f, x: x.addcmul(x, x * 0 + 2, value=-0.3),
    "addcdiv": lambda f, x: x.addcdiv(x, x * 0 + 2, value=-1.7),
}


def computed(library: Any, function: Callable[[Any, Any], Any], x: Array, dtype: str) -> tuple[Array, Array]:
    leaf = library.tensor(x).to(getattr(library, dtype)).requires_grad_()
    y = function(library.nn.functional, leaf)
    if y.requires_grad:
        y.backward(library.ones_like(y))
    none = np.zeros_like(x)
    return y.detach().double().numpy(), none if leaf.grad is None else leaf.grad.double().numpy()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", [*VALUES, *BOTH])
def test_no_further_off_than_pytorch(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-6, 6, 2_000), rng.uniform(-200, 200, 500), rng.uniform(-3e4, 3e4, 100)])
    x = torch.from_numpy(x).to(getattr(torch, dtype)).double().numpy()
    function = (VALUES | BOTH)[name]
    mine, theirs, exact = (
        computed(library, function, x, wide)
        for library, wide in ((lenetc, dtype), (torch, dtype), (torch, "float64"))
    )
    digits, least = (2.0**-10, 2.0**-14) if dtype == "float16" else (2.0**-7, 2.0**-100)
    for got, want, true in zip(
        *(found[: 1 + (name in BOTH)] for found in (mine, theirs, exact)), strict=True
    ):
        unit = digits * np.maximum(np.abs(true), least)
        ignored = np.isnan(true) | (
            name.startswith("gelu") & (np.abs(true) < 1e-4)
        )  # where f32 has few digits too
        with np.errstate(invalid="ignore"):  # of infinities
            ours, torchs = (
                np.where((found == true) | ignored, 0, np.abs(found - true) / unit) for found in (got, want)
            )
        assert (np.isnan(got) == np.isnan(want)).all()
        ours, torchs = np.where((got == want) | np.isnan(got), 0, ours), np.nan_to_num(torchs)
        assert (ours <= np.maximum(1.01, torchs)).all(), (
            f"{name} at {x[ours.argmax()]} is {got[ours.argmax()]} instead of {true[ours.argmax()]}"
        )


PRODUCTS: dict[str, Callable[..., Any]] = {
    "linear": lambda lib, a, x, y: lib.nn.functional.linear(x, y.t(), a[0]),
    "linear of a stack": lambda lib, a, x, y: lib.nn.functional.linear(x[None], y.t(), a[0]),
    "addmm": lambda lib, a, x, y: lib.addmm(a, x, y),
    "addmm with factors": lambda lib, a, x, y: lib.addmm(a, x, y, beta=0.3, alpha=1.7),
    "baddbmm": lambda lib, a, x, y: lib.baddbmm(a[None], x[None], y[None], beta=0.3, alpha=1.7),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_with_what_is_added_are_rounded_once(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in ((32, 48), (32, 64), (64, 48))]
    narrow = [torch.from_numpy(array).to(getattr(torch, dtype)).float().numpy() for array in arrays]
    with torch.no_grad():
        exact = PRODUCTS[name](torch, *(torch.from_numpy(array).double() for array in narrow)).numpy()
    leaves = [lenetc.tensor(array).to(getattr(lenetc, dtype)).requires_grad_() for array in narrow]
    found = PRODUCTS[name](lenetc, *leaves)
    unit = 2.0**-10 if dtype == "float16" else 2.0**-7
    off = np.abs(found.detach().double().numpy() - exact) / (unit * np.maximum(np.abs(exact), 2.0**-6))
    assert off.max() < 0.6
    found.float().sum().backward()
    assert all(leaf.grad is not None for leaf in leaves)


@pytest.mark.parametrize("name", ["hardswish", "gelu by tanh", "elu", "selu", "celu"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_slopes_where_nothing_is_finite(name: str, dtype: str) -> None:
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -1.5, 6.0, -3.0, 3.0, 1e-3, 1e19, -1e19])
    x = x[np.isfinite(x)] if name == "gelu by tanh" else x
    function = (VALUES | BOTH)[name]
    mine, theirs = (computed(library, function, x, dtype) for library in (lenetc, torch))
    for got, want in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-2 if dtype == "bfloat16" else 2e-5, atol=1e-30)


@pytest.mark.parametrize(
    "function",
    [
        lambda lib, x, z: lib.clamp(x, z, z.abs()),
        lambda lib, x, z: lib.xlogy(x, z),
        lambda lib, x, z: lib.special.xlog1py(x, z),
        lambda lib, x, z: lib.nn.functional.prelu(x[None], z),
    ],
    ids=["clamp", "xlogy", "xlog1py", "prelu"],
)
def test_slopes_of_two_operands_where_they_tie_or_are_not_finite(function: Callable[..., Any]) -> None:
    numbers = (0.0, 1.0, -1.0, 2.5, np.inf, -np.inf, np.nan)
    x, z = (np.ravel(side) for side in np.meshgrid(numbers, numbers))
    found = []
    for library in (lenetc, torch):
        a, b = (library.tensor(side, dtype=library.float64, requires_grad=True) for side in (x, z))
        y = function(library, a, b)
        y.backward(library.ones_like(y))
        found.append([v.detach().numpy() for v in (y, a.grad, b.grad)])
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(got, want)


def test_slopes_that_cancel_out() -> None:
    """Of sinc near 0; of powers of and to numbers that f32 rounds."""
    x = np.concatenate([np.geomspace(1e-37, 0.4, 200), np.geomspace(0.4, 30, 100)]).astype(np.float32)
    wide = x.astype(np.float64)
    p = np.pi * wide
    sinc = np.where(p < 0.01, -np.pi * (p / 3 - p**3 / 30), (np.cos(p) - np.sin(p) / p) / wide)
    for function, slope in (
        (lambda f, x: x.sinc(), sinc),
        (lambda f, x: x ** (1 / 3), wide ** (-2 / 3) / 3),
        (lambda f, x: 1.0001**x, 1.0001**wide * np.log(1.0001)),
        (lambda f, x: x.log2(), 1 / wide / np.log(2)),
    ):
        _, found = computed(lenetc, function, x, "float32")
        np.testing.assert_allclose(found, slope, rtol=1e-5, atol=1e-6 if slope is sinc else 0)
        np.testing.assert_allclose(found[x < 0.1], slope[x < 0.1], rtol=1e-5, atol=1e-36)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_whole_quotients_are_those_of_the_number_itself(dtype: str) -> None:
    x = np.concatenate([np.linspace(-40, 40, 600), [0.0, 1e-3, 300.0]]).astype(np.float32)
    forms: tuple[Callable[[Any, Any, float], Any], ...] = (
        lambda t, x, n: x // n,
        lambda t, x, n: t.floor_divide(x, n),
        lambda t, x, n: t.div(x, n, rounding_mode="floor"),
        lambda t, x, n: t.div(x, n, rounding_mode="trunc"),
    )
    for number in (0.1, 1 / 3, -0.7, 3.3, 1e-5, 1e5, 2049.0):
        for form in forms:
            mine, theirs = (
                form(library, library.from_numpy(x.copy()).to(getattr(library, dtype)), number)
                .float()
                .numpy()
                for library in (lenetc, torch)
            )
            np.testing.assert_array_equal(mine, theirs, f"{number}")


ADDED: dict[str, Callable[[Any, Any, Any, Any, Any], Any]] = {
    "addmv": lambda t, a, b, v, w: t.addmv(w[:6], a[0], v),
    "addmv, scaled": lambda t, a, b, v, w: t.addmv(w[:6], a[0], v, beta=0.3, alpha=-1.5),
    "addmv, alone": lambda t, a, b, v, w: t.addmv(w[:6], a[0], v, beta=0, alpha=0.3),
    "addbmm": lambda t, a, b, v, w: t.addbmm(w[:5], a, b),
    "addbmm, scaled": lambda t, a, b, v, w: t.addbmm(w[:5], a, b, beta=0.3, alpha=0.7),
    "baddbmm": lambda t, a, b, v, w: t.baddbmm(w[:5], a, b, beta=0.3, alpha=0.7),
    "addmm": lambda t, a, b, v, w: t.addmm(w[:5], a[0], b[0], beta=0.3, alpha=0.7),
    "addr": lambda t, a, b, v, w: t.addr(a[0], w[:6], v, beta=0.3, alpha=0.7),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ADDED)
def test_added_products_are_rounded_once(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [
        torch.from_numpy(rng.standard_normal(shape)).to(getattr(torch, dtype)).float().numpy()
        for shape in ((3, 6, 8), (3, 8, 5), (8,), (8,))
    ]
    halves = [lenetc.from_numpy(x).to(getattr(lenetc, dtype)) for x in arrays]
    found = ADDED[name](lenetc, *halves).float().numpy()
    exact = ADDED[name](torch, *(torch.from_numpy(x).double() for x in arrays)).numpy()
    unit = 2.0 ** (np.floor(np.log2(np.abs(exact))) - (10 if dtype == "float16" else 7))
    assert (np.abs(found - exact) / unit).max() < 0.51
