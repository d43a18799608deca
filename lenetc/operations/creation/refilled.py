"""Random numbers in the place of a tensor's values: PyTorch's methods of the same names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ir import ops
from ir.errors import LenetcError
from ir.node import Node
from ir.types import DType, bool_, f32, f64
from lenetc.evaluation import bits
from lenetc.evaluation.random import Generator
from lenetc.evaluation.tracing import here
from lenetc.operations.creation import sampling
from lenetc.operations.creation.arguments import float_dtype, refuse_negative
from lenetc.tensors.arrays import index_of, need_number
from lenetc.tensors.tensor import Tensor, apply, require_tensors

_GREATEST = {
    "f16": 1 << 11,
    "bf16": 1 << 8,
    "f32": 1 << 24,
    "f64": 1 << 53,
}  # whole numbers that each dtype counts to


def _refilled(
    x: Tensor, name: str, kind: bits.Kind, generator: Generator | None, build: Callable[[Node], Node]
) -> Tensor:
    """x with build(numbers of `kind`), computed in f32 or f64, in its place."""
    wide = f64 if x.dtype is f64 else f32
    found = sampling.drawn(kind, tuple(x.shape), generator, wide)
    return x._change(name, apply("", build, found).to(x.dtype))


def _checked(name: str, x: Tensor, **numbers: Any) -> None:
    require_tensors(name, x)
    for key, number in numbers.items():
        need_number(name, key, number)
    float_dtype(name, x.dtype)


def _refuse(name: str, text: str) -> LenetcError:
    return LenetcError(f"{name} expects {text}").at(here())


def uniform_(
    self: Tensor, *limits: float, to: float | None = None, generator: Generator | None = None, **low: Any
) -> Tensor:
    """Uniform numbers in [from, to), or in [0, 1). Raises LenetcError for limits the wrong way round."""
    first, last = _limits("uniform_", limits, to, low)
    first, last = 0.0 if first is None else first, 1.0 if last is None else last
    _checked("uniform_", self, **{"from": first, "to": last})
    if first > last:
        raise _refuse("uniform_", f"to return a [from, to) range, but found from={first} > to={last}")
    return _refilled(self, "uniform_", bits.uniform, generator, lambda u: u * (last - first) + first)


def _limits(name: str, limits: tuple[Any, ...], to: Any, low: dict[str, Any]) -> tuple[Any, ...]:
    """(from, to), which may be tensors of one element; "from" is no name for a parameter in Python."""
    if len(limits) > 2 or low.keys() - {"from"}:
        wrong = next(iter(low.keys() - {"from"}), None)
        raise TypeError(
            f"{name}() got an unexpected keyword argument {wrong!r}"
            if wrong
            else f"{name}() takes two limits"
        )
    first = limits[0] if limits else low.get("from")
    last = limits[1] if len(limits) == 2 else to
    return tuple(x.item() if isinstance(x, Tensor) and x.numel() == 1 else x for x in (first, last))


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Normal numbers. Raises LenetcError for a negative deviation."""
    _checked("normal_", self, mean=mean, std=std)
    refuse_negative("normal_", std=std)
    return _refilled(self, "normal_", bits.normal, generator, lambda z: z * std + mean)


def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Numbers whose logarithms are normal. Raises LenetcError unless std is positive."""
    _checked("log_normal_", self, mean=mean, std=std)
    if not std > 0:
        raise _refuse("log_normal_", f"std > 0.0, but found std={std}")
    return _refilled(self, "log_normal_", bits.normal, generator, lambda z: ops.exp(z * std + mean))


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Exponential numbers of the rate `lambd`, none of them 0. Raises LenetcError unless it is positive."""
    _checked("exponential_", self, lambd=lambd)
    if not lambd > 0:
        raise _refuse("exponential_", f"lambda > 0.0, but found lambda={lambd}")
    return _refilled(
        self,
        "exponential_",
        bits.uniform,
        generator,
        lambda u: ops.maximum(-ops.log(1.0 - u), 2.0**-25) * (1 / lambd),
    )


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """How many tries of probability p it takes: 1, 2, ... Raises LenetcError unless 0 < p < 1."""
    require_tensors("geometric_", self)
    need_number("geometric_", "p", p)
    if not 0 < p < 1:
        raise _refuse("geometric_", f"p to be in (0, 1), but got p={p}")
    factor = 1 / math.log1p(-p)
    return _refilled(
        self, "geometric_", bits.uniform, generator, lambda u: ops.floor(ops.log(1.0 - u) * factor) + 1.0
    )


def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Numbers of the Cauchy distribution. Raises LenetcError unless sigma is positive."""
    _checked("cauchy_", self, median=median, sigma=sigma)
    if not sigma > 0:
        raise _refuse("cauchy_", f"sigma > 0.0, but found sigma={sigma}")

    def build(u: Node) -> Node:
        angle = (u - 0.5) * math.pi
        return ops.sin(angle) / ops.cos(angle) * sigma + median

    return _refilled(self, "cauchy_", bits.uniform, generator, build)


def bernoulli_(self: Tensor, p: float | Tensor = 0.5, *, generator: Generator | None = None) -> Tensor:
    """1 with probability p, a number or a tensor, else 0. Raises LenetcError for a number that is no probability."""
    require_tensors("bernoulli_", self)
    if not isinstance(p, Tensor):
        need_number("bernoulli_", "p", p)
    sampling.check_share("bernoulli_", p)
    return self._change("bernoulli_", sampling.chosen(p, tuple(self.shape), generator, self.dtype))


def random_(
    self: Tensor, *limits: int, to: int | None = None, generator: Generator | None = None, **low: Any
) -> Tensor:
    """Whole numbers in [from, to): from 0 up to the greatest that the dtype counts to where no limit is given, and
    below the one limit where one is.

    Raises LenetcError where there is none, DTypeError for limits beyond the dtype.
    """
    require_tensors("random_", self)
    first, last = _limits("random_", limits, to, low)
    if last is None and len(limits) == 1:
        first, last = 0, first
    first = 0 if first is None else index_of("random_: a limit", first)
    last = 1 + _greatest(self.dtype) if last is None else index_of("random_: a limit", last)
    sampling.check_limits("random_", first, last)
    sampling.check_fits("random_", first, last, self.dtype)
    found = sampling.integers(first, last, tuple(self.shape), generator)
    return self._change("random_", found.to(self.dtype))


def _greatest(dtype: DType) -> int:
    if dtype is bool_:
        return 1
    if dtype.is_float:
        return _GREATEST[dtype.name]
    return (1 << (8 * dtype.numpy.itemsize - (dtype.numpy.kind == "i"))) - 1


def bernoulli(self: Tensor, p: float | Tensor | None = None, *, generator: Generator | None = None) -> Tensor:
    """A tensor like this one of 1 with the probability that it tells, or with p, else 0 (Tensor.bernoulli)."""
    if isinstance(p, Tensor):
        require_tensors("bernoulli", self)
        return sampling.chosen(p, tuple(self.shape), generator, self.dtype)
    return sampling.bernoulli(self, p, generator=generator)
