"""Symbolic sizes: arithmetic agrees with that of integers, equality is canonical, comparisons are sound."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ir.dims import Case, Dim, Poly, divide, evaluate, linear, product, symbol, symbols, within
from ir.errors import SymbolicDimError

ENV = st.fixed_dictionaries({name: st.integers(1, 9) for name in "MNK"})
LEAVES = st.integers(-6, 6) | st.sampled_from([symbol(name) for name in "MNK"])
TREES = st.recursive(LEAVES, lambda inner: st.tuples(st.sampled_from("+-*"), inner, inner), max_leaves=8)


def compute(tree: object, env: dict[str, int] | None = None) -> Dim:
    """The tree with dims, or with the integers that `env` gives for the symbols."""
    match tree:
        case ("+", a, b):
            return compute(a, env) + compute(b, env)
        case ("-", a, b):
            return compute(a, env) - compute(b, env)
        case ("*", a, b):
            return compute(a, env) * compute(b, env)
        case Poly() if env is not None:
            return evaluate(tree, env)
        case int() | Poly():
            return tree
    raise AssertionError(tree)


@given(TREES, ENV)
def test_arithmetic_agrees_with_integers(tree: object, env: dict[str, int]) -> None:
    assert evaluate(compute(tree), env) == compute(tree, env)


@given(TREES, TREES, TREES)
def test_equality_is_canonical(x: object, y: object, z: object) -> None:
    a, b, c = compute(x), compute(y), compute(z)
    assert a + b == b + a and a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert a * (b + c) == a * b + a * c
    assert a - b + b == a
    assert hash(a * (b + c)) == hash(a * b + a * c)
    assert repr(a * (b + c)) == repr(a * b + a * c)
    assert isinstance(a - a, int)


@given(TREES, TREES, ENV)
def test_what_a_comparison_says_holds_for_every_size(x: object, y: object, env: dict[str, int]) -> None:
    a, b = compute(x), compute(y)
    left, right = evaluate(a, env), evaluate(b, env)
    for said, true in (
        (lambda: a < b, left < right),
        (lambda: a <= b, left <= right),
        (lambda: a > b, left > right),
        (lambda: a >= b, left >= right),
    ):
        try:
            assert said() == true
        except SymbolicDimError:
            assert isinstance(a - b, Poly), "of two numbers it is known which is more"


@given(TREES, TREES)
def test_division_is_exact(x: object, y: object) -> None:
    a, b = compute(x), compute(y)
    assume(b != 0)
    quotient = divide(a, b)
    assert quotient is None or quotient * b == a
    if isinstance(b, Poly) and len(b.terms) == 1:
        assert divide(a * b, b) == a


@given(TREES, ENV)
def test_a_size_is_worked_out_from_a_linear_one(tree: object, env: dict[str, int]) -> None:
    dim = compute(tree)
    solved = linear(dim)
    if solved is not None:
        name, factor, offset = solved
        assert symbols(dim) == {name}
        assert evaluate(dim, env) == factor * env[name] + offset


def test_what_is_known_of_sizes_is_that_they_are_at_least_one() -> None:
    n, m = symbol("N"), symbol("M")
    assert n >= 1 and n > 0 and not n < 1 and n * 2 > n and n * m >= n and n * m + 1 > m
    assert n >= 1 and not n < 1
    for unknown in (
        lambda: n > 1,
        lambda: n > m,
        lambda: n * 2 < m,
        lambda: n * n > n,
        lambda: n * m > n + m,
    ):
        with pytest.raises(SymbolicDimError, match="not known"):
            unknown()


def test_the_printed_form() -> None:
    n, m = symbol("N"), symbol("M")
    assert str(n * 400) == "N*400"
    assert str(400 * n) == "N*400"
    assert str(1 - n) == "-N + 1"
    assert str(n * n * 3 - m * 2 + 5) == "N*N*3 - M*2 + 5"


def test_division_and_remainder() -> None:
    n = symbol("N")
    assert n * 400 // 400 == n
    assert n * 400 % 400 == 0
    assert (n * n + n) // n == n + 1
    with pytest.raises(SymbolicDimError, match=r"N // 2 is not a polynomial"):
        n // 2
    with pytest.raises(SymbolicDimError, match=r"2 // N"):
        2 // n
    with pytest.raises(SymbolicDimError, match=r"N % 2 is not known"):
        n % 2


def test_a_number_is_not_given_where_there_is_none() -> None:
    for use in (int, range, lambda n: [0][n]):
        with pytest.raises(SymbolicDimError, match="N is symbolic"):
            use(symbol("N"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "2N", "a b", "lambda", "True", "ﬁ", "N*2"])
def test_names_that_python_would_not_read_back(name: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        symbol(name)


def test_product_of_a_shape() -> None:
    n = symbol("N")
    assert product((n, 6, 28, 28)) == n * 4704
    assert product(()) == 1
    assert product((n, 0)) == 0


def test_a_case_decides_what_is_not_the_same_for_all_sizes() -> None:
    n = symbol("N")
    case = Case({"N": 5})
    with within(case):
        assert n < 64
        assert max(n - 3, 0) == n - 3
        with pytest.raises(SymbolicDimError):
            assert symbol("M") < 64
    with pytest.raises(SymbolicDimError):
        assert n < 64
    assert case.holds_for({"N": 63})
    assert not case.holds_for({"N": 64})
    assert not case.holds_for({"N": 2})
