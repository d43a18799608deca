"""Functions x dtypes, at the ends of each dtype's range: values, result dtypes and errors are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lenetc
from ir.errors import LenetcError
from tests.parity.kinds.alike import DTYPES, check_all

ENDS = {
    "i64": [[-(2**63), 5, 2**63 - 1], [0, -1, 7]],
    "i32": [[-(2**31), 5, 2**31 - 1], [0, -1, 7]],
    "u8": [[0, 5, 255], [1, 254, 7]],
    "bool": [[True, False, True], [False, False, True]],
    **{dtype: [[1.5, -2.5, 3], [0, -1, 7]] for dtype in ("f32", "f64", "f16")},
}

UNARY = [
    *("-x", "+x", "~x", "abs(x)", "x.neg()", "x.sign()", "x.square()", "x.floor()", "x.relu()", "x.isnan()"),
    *("x.exp()", "x.log()", "x.sqrt()", "x.rsqrt()", "x.reciprocal()", "x.sin()", "x.cos()", "x.tanh()"),
    *("x.sigmoid()", "x.erf()", "x.clone()", "x.logical_not()", "t.bitwise_not(x)", "F.softmax(x, 0)"),
    *("F.relu(x)", "F.gelu(x)", "F.dropout(x, 0.5, False)", "F.one_hot(x)", "F.normalize(x)", "x @ x.t()"),
    *(
        "x.clamp(1, 3)",
        "x.clamp(min=1)",
        "x.clamp(1.5, 2.5)",
        "x.clamp(max=2.5)",
        "x.clamp()",
        "x.clamp(3, 1)",
        "x.clamp(1, t.tensor(3))",
        "x.clamp(t.tensor(1.5), 2)",
        "x.clamp(1, t.tensor([3]))",
    ),
    *(
        "x.float()",
        "x.double()",
        "x.half()",
        "x.long()",
        "x.int()",
        "x.bool()",
        "x.to(t.uint8)",
        "x.double().long()",
    ),
    *(
        "t.zeros_like(x)",
        "t.ones_like(x)",
        "t.full_like(x, 2)",
        "t.full_like(x, 2.5)",
        "t.full_like(x, True)",
    ),
    *("t.where(x > 1, x, 0)", "t.where(x > 1, x, 0.5)", "t.where(x > 1, x, True)", "t.where(x > 1, 1, x)"),
    *("t.where(x > 1, 1.5, 2)", "t.where(x > 1, 1, 2)", "t.where(x, x, x)", "t.rand_like(x).shape"),
    *(
        "t.randn_like(x).shape",
        "F.pad(x, (1, 1))",
        "F.pad(x, (1, 1), value=2)",
        "t.cat([x, x])",
        "t.stack([x, x])",
    ),
    *(
        "t.cat([x, x.float()])",
        "t.stack([x, x.bool()])",
        "x.lerp(x, 0.5)",
        "x.addcmul(x, x)",
        "x.addcdiv(x, x)",
    ),
    *(
        "t.tensor(x.tolist())",
        "x[0, 0].item()",
        "bool(x[0, 0])",
        "int(x[0, 1])",
        "float(x[0, 1])",
        "x.type_as(x[0])",
    ),
    *("t.equal(x, x)", "t.equal(x, x.double())", "t.allclose(x, x)", "t.allclose(x, x.double())"),
    *("F.dropout(x, 0.0)", "x.add(1, alpha=2)", "x.add(1, alpha=2.5)", "x.sub(1, alpha=2)"),
]

REDUCTIONS = [
    *(
        "x.prod()",
        "x.prod(1)",
        "x.prod(0, keepdim=True)",
        "x.prod(-3)",
        "x.prod(dtype=t.int32)",
        "x.argmin()",
    ),
    *("x.prod(dtype=t.float64)", "t.prod(x, 1, True)", "x[0, 0].prod(0)", "x.argmin(1)", "x.argmin(0, True)"),
    *(
        "x.sum()",
        "x.sum(1)",
        "x.sum((0, 1))",
        "x.sum(())",
        "x.sum([])",
        "x.sum(-1, keepdim=True)",
        "x.sum((0, 0))",
    ),
    *(
        "x.sum(2)",
        "x.sum(1.0)",
        "x.sum(True)",
        "x.sum(dtype=t.int32)",
        "x.sum(dtype=t.uint8)",
        "x.sum(dtype=t.bool)",
    ),
    *(
        "x.sum(0, dtype=t.int64)",
        "x.T.sum(0)",
        "x.expand(4, 2, 3).sum(0)",
        "x.mean()",
        "x.mean(0)",
        "x.mean(())",
    ),
    *(
        "x.mean(dtype=t.int64)",
        "x.mean(-3)",
        "x.var()",
        "x.var(0)",
        "x.var(False)",
        "x.var(1, False)",
        "x.var(())",
    ),
    *(
        "x.var(0, True, True)",
        "x.var(unbiased=False)",
        "x.var(correction=2)",
        "x.var(0, correction=5)",
        "x.std()",
    ),
    *("x.std(False)", "x.std(0, False)", "t.std(x, 1, True, True)", "x[0, 0].var()", "x.norm()", "x.norm(1)"),
    *(
        "x.norm(inf)",
        "x.norm(-inf)",
        "x.norm('fro')",
        "x.norm(2, ())",
        "x.norm(2, 1)",
        "x.amax()",
        "x.amax(1)",
    ),
    *(
        "x.amax(())",
        "x.amax((0, 1), True)",
        "x.amin()",
        "x.amin(0)",
        "x.amin((0, 1))",
        "x.amin(1, True)",
        "x.max()",
    ),
    *(
        "x.max(1)",
        "x.max(0, keepdim=True)",
        "x.max(())",
        "x.max((0, 1))",
        "x.max(keepdim=True)",
        "x.min()",
        "x.min(1)",
    ),
    *("x.min(0, True)", "x[0, 0].max(0)", "x[0, 0].min(-1)", "x[0, 0].max(1)", "x.argmax()", "x.argmax(1)"),
    *(
        "x.argmax(1, keepdim=True)",
        "x.argmax(keepdim=True)",
        "x.argmax(())",
        "x[0, 0].argmax(0)",
        "x.all()",
        "x.any()",
    ),
    *(
        "x.all(1)",
        "x.any(0, keepdim=True)",
        "x.all((0, 1))",
        "x.any(())",
        "x.all(())",
        "t.all(x, 1)",
        "t.any(x, 1)",
    ),
    *(
        "x[0, 0].sum(0)",
        "x[0, 0].sum(1)",
        "t.max(x, x)",
        "t.min(x, x)",
        "x.unsqueeze(1).max(1)",
        "x.T.min(1)",
    ),
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_one_tensor(dtype: str) -> None:
    check_all(UNARY, {"x": (ENDS[dtype], dtype)})


@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions(dtype: str) -> None:
    check_all(REDUCTIONS, {"x": (ENDS[dtype], dtype)})


LEFT = {"i64": [[3, -2, 0]], "i32": [[3, -2, 1]], "u8": [[3, 2, 0]], "bool": [[True, False, True]]}
LEFT |= {dtype: [[1.5, -2.0, 0.25]] for dtype in ("f32", "f64", "f16")}
RIGHT = {"i64": [[2], [3]], "i32": [[2], [0]], "u8": [[2], [5]], "bool": [[True], [False]]}
RIGHT |= {dtype: [[2.0], [0.5]] for dtype in ("f32", "f64", "f16")}
BINARY = [
    *("x + y", "x - y", "x * y", "x / y", "x ** y", "x == y", "x != y", "x < y", "x <= y", "x > y", "x >= y"),
    *(
        "x & y",
        "x | y",
        "x ^ y",
        "t.maximum(x, y)",
        "t.minimum(x, y)",
        "t.max(x, y)",
        "t.min(x, y)",
        "t.pow(x, y)",
    ),
    *(
        "t.where(y > 0, x, y)",
        "t.logical_and(x, y)",
        "t.logical_or(x, y)",
        "x.add(y, alpha=2)",
        "x.add(y, alpha=0.5)",
    ),
    *("x.sub(y, alpha=2)", "t.addcmul(x, x, y)", "t.lerp(x, x, y)", "t.equal(x, y)", "x.type_as(y)"),
]
IN_PLACE = [f"z = x; z {op}= y; (x, z is x)" for op in ("+", "-", "*", "/", "**", "&", "|", "^")] + [
    "x.add_(y); x",
    "x.copy_(y); x",
    "x.bitwise_and_(y); x",
]


@pytest.mark.parametrize("other", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_two_tensors_promote_alike(dtype: str, other: str) -> None:
    refused: set[str] = set()
    check_all(BINARY, {"x": (LEFT[dtype], dtype), "y": (RIGHT[other], other)}, refused)
    scalar = {"x": (LEFT[dtype], dtype), "y": (RIGHT[other][0][0], other)}
    if not dtype.startswith("f") and other.startswith("f"):
        refused = refused | {"t.lerp(x, x, y)"}
    check_all(BINARY, scalar, refused)
    check_all(IN_PLACE, scalar)
    check_all(IN_PLACE, {"x": (LEFT[dtype], dtype), "y": ([RIGHT[other][0]], other)})


NUMBERS = (
    "2",
    "2.5",
    "True",
    "0",
    "np.float64(2)",
    "np.float32(2.5)",
    "np.int64(3)",
    "np.int32(3)",
    "np.uint8(3)",
)
OPERATORS = ("+", "-", "*", "/", "**", "==", "!=", "<", "<=", ">", ">=", "&", "|", "^")


@pytest.mark.parametrize("number", [*NUMBERS, "np.bool_(True)"])
def test_numbers_on_either_side(number: str) -> None:
    """NumPy's too, which keep the graph and promote as Python's do."""
    for dtype in DTYPES:
        codes = [code for op in OPERATORS for code in (f"x {op} {number}", f"{number} {op} x")]
        codes += [f"z = x; z {op}= {number}; (x, z is x)" for op in OPERATORS if op[0] not in "=!<>"]
        check_all(codes, {"x": (LEFT[dtype], dtype)})


def test_gradients_pass_numpy_s_numbers() -> None:
    numbers = ("np.float64(2)", "np.float32(2)", "np.int64(2)")
    codes = [
        f"y = ({n} {op} x).sum(); y.backward(); x.grad" for n in numbers for op in ("+", "-", "*", "/", "**")
    ]
    codes += [
        f"y = (x {op} {n}).sum(); y.backward(); x.grad" for n in numbers for op in ("+", "-", "*", "/", "**")
    ]
    codes += ["np.asarray(x)", "np.multiply(np.float64(2), x)", "np.exp(x)", "x.numpy()"]
    check_all(codes, {"x": ([1.5, 2.0, 0.5], "f32")}, grad=True)
    check_all(
        ["np.exp(x)", "np.asarray(x).tolist()", "np.add(x, x)", "np.abs(x)"], {"x": ([1.5, 2.0], "f32")}
    )


POWERS = ["x ** y", "t.pow(x, y)", "y ** x", "x.pow_(y); x"]


@pytest.mark.parametrize("dtype", ["i64", "i32", "u8"])
def test_integer_powers_wrap_around(dtype: str) -> None:
    limits = np.iinfo(DTYPES[dtype])
    bases = [limits.max, limits.min, 3, 7, 0, 1, 2, limits.max - 1]
    exponents = [0, 1, 2, 31, 63, 64, 5, 100]
    if dtype != "u8":
        bases, exponents = [*bases, -1, -1, -3, 1, 0], [*exponents, -1, -2, -1, -5, -1]
    check_all(POWERS, {"x": (bases, dtype), "y": (exponents, dtype)})
    check_all([f"x ** {n}" for n in (0, 1, 2, 3, 5, 31, 64, 127, -1)], {"x": (bases, dtype)})
    check_all([f"{n} ** x" for n in (0, 1, 2, 3, 255)], {"x": (exponents[:8], dtype)})


def test_products_have_their_gradients() -> None:
    """At zeros too, one or several, where dividing the product by an element would give NaN."""
    tail = "y.sum().backward(); (y.detach(), x.grad)"
    for row in ([1.5, -2.0, 0.5], [1.5, 0.0, 0.5], [0.0, 0.0, 3.0]):
        codes = [f"y = {code}; {tail}" for code in ("x.prod()", "x.prod(1)", "x.prod(0)", "x.prod(1, True)")]
        check_all(codes, {"x": ([row, [1.0, 2.0, 3.0], [0.5, 2.5, 0.25]], "f64")}, grad=True)


def test_powers_of_tensors_have_their_gradients() -> None:
    x, y = ([0.5, 2.0, 3.0], "f64"), ([0.5, -1.0, 2.0], "f64")
    backward = "; z.sum().backward(); (z.detach(), x.grad, y.grad)"
    check_all(
        [f"z = {code}{backward}" for code in ("x ** y", "y ** 2 + x ** y", "t.pow(x, y)")],
        {"x": x, "y": y},
        grad=True,
    )
    half = {"x": x, "y": (0.5, "f64")}
    check_all([f"z = x ** y{backward}", "z = x ** y.item(); z.sum().backward(); x.grad"], half, grad=True)


SUMS = [
    "x.sum()",
    "x.sum(0)",
    "x.sum(1)",
    "x.sum((0, 2))",
    "x.sum(dtype=t.int32)",
    "x @ x.transpose(1, 2)",
    "x.min()",
]


@pytest.mark.parametrize("dtype", ["i64", "i32", "u8"])
def test_integers_never_go_through_floats(dtype: str) -> None:
    rng = np.random.default_rng(0)
    limits = np.iinfo(DTYPES[dtype])
    values = rng.integers(limits.min, limits.max, (3, 4, 5), DTYPES[dtype], endpoint=True)
    check_all(
        [*SUMS, "x.max(1)", "x.min(2)", "x.amin(0)", "x + x", "x * x", "-x", "abs(x)"], {"x": (values, dtype)}
    )
    small = np.asarray(2**53 + 1 if dtype == "i64" else 2**24 + 1 if dtype == "i32" else 3)
    ones = small * np.ones((2, 3, 4), np.int64)
    check_all(SUMS[:4], {"x": (ones, dtype)})


LOOKING = ("item", "list", "int(", "float(", "bool(", "equal", "allclose", "rand", "one_hot")  # at values
COMPILED = [c for c in (*UNARY, *REDUCTIONS, *BINARY) if not any(word in c for word in LOOKING)]


@pytest.mark.parametrize("dtype", ["i64", "i32", "u8", "bool"])
def test_compiled_as_uncompiled(dtype: str) -> None:
    failures = []
    x = lenetc.tensor(np.asarray(ENDS[dtype], DTYPES[dtype]))
    y = lenetc.tensor(np.asarray(LEFT[dtype], DTYPES[dtype]))
    for code in COMPILED:
        function = eval(f"lambda x, y: {code}", {"t": lenetc, "F": lenetc.nn.functional, "inf": np.inf})
        if "equal" not in code and (found := outcome(lenetc.compile(function), x, y)) != (
            want := outcome(function, x, y)
        ):
            failures.append(f"{code}: {found} for {want}")
    assert not failures, "\n".join(failures)


def outcome(function: Any, *operands: Any) -> str:
    try:
        found = function(*operands)
    except LenetcError as error:
        return type(error).__name__
    parts = found if isinstance(found, tuple) else [found]
    return str([(part.dtype, part.shape, part.tolist()) for part in parts])


@pytest.mark.parametrize(
    "code",
    [
        "(s * x).clamp(min=0)",
        "(s * x).clamp(-30, 30)",
        "(s * x).amax()",
        "(s * x).exp().max()",
        "(s * x).reshape(2, 2).abs().sum(1).amax()",
        "t.linalg.matrix_norm((s * x).reshape(2, 2), ord=1)",
        "(s * x).sin().nanmedian()",
        "(s * x).softmax(0) * s",
        "F.unfold((s * x).reshape(1, 1, 2, 2), 2, 1, 1, 2)",
        "F.fractional_max_pool2d((s * x).reshape(1, 1, 2, 2), 1, output_size=2, _random_samples=s[None, None, 2:])",
        "F.margin_ranking_loss(x, s, -s, reduction='none')",
        "F.binary_cross_entropy((0.2 * x).sigmoid(), s.sigmoid(), reduction='none')",
    ],
)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_values_and_gradients_of_halves_in_one_computation(code: str, dtype: str) -> None:
    found = []
    for package in (torch, lenetc):
        kind = getattr(package, dtype)
        x = package.tensor([8.47, 3.3, -0.37, 1.1], dtype=kind, requires_grad=True)
        s = package.tensor([5.1, -2.1, 0.7, 0.3], dtype=kind)
        y = eval(code, {"t": package, "F": package.nn.functional, "x": x, "s": s})
        y.sum().backward()
        found.append([y.float().tolist(), x.grad.float().tolist()])
    for theirs, mine in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_powers_of_integers_side_by_side_are_of_int64(dtype: str) -> None:
    theirs, mine = (
        p.linalg.vander(p.tensor([3, 0, 1], dtype=getattr(p, dtype)), N=4) for p in (torch, lenetc)
    )
    assert mine.dtype is lenetc.int64
    assert mine.tolist() == theirs.tolist()


@pytest.mark.parametrize(
    "code",
    [
        "t.addcmul(t.tensor([1, 2]), t.tensor([4.3, 1.7], dtype=t.bfloat16), t.tensor([4.55, 3.0]), value=3.14)",
        "t.addcdiv(t.ones(2), t.tensor([4.3, 1.7], dtype=t.bfloat16), t.ones(2, dtype=t.bfloat16) * 3, value=3.14)",
        "t.tensordot(t.full((1, 1), 200, dtype=t.uint8), t.tensor([[1, 3]], dtype=t.uint8), ([0, 1], [1, 0]))",
        "F.interpolate(t.arange(24, dtype=t.uint8).reshape(1, 2, 3, 4), scale_factor=(2, 0.5))",
        "t.ones(2, 3, dtype=t.int8).sum_to_size(1, 3)",
        "F.margin_ranking_loss(t.tensor([1, 5]), t.tensor([2, 2]), t.tensor([1, -1]))",
        "F.multi_margin_loss(t.tensor([0.3, 1.2]), t.tensor([1]), reduction='none')",
    ],
)
def test_operands_that_are_narrower_than_the_result(code: str) -> None:
    theirs, mine = (eval(code, {"t": p, "F": p.nn.functional}) for p in (torch, lenetc))
    assert str(mine.numpy().dtype) == str(theirs.numpy().dtype)
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-6)


@pytest.mark.parametrize("kind", [float, int, bool])
def test_types_of_python_name_dtypes(kind: type) -> None:
    def dtypes(fw: Any) -> list[str]:
        x = fw.ones(2, 3)
        made = [
            *(fw.zeros(2, dtype=kind), fw.tensor([1, 0], dtype=kind), fw.eye(2, dtype=kind), x.to(kind)),
            *(fw.full((2,), 1, dtype=kind), x.new_ones(2, dtype=kind), fw.empty_like(x, dtype=kind)),
        ]
        if kind is not bool:
            made += [x.sum(dtype=kind), x.cumsum(0, dtype=kind), x.prod(dtype=kind), fw.arange(3, dtype=kind)]
        return [str(t.detach().numpy().dtype) for t in made]

    assert dtypes(lenetc) == dtypes(torch)


def test_elements_are_found_by_value() -> None:
    for fw in (torch, lenetc):
        x = fw.tensor([[1.0, 2.0], [3.0, 4.0]])
        assert [2 in x, 5.0 in x, x[1] in x, fw.tensor(9.0) in x] == [True, False, True, False]
        with pytest.raises(RuntimeError, match="only supports Tensor or scalar"):
            "a" in x  # noqa: B015
