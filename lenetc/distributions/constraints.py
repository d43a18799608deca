"""Which values a parameter or a sample may have (torch.distributions.constraints)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lenetc.operations import elementwise as e
from lenetc.operations import reductions
from lenetc.tensors.tensor import Tensor


class Constraint:
    """`check` tells of each value, of the last `event_dim` axes together, whether it is allowed."""

    def __init__(
        self, text: str, check: Callable[[Tensor], Tensor], event_dim: int = 0, discrete: bool = False
    ):
        self._text, self._check = text, check
        self.event_dim, self.is_discrete = event_dim, discrete

    def check(self, value: Tensor) -> Tensor:
        return self._check(value)

    def __repr__(self) -> str:
        return self._text


def _both(a: Tensor, b: Tensor) -> Tensor:
    return e.logical_and(a, b)


def greater_than(lower_bound: Any) -> Constraint:
    return Constraint(f"GreaterThan(lower_bound={lower_bound})", lambda x: e.gt(x, lower_bound))


def greater_than_eq(lower_bound: Any) -> Constraint:
    return Constraint(f"GreaterThanEq(lower_bound={lower_bound})", lambda x: e.ge(x, lower_bound))


def interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    return Constraint(
        f"Interval(lower_bound={lower_bound}, upper_bound={upper_bound})",
        lambda x: _both(e.ge(x, lower_bound), e.le(x, upper_bound)),
    )


def integer_interval(lower_bound: int, upper_bound: int) -> Constraint:
    return Constraint(
        f"IntegerInterval(lower_bound={lower_bound}, upper_bound={upper_bound})",
        lambda x: _both(e.eq(x, e.floor(x)), _both(e.ge(x, lower_bound), e.le(x, upper_bound))),
        discrete=True,
    )


def independent(base: Constraint, axes: int) -> Constraint:
    """`base` of all values along the last `axes` axes."""

    def check(x: Tensor) -> Tensor:
        fits = base.check(x)
        for _ in range(axes):
            fits = reductions.all(fits, -1)
        return fits

    return Constraint(f"Independent({base}, {axes})", check, base.event_dim + axes, base.is_discrete)


def _simplex(x: Tensor) -> Tensor:
    return _both(reductions.all(e.ge(x, 0), -1), e.lt(e.abs(x.sum(-1) - 1), 1e-6))


real = Constraint("Real()", lambda x: e.eq(x, x))
real_vector = independent(real, 1)
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
boolean = Constraint("Boolean()", lambda x: e.logical_or(e.eq(x, 0), e.eq(x, 1)), discrete=True)
simplex = Constraint("Simplex()", _simplex, 1)
one_hot = Constraint(
    "OneHot()",
    lambda x: _both(reductions.all(boolean.check(x), -1), e.eq(x.sum(-1), 1)),
    1,
    True,
)
