"""Dimensions: an int, or a polynomial with integer coefficients in named symbols (`N`, `N*400`).

A polynomial is kept canonical (sorted monomials, no zero coefficient, constants collapse to int), so
equality is structural and decidable. Symbols stand for sizes and are taken to be at least 1.
"""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, TypeAlias, cast

from ir.errors import SymbolicDimError

Monomial: TypeAlias = tuple[tuple[str, int], ...]

# Called before a polynomial is said to differ from a number above 1, which for some sizes it may be: to refuse that.
before_unequal: list[Callable[[Poly, int], None]] = []
# Give the value of `size / 2`, `0.5 * size` and the like, which is no size, where there are values; else None.
as_value: list[Callable[[str, Any, Any], Any]] = []


class Poly:
    """A non-constant polynomial. Build it with `symbol` and arithmetic, never directly."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        self._hash = hash(terms)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Poly):
            return self.terms == other.terms
        if type(other) is int and other > 1:
            for ask in before_unequal:
                ask(self, other)
        return False

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other: Dim) -> Dim:
        if not _is_dim(other):
            return self._value("+", self, other)
        total = dict(self.terms)
        for monomial, coefficient in _terms(other):
            total[monomial] = total.get(monomial, 0) + coefficient
        return _canonical(total)

    __radd__ = __add__

    def __mul__(self, other: Dim) -> Dim:
        if not _is_dim(other):
            return self._value("*", self, other)
        product: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in _terms(other):
                monomial = _merge(left, right)
                product[monomial] = product.get(monomial, 0) + a * b
        return _canonical(product)

    __rmul__ = __mul__

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim) -> Dim:
        return self + other * -1 if _is_dim(other) else self._value("-", self, other)

    def __rsub__(self, other: Dim) -> Dim:
        return self * -1 + other if _is_dim(other) else self._value("-", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._value("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._value("/", other, self)

    def __pow__(self, other: Any) -> Any:
        return self._value("**", self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._value("**", other, self)

    def _value(self, operator: str, left: Any, right: Any) -> Dim:
        """What is no size, as a value, which typed code does not ask for. Raises SymbolicDimError where none is."""
        if not all(isinstance(side, (int, float, Poly)) for side in (left, right)):
            return cast(Dim, NotImplemented)  # a tensor's own operator takes a size
        for make in as_value:
            found = make(operator, left, right)
            if found is not None:
                return cast(Dim, found)
        raise SymbolicDimError(
            f"{left} {operator} {right}, of a symbolic size, is no size; divide or multiply a tensor by {self}, "
            "or make this dimension a fixed number"
        )

    def __floordiv__(self, other: Dim) -> Dim:
        """Exact division only: `N*400 // 400` is `N`. Raises SymbolicDimError where it leaves a remainder."""
        if not _is_dim(other):
            return NotImplemented
        quotient = divide(self, other)
        if quotient is None:
            raise SymbolicDimError(
                f"{self._factor()} // {other} is not a polynomial; make this dimension a fixed number"
            )
        return quotient

    def __rfloordiv__(self, other: Dim) -> Dim:
        raise SymbolicDimError(
            f"{other} // {self._factor()} is not a polynomial; make this dimension a fixed number"
        )

    def __mod__(self, other: Dim) -> int:
        if divide(self, other) is None:
            raise SymbolicDimError(
                f"{self._factor()} % {other} is not known; make this dimension a fixed number"
            )
        return 0

    def __lt__(self, other: Dim) -> bool:
        return _less(self, other)

    def __le__(self, other: Dim) -> bool:
        return not _less(other, self)

    def __gt__(self, other: Dim) -> bool:
        return _less(other, self)

    def __ge__(self, other: Dim) -> bool:
        return not _less(self, other)

    def __index__(self) -> int:
        raise SymbolicDimError(
            f"the size {self} is symbolic here; a fixed number is needed. Write the code for any {self}, "
            "or compile for the shapes you have instead of a symbolic batch"
        )

    __int__ = __index__

    def _factor(self) -> str:
        """The text as a part of a product."""
        return f"({self})" if len(self.terms) > 1 else str(self)

    def __repr__(self) -> str:
        parts: list[str] = []
        for monomial, coefficient in self.terms:
            factors = [name for name, power in monomial for _ in range(power)]
            if not factors or abs(coefficient) != 1:
                factors.append(str(abs(coefficient)))
            sign = "-" if coefficient < 0 else "+"
            parts.append(
                f" {sign} {'*'.join(factors)}" if parts else ("-" if sign == "-" else "") + "*".join(factors)
            )
        return "".join(parts)


Dim: TypeAlias = int | Poly
Shape: TypeAlias = tuple[Dim, ...]


def is_name(name: str) -> bool:
    """Whether Python reads `name` as a name, and as this one (it folds some letters into others)."""
    return name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name


def symbol(name: str) -> Poly:
    """The dim named `name`, a Python identifier. Raises ValueError for any other."""
    if not is_name(name):
        raise ValueError(f"a symbolic dim needs an identifier for its name, not {name!r}")
    return Poly(((((name, 1),), 1),))


def divide(dividend: Dim, divisor: Dim) -> Dim | None:
    """The exact quotient, or None. Division by a polynomial of more than one term is not attempted."""
    if dividend == divisor:
        return 1
    if isinstance(dividend, int) and isinstance(divisor, int):
        return dividend // divisor if divisor and dividend % divisor == 0 else None
    terms = _terms(divisor)
    if len(terms) != 1:
        return None
    (monomial, coefficient) = terms[0]
    quotient: dict[Monomial, int] = {}
    for left, a in _terms(dividend):
        powers = dict(left)
        for name, power in monomial:
            powers[name] = powers.get(name, 0) - power
        if a % coefficient or any(power < 0 for power in powers.values()):
            return None
        quotient[tuple(sorted((n, p) for n, p in powers.items() if p))] = a // coefficient
    return _canonical(quotient)


def product(shape: Shape) -> Dim:
    """Number of elements of `shape`."""
    total: Dim = 1
    for dim in shape:
        total = total * dim
    return total


def symbols(dim: Dim) -> set[str]:
    """Names of the symbols in `dim`."""
    return {name for monomial, _ in _terms(dim) for name, _ in monomial} if isinstance(dim, Poly) else set()


def linear(dim: Dim) -> tuple[str, int, int] | None:
    """(name, a, b) where `dim` is a*name + b: a size from which the symbol can be worked out. Else None."""
    if not isinstance(dim, Poly):
        return None
    (monomial, factor), *rest = dim.terms
    if len(monomial) != 1 or monomial[0][1] != 1 or any(other for other, _ in rest):
        return None
    return monomial[0][0], factor, rest[0][1] if rest else 0


def evaluate(dim: Dim, env: Mapping[str, Dim]) -> Dim:
    """`dim` with the symbols that `env` binds put in."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for monomial, coefficient in dim.terms:
        term: Dim = coefficient
        for name, power in monomial:
            value = env.get(name)
            for _ in range(power):
                term = term * (symbol(name) if value is None else value)
        total = total + term
    return total


@dataclass
class Case:
    """Sizes that decide comparisons which do not come out the same for all sizes.

    decided: what was asked, as differences that are above 0 or are not. What is made within the case is right for all
    sizes of which the same is true.
    """

    sizes: Mapping[str, int]
    decided: dict[Poly, bool] = field(default_factory=dict)

    def decide(self, difference: Poly) -> bool | None:
        """Whether the difference is above 0; None where the case does not have all its symbols."""
        if not symbols(difference) <= self.sizes.keys():
            return None
        return self.decided.setdefault(difference, evaluate(difference, self.sizes) > 0)

    def holds_for(self, sizes: Mapping[str, int]) -> bool:
        """Whether all that was decided would be the same with these sizes."""
        return all((evaluate(dim, sizes) > 0) == truth for dim, truth in self.decided.items())


_case: ContextVar[Case | None] = ContextVar("case", default=None)


@contextmanager
def within(case: Case | None) -> Iterator[None]:
    """In the block `case` decides comparisons; None leaves them as they are."""
    token = _case.set(case)
    try:
        yield
    finally:
        _case.reset(token)


def _is_dim(value: Any) -> bool:
    """Whether arithmetic with `value` gives a dim."""
    return isinstance(value, (Poly, Integral))


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(dim, Poly):
        return dim.terms
    return (((), int(dim)),) if dim else ()


def _merge(left: Monomial, right: Monomial) -> Monomial:
    powers = dict(left)
    for name, power in right:
        powers[name] = powers.get(name, 0) + power
    return tuple(sorted(powers.items()))


def _canonical(terms: Mapping[Monomial, int]) -> Dim:
    kept = {monomial: coefficient for monomial, coefficient in terms.items() if coefficient}
    if not kept:
        return 0
    if set(kept) == {()}:
        return kept[()]
    degree = lambda item: (-sum(power for _, power in item[0]), item[0])  # noqa: E731
    return Poly(tuple(sorted(kept.items(), key=degree)))


def _less(left: Dim, right: Dim) -> bool:
    """left < right, where it is so, or is not so, for every size of at least 1."""
    difference = right - left
    # In sizes less one, which are at least 0, a polynomial without negative coefficients grows from its constant.
    shifted = evaluate(difference, {name: symbol(name) + 1 for name in symbols(difference)})
    if isinstance(shifted, int):
        return shifted > 0
    constant = next((coefficient for monomial, coefficient in shifted.terms if not monomial), 0)
    growing = {coefficient > 0 for monomial, coefficient in shifted.terms if monomial}
    if growing == {True} and constant > 0:
        return True
    if growing == {False} and constant <= 0:
        return False
    case = _case.get()
    found = case.decide(difference) if case is not None and isinstance(difference, Poly) else None
    if found is not None:
        return found
    raise SymbolicDimError(
        f"whether {left} is less than {right} is not known; make this dimension a fixed number"
    )
