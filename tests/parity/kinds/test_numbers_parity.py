"""Numbers that a dtype does not hold, and small integers that overflow on the way: PyTorch's values and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lenetc
from ir.errors import DTypeError
from tests.parity.kinds.alike import check_all
from tests.parity.torch_functions import torch

FILLED = [
    *(
        "x.fill_({n}); x",
        "t.full_like(x, {n})",
        "x[0] = {n}; x",
        "x.masked_fill(x > 1, {n})",
        "x.index_fill(0, i, {n})",
    ),
    *("x.scatter(0, i, {n})", "t.where(x > 1, x, {n})"),
    *("t.where(x > 1, {n}, x)", "x[i] = {n}; x"),
]
LIMITS = [
    "F.threshold(x, {n}, 1)",
    "F.threshold(x, 1, {n})",
    "F.hardtanh(x, 0, {n})",
    "F.pad(x, (1, 1), value={n})",
]


@pytest.mark.parametrize(
    ("dtype", "numbers"),
    [
        ("f32", (1e39, -1e39, np.inf, 3e38)),
        ("f16", (-1e9, 1e5, -np.inf, 6e4)),
        ("u8", (-1, -255, 256, 2.5, -0.5, -3.0)),
        ("i32", (2.5, 2**31, -(2**31))),
        ("bool", (2.5, -1)),
    ],
)
def test_tensors_filled_with_a_number(dtype: str, numbers: tuple[float, ...]) -> None:
    values = {"x": ([0, 1, 2], dtype), "i": ([1, 0], "i64")}
    check_all([code.format(n=repr(n)) for n in numbers for code in FILLED], values)


def test_single_halves_take_infinity() -> None:
    whole = [
        code.format(n=n)
        for code in ("t.full_like(x, {n})", "x.fill_({n}); x", "t.full(x.shape, {n}, dtype=x.dtype)")
        for n in ("1e39", "-1e9", "100000")
    ]
    for value in (1, [1], [[1]], [1, 2]):
        check_all(whole, {"x": (value, "f16")})


@pytest.mark.parametrize("dtype", ["u8", "i32", "f32"])
def test_limits_and_fillings_given_as_a_number(dtype: str) -> None:
    numbers = ("2.7", "-3", "-0.5", "inf", "-inf", "np.nan", "300", "2**40", "1e30")
    check_all([code.format(n=n) for n in numbers for code in LIMITS], {"x": ([0, 1, 2, 100], dtype)})


def test_limits_that_halves_do_not_hold() -> None:
    check_all(
        ["x.clamp(max=1e30)", "x.clamp(min=-1e5, max=1)", "x.clamp(-inf, 2)", "x.clamp(min=-6e4)"],
        {"x": ([0.5, 3], "f16")},
    )


@pytest.mark.parametrize("dtype", ["f16", "u8", "i32", "bool"])
def test_padding_with_a_number(dtype: str) -> None:
    numbers = (300, 2.5, 1e6, 2**40, np.inf, True)
    check_all([f"F.pad(x, (1, -1), value={n!r})" for n in numbers], {"x": ([0, 1, 2], dtype)})


def test_integers_that_overflow_on_the_way() -> None:
    small, wide = ([100, 7, 0], "u8"), ([300, 5, 1], "i32")
    check_all(
        [
            *(
                "t.addcmul(y, x, x, value=2)",
                "t.addcmul(y, x, x, value=2.5)",
                "t.trapezoid(x)",
                "t.trapz(x, dx=2)",
            ),
            *("t.gcd(x.bool(), y)", "t.lcm(y, x > 3)", "t.gcd(x > 1, x > 1)", "t.ldexp(x.half(), x)"),
            *("t.ldexp(t.ones(1).double(), t.tensor([1000]))", "t.clamp(x > 1, min=x > 3)"),
            *("(x.float() + 0.9999).half().byte()", "(x.float() + 0.9999).bfloat16().to(t.int8)"),
            *(
                "x.masked_fill(x > 1, t.tensor(2.5))",
                "x.index_fill(0, y[2:].long(), t.tensor(2.5))",
                "x[:0].float().median()",
                "x[:0].argmax()",
                "x[:0].mode()",
                "x[0].unbind()",
                "t.diag_embed(x[0])",
            ),
        ],
        {"x": small, "y": wide},
    )


def test_numbers_of_numpy_in_lists_keep_their_dtype() -> None:
    lists = (
        "[np.float64(2.5), 1]",
        "[[1, 2.5], [np.float64(3), 1]]",
        "[np.int32(3), np.int32(4)]",
        "[1, np.int32(4)]",
    )
    more = (
        "[1.5, 2]",
        "[np.float32(1), 2.5]",
        "[np.array([1.5, 2]), np.array([0.5, 1])]",
        "[True, False]",
        "[]",
    )
    check_all([f"t.tensor({data})" for data in (*lists, *more)], {})


def test_small_integers_are_no_indices() -> None:
    codes = ("x[i]", "x[:1, i]", "x[i] = 1; x", "x[i, 0]", "x[..., i] += 1; x", "x[i[0]]")
    for dtype in ("int8", "int16"):
        check_all(
            [f"i = i.to(t.{dtype}); {code}" for code in codes],
            {"x": ([[1.5, 2], [3, 4]], "f32"), "i": ([1, 0], "i64")},
        )


def test_what_is_no_probability_is_refused() -> None:
    codes = [
        f"F.binary_cross_entropy(t.tensor([{x}]), t.tensor([{y}]))" for x in (0.5, 1.0) for y in (0.0, 1.0)
    ]
    codes += [
        f"F.binary_cross_entropy(t.tensor([0.5]), t.tensor([{y}]))" for y in ("1.5", "-0.1", "float('nan')")
    ]
    codes += ["F.binary_cross_entropy(t.tensor([1.1]), t.tensor([1.0]))"]
    check_all(codes, {})
    step = lenetc.compile(lambda x, y: lenetc.nn.functional.binary_cross_entropy(x, y))
    assert step(lenetc.tensor([0.5]), lenetc.tensor([1.0])).item() == pytest.approx(np.log(2))
    with pytest.raises(RuntimeError, match="of target should be between 0 and 1"):
        step(lenetc.tensor([0.5]), lenetc.tensor([2.0])).item()


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_losses_name_the_argument_that_is_not_float(loss: str) -> None:
    function = getattr(lenetc.nn.functional, loss)
    half, one = lenetc.tensor([0.5]), lenetc.tensor([1])
    with pytest.raises(DTypeError, match=f"{loss}: the target i64.1. should have the dtype of the input"):
        function(half, one)
    with pytest.raises(DTypeError, match=f"{loss}: the weight bool"):
        function(half, half, weight=one.bool())
    with pytest.raises(DTypeError, match=f"{loss}: the input must be floating point"):
        function(one, one)


def test_numbers_that_halves_take_for_infinite() -> None:
    check_all(["t.tensor([1e6, -1e6], dtype=t.float16)", "t.tensor(1e6, dtype=t.float16)"], {})


def test_what_retains_its_gradient() -> None:
    for library in (torch, lenetc):
        x = library.ones(2, requires_grad=True)
        y = x * 2
        before = y.retains_grad
        y.retain_grad()
        assert (x.retains_grad, before, y.retains_grad, (y * 1).retains_grad) == (False, False, True, False)


def test_what_is_missing_is_an_index_error() -> None:
    for wrong in (
        lambda x: x[:0].argmax(),
        lambda x: x[:0].max(0),
        lambda x: x[0].unbind(),
        lambda x: lenetc.diag_embed(x[0]),
        lambda x: lenetc.trapezoid(x[0]),
    ):
        with pytest.raises(IndexError):
            wrong(lenetc.ones(3))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_floats_in_lists_fit_an_integer_dtype_or_are_refused(dtype: str) -> None:
    for value in (
        math.nan,
        math.inf,
        3e9,
        1e20,
        300.0,
        -1.0,
        -129.0,
        255.9,
        256.0,
        -0.5,
        127.9,
        128.0,
        -(2.0**63),
    ):
        for data in (value, [value]):
            try:
                wanted = torch.tensor(data, dtype=getattr(torch, dtype)).tolist()
            except RuntimeError:
                with pytest.raises(DTypeError, match="without overflow"):
                    lenetc.tensor(data, dtype=getattr(lenetc, dtype))
            else:
                assert lenetc.tensor(data, dtype=getattr(lenetc, dtype)).tolist() == wanted
