"""Systems of equations and factors of small dense matrices, in stacks of any shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ir.errors import ShapeError
from ir.op import op
from ir.ops.rules import need_float
from ir.types import Array, Type


def _square(what: str, x: Type) -> None:
    need_float(what, x)
    if x.rank < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{what}: needs square matrices, but they are {x}")


def _solve(a: Type, b: Type) -> Type:
    _square("solve", a)
    need_float("solve", a, b)
    if b.rank != a.rank or b.shape[:-1] != a.shape[:-1]:
        raise ShapeError(
            f"solve: there must be one right side for each row of each matrix of {a}, but it is {b}"
        )
    return b


def _each(function: Callable[..., Array], result: Array, *operands: Array) -> Array:
    """function of each matrix of the stacks, in f64, put into `result`; NaN where NumPy finds no answer."""
    for place in np.ndindex(result.shape[:-2]):
        try:
            result[place] = function(*(np.asarray(x[place], np.float64) for x in operands))
        except np.linalg.LinAlgError:
            result[place] = np.nan
    return result


@op(infer=_solve)
def solve(a: Array, b: Array) -> Array:
    """The X with a X = b, of square matrices a[...,N,N] and b[...,N,M]; not finite where a is singular."""
    return _each(np.linalg.solve, np.empty_like(b), a, b)


def _cholesky(a: Type) -> Type:
    _square("cholesky", a)
    return a


@op(infer=_cholesky)
def cholesky(a: Array) -> Array:
    """The lower triangular L with L L^T = a, whose lower triangles are looked at; NaN where there is none."""
    return _each(np.linalg.cholesky, np.empty_like(a), a)
