"""Arithmetic, comparisons and choices of single elements."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ir.dims import Dim, Poly, divide
from ir.errors import LenetcError, SymbolicDimError
from lenetc.importer.dtypes import numpy_dtype
from lenetc.importer.operators.on_host.each import each, on_whole, same, whole
from lenetc.importer.registry import on_host
from lenetc.importer.values import Host, as_host, dtype_of, is_symbolic

_ONE: Dim = 1


@on_host
def Add(a: Host, b: Host, /) -> Host:
    return each(np.add, on_whole(lambda a, b: a + b), a, b)


@on_host
def Sub(a: Host, b: Host, /) -> Host:
    return each(np.subtract, on_whole(lambda a, b: a - b), a, b)


@on_host
def Mul(a: Host, b: Host, /) -> Host:
    return each(np.multiply, _times, a, b)


def _times(a: Any, b: Any) -> Any:
    ratio, rest = Fraction(1), _ONE
    for item in (a, b):
        if isinstance(item, Poly):
            rest = rest * item
        else:
            ratio *= _fraction(item)
    return _exactly(rest * ratio.numerator, ratio.denominator)


@on_host
def Div(a: Host, b: Host, /) -> Host:
    """Of integers the quotient towards zero."""
    if dtype_of(a).kind in "iu":
        _need_divisors(b)
        return each(lambda a, b: (a - np.fmod(a, b)) // b, _exactly, a, b)
    return each(np.divide, _over, a, b)


def _fraction(item: float, least: int = 0) -> Fraction:
    """`item` exactly. Raises SymbolicDimError for what is not finite, and for 0 where `least` is 1."""
    if not math.isfinite(item) or (least and not item):
        raise SymbolicDimError(f"a symbolic size and {item} together give no size")
    return Fraction(item)


def _over(a: Any, b: Any) -> Any:
    return _exactly(a, b) if isinstance(b, Poly) else _times(a, 1 / _fraction(b, least=1))


def _exactly(a: Any, b: Any) -> Any:
    quotient = divide(whole(a), whole(b))
    if quotient is None:
        raise SymbolicDimError(f"{a} / {b} is not a polynomial; make this dimension a fixed number")
    return quotient


@on_host
def Mod(a: Host, b: Host, /, *, fmod: int = 0) -> Host:
    if dtype_of(a).kind in "iu":
        _need_divisors(b)
    return each(np.fmod if fmod else np.mod, lambda a, b: _exactly(a, b) * 0, a, b)


def _need_divisors(b: Host) -> None:
    if any(not isinstance(item, Poly) and item == 0 for item in b.flat):
        raise LenetcError("an integer is divided by zero")


@on_host
def Pow(x: Host, y: Host, /) -> Host:
    return each(_power, on_whole(_power_of_dim), x, y)


def _power(x: Host, y: Host) -> Host:
    # NumPy refuses integers to negative powers, and widens f32 beside i64.
    if x.dtype.kind in "iu" and y.dtype.kind in "iu" and (y >= 0).all():
        return np.asarray(np.power(x, y.astype(x.dtype)))
    wide = x.dtype if x.dtype.kind not in "iu" else np.float64
    return np.asarray(np.power(x.astype(wide), y.astype(wide)))


def _power_of_dim(x: Any, y: Any) -> Any:
    if isinstance(y, Poly) or y < 0:
        raise SymbolicDimError(f"{x} ** {y} is not a polynomial; make this dimension a fixed number")
    found = 1
    for _ in range(y):
        found = found * x
    return found


@on_host
def Neg(x: Host, /) -> Host:
    return each(np.negative, lambda a: -a, x)


@on_host
def Abs(x: Host, /) -> Host:
    return each(np.abs, lambda a: a if a >= 0 else -a, x)


@on_host
def Sign(x: Host, /) -> Host:
    return each(np.sign, lambda a: 1 if a > 0 else -1 if a < 0 else 0, x)


@on_host
def Floor(x: Host, /) -> Host:
    return each(np.floor, lambda a: a, x)


@on_host
def Ceil(x: Host, /) -> Host:
    return each(np.ceil, lambda a: a, x)


@on_host
def Round(x: Host, /) -> Host:
    return each(np.rint, lambda a: a, x)


@on_host
def Sqrt(x: Host, /) -> Host:
    return each(np.sqrt, _no_size("sqrt"), x)


@on_host
def Reciprocal(x: Host, /) -> Host:
    return each(lambda a: np.divide(np.ones((), a.dtype), a), _no_size("1 / "), x)


def _no_size(what: str) -> Any:
    def refuse(item: Any) -> Any:
        raise SymbolicDimError(f"{what} of the symbolic size {item} is no size")

    return refuse


def larger(a: Any, b: Any) -> Any:
    return a if a >= b else b


def smaller(a: Any, b: Any) -> Any:
    return a if a <= b else b


@on_host
def Max(x: Host, /, *xs: Host) -> Host:
    for other in xs:
        x = each(np.maximum, on_whole(larger), x, other)
    return x


@on_host
def Min(x: Host, /, *xs: Host) -> Host:
    for other in xs:
        x = each(np.minimum, on_whole(smaller), x, other)
    return x


@on_host
def Sum(x: Host, /, *xs: Host) -> Host:
    for other in xs:
        x = Add(x, other)
    return x


@on_host
def Clip(
    x: Host,
    low_: Host | None = None,
    high_: Host | None = None,
    /,
    *,
    min: float | None = None,
    max: float | None = None,
) -> Host:
    for limit, attribute, apply in ((low_, min, Max), (high_, max, Min)):
        if limit is not None or attribute is not None:
            x = apply(x, np.asarray(attribute, dtype_of(x)) if limit is None else limit)
    return x


@on_host
def Equal(a: Host, b: Host, /) -> Host:
    return each(np.equal, on_whole(same), a, b, dtype=np.bool_)


@on_host
def Less(a: Host, b: Host, /) -> Host:
    return each(np.less, on_whole(lambda a, b: a < b), a, b, dtype=np.bool_)


@on_host
def LessOrEqual(a: Host, b: Host, /) -> Host:
    return each(np.less_equal, on_whole(lambda a, b: a <= b), a, b, dtype=np.bool_)


@on_host
def Greater(a: Host, b: Host, /) -> Host:
    return each(np.greater, on_whole(lambda a, b: a > b), a, b, dtype=np.bool_)


@on_host
def GreaterOrEqual(a: Host, b: Host, /) -> Host:
    return each(np.greater_equal, on_whole(lambda a, b: a >= b), a, b, dtype=np.bool_)


@on_host
def Not(x: Host, /) -> Host:
    return np.asarray(np.logical_not(x))


@on_host
def And(a: Host, b: Host, /) -> Host:
    return np.asarray(np.logical_and(a, b))


@on_host
def Or(a: Host, b: Host, /) -> Host:
    return np.asarray(np.logical_or(a, b))


@on_host
def Xor(a: Host, b: Host, /) -> Host:
    return np.asarray(np.logical_xor(a, b))


@on_host
def Where(condition: Host, a: Host, b: Host, /) -> Host:
    if not (is_symbolic(a) or is_symbolic(b)):
        return np.asarray(np.where(condition, a, b)).astype(a.dtype)
    return as_host(np.where(condition, a.astype(object), b.astype(object)), dtype_of(a))


@on_host
def Cast(x: Host, /, *, to: int, saturate: int = 1, round_mode: str = "up") -> Host:
    return cast(x, numpy_dtype(to))


@on_host
def CastLike(x: Host, like: Host, /, *, saturate: int = 1, round_mode: str = "up") -> Host:
    return cast(x, dtype_of(like))


def cast(x: Host, dtype: np.dtype[Any]) -> Host:
    """Dims stay what they are, of whole or of other numbers; as truths they are what is above 0."""
    if dtype.kind == "b":
        return each(lambda a: a != 0, lambda a: not same(a, 0), x, dtype=dtype)
    return each(lambda a: a.astype(dtype), lambda a: a, x, dtype=dtype)
