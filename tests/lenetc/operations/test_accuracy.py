"""Elementary functions and their gradients over the whole range of f32 and f64, against a wider type.

Lazily computed, compiled and as an exported file in a plain session of ONNX Runtime: grids, random bit patterns,
infinities, NaN. A result is right to 4 units of its last place in f32 and to 1e-14 in f64; denormal numbers, and
what is made of them, count as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest

import lenetc
import lenetc.nn.functional as F
from ir.types import Array

WIDE = {np.float32: np.float64, np.float64: np.longdouble}
MODES = ("lazy", "compiled", "exported")
SMALL = 16  # results up to so many times the smallest normal number may come out as 0


class Case(NamedTuple):
    """A function, and value and derivative of it in a wide type. ulps: what the derivative, or both, may be off in
    f32, where PyTorch is off by as much."""

    function: Callable[[Any], Any]
    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    ulps: tuple[float, float] = (4.0, 4.0)


def sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e)) + 0 * e


def softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def erf(x: Array) -> Array:
    """By a series of positive terms, 2 / sqrt(pi) exp(-x²) (x + 2 x³ / 3 + 4 x⁵ / 15 + ...)."""
    near = np.clip(x, -6.5, 6.5)
    term = total = near
    for n in range(1, 160):
        term = term * (2 * near * near / (2 * n + 1))
        total = total + term
    return total * np.exp(-near * near) * 2 / np.sqrt(4 * np.arctan(x.dtype.type(1)))


def power(exponent: float) -> Case:
    return Case(
        lambda x: x**exponent,
        lambda x: x ** x.dtype.type(exponent),
        lambda x: exponent * x ** x.dtype.type(exponent - 1),
    )


CASES = {
    "exp": Case(lenetc.exp, np.exp, np.exp),
    "log": Case(lenetc.log, np.log, lambda x: 1 / x),
    "sqrt": Case(lenetc.sqrt, np.sqrt, lambda x: 1 / (2 * np.sqrt(x))),
    "rsqrt": Case(lenetc.rsqrt, lambda x: 1 / np.sqrt(x), lambda x: -1 / (2 * x * np.sqrt(x))),
    "reciprocal": Case(lenetc.reciprocal, lambda x: 1 / x, lambda x: -1 / x / x),
    "square": Case(lenetc.square, lambda x: x * x, lambda x: 2 * x),
    "sin": Case(lenetc.sin, np.sin, np.cos),
    "cos": Case(lenetc.cos, np.cos, lambda x: -np.sin(x)),
    "tanh": Case(lenetc.tanh, np.tanh, lambda x: 1 / np.cosh(x) ** 2, (1.0, 4.0)),
    "sigmoid": Case(lenetc.sigmoid, sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    # Rounding x² costs that many units, in PyTorch too.
    "erf": Case(lenetc.erf, erf, lambda x: np.exp(-x * x) / np.sqrt(np.arctan(x.dtype.type(1))), (4.0, 64.0)),
    # Where PyTorch takes x itself, beyond 20.
    "softplus": Case(
        F.softplus, lambda x: np.where(x > 20, x, softplus(x)), lambda x: np.where(x > 20, 1, sigmoid(x))
    ),
    "logsigmoid": Case(F.logsigmoid, lambda x: -softplus(-x), lambda x: sigmoid(-x)),
    "x**2.5": power(2.5),
    "x**-1.5": power(-1.5),
}


@lru_cache(maxsize=2)
def points(dtype: Any) -> Array:
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    bits = np.frombuffer(rng.bytes(20_000 * info.bits // 8), dtype)
    tens = info.maxexp * 0.3
    both = np.concatenate([np.ones(4_000), -np.ones(4_000)])
    grids = (
        np.linspace(-8, 8, 12_001),
        np.linspace(-1, 1, 8_000) * (110 if dtype is np.float32 else 800),
        both * 10 ** rng.uniform(-tens, 0, 8_000),
        both * 10 ** rng.uniform(0, tens, 8_000),
        np.arange(-64, 65) * np.pi / 2,
        (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, info.tiny, info.max),
    )
    with np.errstate(all="ignore"):
        x = np.concatenate([bits, *(np.asarray(grid).astype(dtype) for grid in grids)])
    return np.where(np.abs(x) < info.tiny, np.copysign(dtype(0), x), x)


def both(function: Callable[[Any], Any], x: Array, mode: str) -> tuple[Array, Array]:
    """The value and the gradient for x."""

    def graded(x: Any) -> Any:
        x = x.detach().requires_grad_()
        y = function(x)
        y.backward(lenetc.ones_like(y))
        return y.detach(), x.grad

    if mode == "lazy":
        y, gradient = graded(lenetc.tensor(x))
        return y.numpy(), gradient.numpy()
    compiled = lenetc.compile(graded, device="cpu")
    if mode == "compiled":
        y, gradient = compiled(lenetc.tensor(x))
        return y.numpy(), gradient.numpy()
    model = compiled.lower(lenetc.tensor(x)).onnx
    assert {opset.domain for opset in model.opset_import} == {""}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    y, gradient = session.run(None, {session.get_inputs()[0].name: x})
    return y, gradient


def errors(got: Array, want: Array) -> Array:
    """In units of the last place of got's dtype; 0 where both are NaN, or the same infinity, or as good as 0."""
    info = np.finfo(got.dtype)
    wide = got.astype(want.dtype)
    limit = want.dtype.type(2) ** info.maxexp
    want = np.where(np.abs(want) >= limit * (1 - 2.0 ** (-info.nmant - 2)), np.copysign(np.inf, want), want)
    _, exponent = np.frexp(np.where(np.isfinite(want), want, 1))
    unit = want.dtype.type(2) ** (np.maximum(exponent - 1, info.minexp) - info.nmant)
    off = np.abs(wide - want) / unit
    right = (wide == want) | (np.isnan(wide) & np.isnan(want))
    right |= (np.abs(want) < SMALL * info.tiny) & (np.abs(wide) <= info.tiny)
    return np.where(right, 0, np.where(np.isnan(off), np.inf, off))


def assert_right(what: str, x: Array, got: Array, want: Array, ulps: float) -> None:
    with np.errstate(all="ignore"):
        off = errors(got, want)
    worst = int(off.argmax())
    assert off[worst] <= ulps, (
        f"{what} at {x[worst]!r} is {got[worst]!r} instead of {want[worst]!r}, off by {off[worst]:.3g} units; "
        f"{(off > ulps).sum()} of {off.size} are off by more than {ulps:.3g}"
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str, dtype: Any, mode: str) -> None:
    case, x = CASES[name], points(dtype)
    if np.finfo(np.longdouble).nmant < 60 and dtype is np.float64:
        pytest.skip("this machine has no wider type than f64")
    y, gradient = both(case.function, x, mode)
    with np.errstate(all="ignore"):
        wide = x.astype(WIDE[dtype])
        value, derivative = case.value(wide), case.derivative(wide)
    in_f64 = 1e-14 / np.finfo(np.float64).eps
    if mode == "exported" and name == "tanh":  # by the kernel for f32, as not all runtimes have f64
        case = case._replace(ulps=(6.0, 4.0))
    ulps = case.ulps if dtype is np.float32 else (in_f64, max(in_f64, case.ulps[1] * 10))
    assert_right(name, x, y, value, ulps[0])
    kink = name.startswith(("rsqrt", "x**")) & (x == 0)  # of either sign, where derivatives differ in theirs
    assert_right(f"the gradient of {name}", x[~kink], gradient[~kink], derivative[~kink], ulps[1])


@pytest.mark.parametrize("mode", MODES)
def test_binary_cross_entropy_keeps_its_gradient(mode: str) -> None:
    """sigmoid(x) for targets of 0, however small."""
    x = np.linspace(-85, 85, 4_001, dtype=np.float32)

    def loss(x: Any) -> Any:
        return F.binary_cross_entropy_with_logits(x, lenetc.zeros_like(x), reduction="none")

    _, gradient = both(loss, x, mode)
    assert_right("the gradient", x, gradient, sigmoid(x.astype(np.float64)), 4)


@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives_of_functions_with_two_formulas(mode: str) -> None:
    x = np.linspace(-6, 6, 241, dtype=np.float64)

    def slope(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def derived(x: Any) -> Any:
            (found,) = lenetc.autograd.grad(function(x).sum(), [x], create_graph=True)
            return found

        return derived

    def loss(x: Any) -> Any:
        return F.binary_cross_entropy_with_logits(x, lenetc.full_like(x, 0.25), reduction="none")

    s = sigmoid(x)
    for function, second in (
        (lenetc.tanh, -2 * np.tanh(x) / np.cosh(x) ** 2),
        (lenetc.sigmoid, s * (1 - s) * (1 - 2 * s)),
        (loss, s * (1 - s)),
    ):
        _, gradient = both(slope(function), x, mode)
        np.testing.assert_allclose(gradient, second, rtol=1e-9, atol=1e-14)
