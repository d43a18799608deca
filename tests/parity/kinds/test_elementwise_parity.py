"""Narrow integers, halves, `out=`, numbers on the left: values, dtypes and errors are PyTorch's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import lenetc
from ir.errors import LenetcError
from tests.parity.kinds.alike import check, check_all, name_of

# PyTorch divides the smallest by -1 with a crash where it truncates.
INTEGERS = [
    *("x + y", "x - y", "x * y", "x // y", "x % y", "x / y", "x ** 2", "-x", "~x", "abs(x)", "x.sign()"),
    *("x << s", "x >> s", "1 << s", "x << 1", "x & y", "x | y", "x ^ y", "x == y", "x < y", "x >= y"),
    *("t.fmod(x, y)", "t.div(x[1:], y[1:], rounding_mode='trunc')", "t.div(x, y, rounding_mode='floor')"),
    *("t.gcd(x, y)", "t.lcm(s, y)", "t.maximum(x, y)", "t.fmin(x, y)", "x.clamp(3, 5)", "x.clamp(min=y)"),
    *("t.where(x > y, x, y)", "x.relu()", "x.max()", "x.argmin()", "x.sum()", "x.prod(dtype=t.int64)"),
    *("x.sum(dtype=x.dtype)", "x[None] @ y[:, None]", "t.cat([x, y])", "x.flip(0) if False else x[1:]"),
    *("7 // y", "7 % y", "x.floor_divide(2)", "z = x; z //= 2; z", "z = x; z %= 3; z", "z = x; z <<= 1; z"),
    *("x.float()", "x.bool()", "x.ceil()", "x.round()", "x.log1p()", "t.isclose(x, y)", "x.signbit()"),
    *("t.copysign(x, y)", "t.logical_xor(x, y)", "t.heaviside(x, y)", "t.bitwise_left_shift(x, 100)"),
]


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8", "int64"])
def test_integers_at_the_ends_of_their_range(dtype: str) -> None:
    info = np.iinfo(dtype)
    x = np.array([info.min, info.max, 5, 0, -1 if info.min else 1, 100], dtype)
    y = np.array([-1 if info.min else 3, 7, 2, 5, 3, info.max], dtype)
    s = np.array([0, 1, 7, info.bits - 1, info.bits, 2], dtype)
    for code in INTEGERS:
        check_both(code, {"x": x, "y": y, "s": s})


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16"])
def test_between_numbers_far_apart(dtype: str) -> None:
    numbers = (0.0, 1.0, -2.5, 3e4, 1e-3, np.inf, -np.inf, np.nan)
    if dtype != "f16":
        numbers += (1e30, -1e30, 1e-30)
    x, y = (each.ravel() for each in np.meshgrid(numbers, numbers))
    weights = (
        "0.0",
        "0.25",
        "0.5",
        "0.75",
        "1.0",
        "2.0",
        "-1.0",
        "x * 0 + 1",
        "y.clamp(0, 1)",
        "t.tensor(0.75)",
    )
    check_all([f"t.lerp(x, y, {w})" for w in weights], {"x": (x, dtype), "y": (y, dtype)})


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16"])
def test_scaling_by_powers_of_2_out_of_range(dtype: str) -> None:
    x = [0.0, -0.0, 1.0, -3.0, 2.0**-14, 6e4, np.inf, np.nan]
    if dtype != "f16":
        x += [2.0**-120, -3e38]
    counts = [0, 1, -1, 24, -24, 100, -100, 127, 200, -250, 1000, -1020, 2_000, 2**31 - 1]
    check_all(
        [
            code
            for n in counts
            for code in (f"t.ldexp(x, t.tensor({n}))", f"t.ldexp(x, t.full(x.shape, {n}, dtype=t.int64))")
        ],
        {"x": (x, dtype)},
    )
    slopes = lenetc.ones(2, requires_grad=True)
    lenetc.ldexp(slopes, lenetc.tensor([3, -2])).sum().backward()
    assert slopes.grad is not None and slopes.grad.tolist() == [8, 0.25]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_divisors_of_the_least_number_are_not_negative(dtype: str) -> None:
    least = int(np.iinfo(dtype).min)
    pairs = [(least, 1), (least, 3), (least, 6), (6, least), (1, least), (least + 1, 3), (0, 5)]
    x, y = (lenetc.tensor(np.array(column, dtype)) for column in zip(*pairs, strict=True))
    assert lenetc.gcd(x, y).tolist() == [math.gcd(a, b) for a, b in pairs]


def check_both(code: str, values: dict[str, Any]) -> None:
    """`code` with arrays as tensors of both libraries."""
    found = {}
    for library in (lenetc, torch):
        space = {name: library.tensor(value) for name, value in values.items()}
        space |= {"t": library, "F": library.nn.functional}
        *statements, last = code.split("; ")
        try:
            exec("\n".join(statements), space)
            value = eval(last, space)
            found[library] = name_of(value.dtype), value.tolist()
        except (RuntimeError, TypeError) as error:
            found[library] = "error"
            assert library is torch or isinstance(error, LenetcError), f"{code}: {error!r}"
    mine, theirs = found[lenetc], found[torch]
    if isinstance(theirs, tuple) and "float" in theirs[0]:
        assert mine[0] == theirs[0], code
        np.testing.assert_allclose(mine[1], theirs[1], 1e-5, 1e-6, err_msg=code)
    else:
        assert mine == theirs, f"{code}: {mine} for {theirs}"


HALVES = [
    *(
        "x + y",
        "x - y",
        "x * y",
        "x / y",
        "x // y",
        "x % y",
        "x ** 2",
        "x + 1",
        "-x",
        "abs(x)",
        "x == y",
        "x > y",
    ),
    *(
        "x.exp()",
        "x.log1p()",
        "x.sqrt()",
        "x.rsqrt()",
        "x.sin()",
        "x.tan()",
        "x.tanh()",
        "x.sigmoid()",
        "x.erf()",
    ),
    *("x.expm1()", "x.atan()", "x.lgamma()", "x.round()", "x.floor()", "x.frac()", "x.relu()", "x.sign()"),
    *("t.where(x > y, x, y)", "x.clamp(0.5, 2)", "t.maximum(x, y)", "t.atan2(x, y)", "t.lerp(x, y, 0.5)"),
    *("x.sum()", "x.mean()", "x.var(0)", "x.amax(1)", "x.argmax()", "x.prod()", "x.norm()", "x.sum(0)"),
    *("x @ y.t()", "F.softmax(x, 1)", "F.gelu(x)", "F.layer_norm(x, (3,))", "t.cat([x, y])", "x[0]", "x.t()"),
    *("x.float()", "x.long()", "x.double()", "x.to(t.bfloat16)", "x.half()", "x * t.ones(2, 3)", "x.isnan()"),
    *("x.expand(4, *x.shape)", "t.argwhere(x)"),
    *("x.nan_to_num()", "t.isfinite(x / 0)", "x.masked_fill(x > y, 0) if False else x", "F.linear(x, y)"),
]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_computed_as_pytorch_does(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.5, 3, (2, 2, 3)).astype(np.float32)
    rounding = {"float16": 2**-9, "bfloat16": 2**-6}
    for code in HALVES:
        results = []
        for library in (lenetc, torch):
            kind = getattr(library, dtype)
            space = {"x": library.tensor(x).to(kind), "y": library.tensor(y).to(kind)}
            results.append(eval(code, space | {"t": library, "F": library.nn.functional}))
        mine, theirs = results
        assert name_of(mine.dtype) == name_of(theirs.dtype), code
        close = rounding.get(name_of(theirs.dtype), rounding[dtype])
        np.testing.assert_allclose(mine.tolist(), theirs.tolist(), close, close, err_msg=code)


def test_training_in_bf16() -> None:
    """Steps of a compiled function, whose state is in bf16."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 3)).astype(np.float32)
    losses = []
    for library in (lenetc, torch):
        w = library.tensor(np.ones((2, 3), np.float32)).to(library.bfloat16).requires_grad_()
        optimizer = library.optim.SGD([w], lr=0.125)

        def step(x: Any, w: Any = w, optimizer: Any = optimizer, library: Any = library) -> Any:
            optimizer.zero_grad()
            loss = library.nn.functional.linear(x, w).square().mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = lenetc.compile(step) if library is lenetc else step
        batch = library.tensor(x).to(library.bfloat16)
        losses.append([run(batch).item() for _ in range(4)] + w.tolist())
    for mine, theirs in zip(*losses, strict=True):
        np.testing.assert_allclose(mine, theirs, 2**-6, 2**-6)


OUT = [
    *(
        "t.add(x, y, out=o)",
        "t.exp(x, out=o)",
        "t.div(x, y, rounding_mode='floor', out=o)",
        "t.eq(x, y, out=o)",
    ),
    *(
        "t.add(x, y, out=i)",
        "t.eq(x, y, out=i)",
        "t.mul(x, 2, out=e)",
        "t.mul(x, 2, out=b)",
        "t.add(g, y, out=o)",
    ),
    "t.special.expit(x, out=o) is o",
    *("t.matmul(x, y, out=o)", "t.argmax(x, out=i)", "t.isposinf(x, out=o)", "F.gelu(x, out=o)"),
    *("t.max(x, 0, out=(o, i))", "t.max(x, y, out=o)", "t.sort(x, out=(g, i))"),
]


@pytest.mark.parametrize("code", OUT)
def test_out(code: str) -> None:
    values = {
        "x": ([1.5, -2.0], "f32"),
        "y": ([0.5, 4.0], "f32"),
        "o": ([0.0, 0.0], "f64"),
        "i": ([0, 0], "i64"),
        "b": ([True, False], "bool"),
        "e": (np.zeros(0), "f32"),
        "g": ([1.0, 2.0], "f32"),
    }
    target = code.partition("out=")[2].lstrip("(")[0]
    check(f"g.requires_grad_(); {code}; ({code}, {target}, {target}.dtype is {target}.dtype)", values)


def test_operators_with_numbers_on_the_left() -> None:
    codes = ["7 // x", "7.5 % x", "2 ** x", "5 << i", "64 >> i", "7 % i", "2.5 // i", "True & (i > 0)"]
    check_all(codes, {"x": ([1.5, -2.0, 0.25], "f32"), "i": ([1, 2, 3], "i64")})


def test_functions_of_the_package_that_change_in_place() -> None:
    names = ["exp_", "zero_", "sigmoid_", "detach_", "neg_"]
    codes = [f"t.{name}(x); x" for name in names] + [f"t.{name}(3)" for name in names]
    check_all([*codes, "t.fill_(x, 2); x", "t.clamp_(x, max=1); x"], {"x": ([1.5, -2.0, 0.25], "f32")})
