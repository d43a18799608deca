"""Which values a parameter or a sample may have (torch.distributions.constraints)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lenetc.operations import elementwise as e
from lenetc.operations import reductions, shaping
from lenetc.operations.dense.cholesky import cholesky_ex
from lenetc.tensors.tensor import Tensor


class Constraint:
    """`check` tells of each value, of the last `event_dim` axes together, whether it is allowed.

    name: the kind, by which `biject_to` and `transform_to` find what maps to it. lower_bound, upper_bound: of
    intervals.
    """

    def __init__(
        self,
        text: str = "",
        check: Callable[[Tensor], Tensor] | None = None,
        event_dim: int = 0,
        discrete: bool = False,
        lower_bound: Any = None,
        upper_bound: Any = None,
        base: Constraint | None = None,
    ):
        self._text, self._check = text, check
        self.event_dim, self.is_discrete = event_dim, discrete
        self.lower_bound, self.upper_bound = lower_bound, upper_bound
        self.base_constraint = base

    @property
    def name(self) -> str:
        return self._text.partition("(")[0] or type(self).__name__

    def check(self, value: Tensor) -> Tensor:
        if self._check is None:
            raise NotImplementedError(f"{type(self).__name__} has no check(value)")
        return self._check(value)

    def __repr__(self) -> str:
        return self._text or f"{type(self).__name__}()"


def _both(a: Tensor, b: Tensor) -> Tensor:
    return e.logical_and(a, b)


def _is_whole(x: Tensor) -> Tensor:
    return e.eq(x, e.floor(x)) if x.dtype.is_float else e.eq(x, x)


def greater_than(lower_bound: Any) -> Constraint:
    return Constraint(
        f"GreaterThan(lower_bound={lower_bound})", lambda x: e.gt(x, lower_bound), lower_bound=lower_bound
    )


def greater_than_eq(lower_bound: Any) -> Constraint:
    return Constraint(
        f"GreaterThanEq(lower_bound={lower_bound})", lambda x: e.ge(x, lower_bound), lower_bound=lower_bound
    )


def less_than(upper_bound: Any) -> Constraint:
    return Constraint(
        f"LessThan(upper_bound={upper_bound})", lambda x: e.lt(x, upper_bound), upper_bound=upper_bound
    )


def interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    return Constraint(
        f"Interval(lower_bound={lower_bound}, upper_bound={upper_bound})",
        lambda x: _both(e.ge(x, lower_bound), e.le(x, upper_bound)),
        lower_bound=lower_bound,
        upper_bound=upper_bound,
    )


def half_open_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    return Constraint(
        f"HalfOpenInterval(lower_bound={lower_bound}, upper_bound={upper_bound})",
        lambda x: _both(e.ge(x, lower_bound), e.lt(x, upper_bound)),
        lower_bound=lower_bound,
        upper_bound=upper_bound,
    )


def integer_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    return Constraint(
        f"IntegerInterval(lower_bound={lower_bound}, upper_bound={upper_bound})",
        lambda x: _both(_is_whole(x), _both(e.ge(x, lower_bound), e.le(x, upper_bound))),
        discrete=True,
        lower_bound=lower_bound,
        upper_bound=upper_bound,
    )


def multinomial(upper_bound: int) -> Constraint:
    return Constraint(
        f"Multinomial(upper_bound={upper_bound})",
        lambda x: _both(reductions.all(e.ge(x, 0), -1), e.le(x.sum(-1), upper_bound)),
        1,
        True,
        upper_bound=upper_bound,
    )


def independent(base: Constraint, axes: int) -> Constraint:
    """`base` of all values along the last `axes` axes."""

    def check(x: Tensor) -> Tensor:
        fits = base.check(x)
        for _ in range(axes):
            fits = reductions.all(fits, -1)
        return fits

    return Constraint(
        f"Independent({base}, {axes})", check, base.event_dim + axes, base.is_discrete, base=base
    )


def _simplex(x: Tensor) -> Tensor:
    return _both(reductions.all(e.ge(x, 0), -1), e.lt(e.abs(x.sum(-1) - 1), 1e-6))


def _of_matrix(fits: Tensor) -> Tensor:
    return reductions.all(reductions.all(fits, -1), -1)


def _lower_triangular(x: Tensor) -> Tensor:
    return _of_matrix(e.eq(shaping.tril(x), x))


def _lower_cholesky(x: Tensor) -> Tensor:
    return _both(_lower_triangular(x), reductions.all(e.gt(shaping.diagonal(x, dim1=-2, dim2=-1), 0), -1))


def _symmetric(x: Tensor) -> Tensor:
    return _of_matrix(e.le(e.abs(x - shaping.transpose(x, -2, -1)), 1e-6))


def _positive_definite(x: Tensor) -> Tensor:
    return _both(_symmetric(x), e.eq(cholesky_ex(x).info, 0))


real = Constraint("Real()", lambda x: e.eq(x, x))
real_vector = independent(real, 1)
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
positive_integer = Constraint(
    "IntegerGreaterThan(lower_bound=1)",
    lambda x: _both(_is_whole(x), e.ge(x, 1)),
    discrete=True,
    lower_bound=1,
)
nonnegative_integer = Constraint(
    "IntegerGreaterThan(lower_bound=0)",
    lambda x: _both(_is_whole(x), e.ge(x, 0)),
    discrete=True,
    lower_bound=0,
)
unit_interval = interval(0.0, 1.0)
boolean = Constraint("Boolean()", lambda x: e.logical_or(e.eq(x, 0), e.eq(x, 1)), discrete=True)
simplex = Constraint("Simplex()", _simplex, 1)
one_hot = Constraint(
    "OneHot()",
    lambda x: _both(reductions.all(boolean.check(x), -1), e.eq(x.sum(-1), 1)),
    1,
    True,
)
lower_triangular = Constraint("LowerTriangular()", _lower_triangular, 2)
lower_cholesky = Constraint("LowerCholesky()", _lower_cholesky, 2)
symmetric = Constraint("Symmetric()", _symmetric, 2)
positive_definite = Constraint("PositiveDefinite()", _positive_definite, 2)
