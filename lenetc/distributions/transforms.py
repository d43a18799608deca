"""Functions between the values of distributions, with their inverses and Jacobians (torch.distributions.transforms)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ir.errors import UnsupportedError
from ir.ops.rules import broadcast_shapes
from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.distribution import Distribution
from lenetc.distributions.independent import summed
from lenetc.evaluation.tracing import here
from lenetc.missing import names_of
from lenetc.nn import functional as F
from lenetc.operations import elementwise as e
from lenetc.operations import reductions, shaping
from lenetc.operations.dense.cholesky import cholesky
from lenetc.tensors.tensor import Tensor

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "CatTransform",
    "ComposeTransform",
    "CumulativeDistributionTransform",
    "ExpTransform",
    "IndependentTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "TanhTransform",
    "Transform",
    "biject_to",
    "identity_transform",
    "transform_to",
]


class Transform:
    """y = transform(x), x = transform.inv(y); a subclass has `_call`, `_inverse` and log_abs_det_jacobian(x, y).

    domain, codomain: which x and y there are. bijective: whether each y has one x. sign: of the derivative, where that
    has one. cache_size: 1 lets `inv` give back the very x that y was made of.
    """

    bijective = False
    domain: Constraint
    codomain: Constraint
    sign: Any

    def __init__(self, cache_size: int = 0) -> None:
        if cache_size not in (0, 1):
            raise ValueError("cache_size must be 0 or 1")
        self._cache_size = cache_size
        self._last: tuple[Any, Any] = (None, None)

    def __getattr__(self, name: str) -> Any:
        if name == "sign":
            raise UnsupportedError(f"{type(self).__name__} has no sign").at(here())
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    @property
    def event_dim(self) -> int:
        if self.domain.event_dim != self.codomain.event_dim:
            raise ValueError("Please use either .domain.event_dim or .codomain.event_dim")
        return self.domain.event_dim

    @property
    def inv(self) -> Transform:
        return _Inverse(self)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same transform with a cache of this size."""
        if self._cache_size == cache_size:
            return self
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__, _cache_size=cache_size, _last=(None, None))
        return copy

    def __call__(self, x: Tensor) -> Tensor:
        if self._cache_size and x is self._last[0]:
            return self._last[1]  # type: ignore[no-any-return]
        y = self._call(x)
        self._last = (x, y) if self._cache_size else (None, None)
        return y

    def _inv_call(self, y: Tensor) -> Tensor:
        if self._cache_size and y is self._last[1]:
            return self._last[0]  # type: ignore[no-any-return]
        x = self._inverse(y)
        self._last = (x, y) if self._cache_size else (None, None)
        return x

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no _call")

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no inverse")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of the absolute value of the determinant of dy/dx."""
        raise NotImplementedError(f"{type(self).__name__} has no log_abs_det_jacobian")

    def forward_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(shape)

    def inverse_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    """A transform the other way."""

    def __init__(self, other: Transform) -> None:
        super().__init__(0)
        self._other = other
        self.domain, self.codomain, self.bijective = other.codomain, other.domain, other.bijective

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["_other"].sign if name == "sign" else super().__getattr__(name)

    @property
    def inv(self) -> Transform:
        return self._other

    def with_cache(self, cache_size: int = 1) -> Transform:
        return _Inverse(self._other.with_cache(cache_size))

    def __call__(self, x: Tensor) -> Tensor:
        return self._other._inv_call(x)

    def _inv_call(self, y: Tensor) -> Tensor:
        return self._other(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self._other.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return self._other.inverse_shape(shape)

    def inverse_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return self._other.forward_shape(shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Inverse) and self._other == other._other

    __hash__ = Transform.__hash__

    def __repr__(self) -> str:
        return f"_InverseTransform({self._other!r})"


class ComposeTransform(Transform):
    """Transforms one after another."""

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = [part.with_cache(cache_size) for part in parts] if cache_size else list(parts)

    def with_cache(self, cache_size: int = 1) -> Transform:
        return self if self._cache_size == cache_size else ComposeTransform(self.parts, cache_size)

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        if not self.parts:
            return constraints.real
        found, dims = self.parts[0].domain, self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            dims = max(dims + part.domain.event_dim - part.codomain.event_dim, part.domain.event_dim)
        return constraints.independent(found, dims - found.event_dim) if dims > found.event_dim else found

    @property
    def codomain(self) -> Constraint:  # type: ignore[override]
        if not self.parts:
            return constraints.real
        found, dims = self.parts[-1].codomain, self.parts[0].domain.event_dim
        for part in self.parts:
            dims = max(dims + part.codomain.event_dim - part.domain.event_dim, part.codomain.event_dim)
        return constraints.independent(found, dims - found.event_dim) if dims > found.event_dim else found

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        return all(part.bijective for part in self.parts)

    @property
    def sign(self) -> Any:
        sign: Any = 1
        for part in self.parts:
            sign = sign * part.sign
        return sign

    @property
    def inv(self) -> Transform:
        return ComposeTransform([part.inv for part in reversed(self.parts)])

    def __call__(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def _inv_call(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part._inv_call(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        total: Any = x * 0
        dims = self.domain.event_dim
        for i, part in enumerate(self.parts):
            after = y if i == len(self.parts) - 1 else part(x)
            term = summed(part.log_abs_det_jacobian(x, after), dims - part.domain.event_dim)
            total = term if i == 0 else total + term
            dims += part.codomain.event_dim - part.domain.event_dim
            x = after
        found: Tensor = total
        return found

    def forward_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return tuple(shape)

    def inverse_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return tuple(shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    __hash__ = Transform.__hash__

    def __repr__(self) -> str:
        return "ComposeTransform(\n    " + ",\n    ".join(map(repr, self.parts)) + "\n)"


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform whose last axes of a batch count as one event."""

    def __init__(
        self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0
    ) -> None:
        super().__init__(cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        self.domain = constraints.independent(base_transform.domain, reinterpreted_batch_ndims)
        self.codomain = constraints.independent(base_transform.codomain, reinterpreted_batch_ndims)
        self.bijective = base_transform.bijective

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["base_transform"].sign if name == "sign" else super().__getattr__(name)

    def _call(self, x: Tensor) -> Tensor:
        if x.ndim < self.domain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform(x)

    def _inverse(self, y: Tensor) -> Tensor:
        if y.ndim < self.codomain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return summed(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return self.base_transform.inverse_shape(shape)

    def __repr__(self) -> str:
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


class ReshapeTransform(Transform):
    """The last axes of one shape as axes of another. Raises ValueError where the sizes differ."""

    bijective = True

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ValueError("in_shape, out_shape have different numbers of elements")
        self.domain = constraints.independent(constraints.real, len(self.in_shape))
        self.codomain = constraints.independent(constraints.real, len(self.out_shape))

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape(self.forward_shape(x.shape))

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape(self.inverse_shape(y.shape))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return summed(x.detach() * 0, len(self.in_shape))

    def forward_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return _swapped(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return _swapped(shape, self.out_shape, self.in_shape)


def _swapped(shape: Sequence[Any], old: tuple[int, ...], new: tuple[int, ...]) -> tuple[Any, ...]:
    cut = len(shape) - len(old)
    if cut < 0:
        raise ValueError("Too few dimensions on input")
    if tuple(shape[cut:]) != old:
        raise ValueError(f"Shape mismatch: expected {tuple(shape[cut:])} but got {old}")
    return (*shape[:cut], *new)


class _Plain(Transform):
    """The base of those that have no parameters: they are equal to their like."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    __hash__ = Transform.__hash__


class _Rising(_Plain):
    """The base of those of a number, that rise everywhere."""

    domain = constraints.real
    bijective = True
    sign = 1


class ExpTransform(_Rising):
    """y = exp(x)."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return e.exp(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return e.log(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x


class SigmoidTransform(_Rising):
    """y = sigmoid(x), which is neither 0 nor 1."""

    codomain = constraints.unit_interval

    def _clamped(self, y: Tensor) -> Tensor:
        limits = np.finfo(y.dtype.numpy)
        return e.clamp(y, float(limits.tiny), 1.0 - float(limits.eps))

    def _call(self, x: Tensor) -> Tensor:
        return self._clamped(e.sigmoid(x))

    def _inverse(self, y: Tensor) -> Tensor:
        y = self._clamped(y)
        return e.log(y) - e.log1p(-y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -F.softplus(-x) - F.softplus(x)


class SoftplusTransform(_Rising):
    """y = log(1 + exp(x))."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return F.softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return e.log(-e.expm1(-y)) + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -F.softplus(-x)


class TanhTransform(_Rising):
    """y = tanh(x)."""

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return e.tanh(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return e.atanh(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))


class AbsTransform(_Plain):
    """y = |x|, whose inverse is the positive one of two."""

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return e.abs(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return y


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return bool(reductions.all(e.eq(a, b) if isinstance(a, Tensor) else e.eq(b, a)))
    return bool(a == b)


class PowerTransform(Transform):
    """y = x ** exponent, of positive numbers."""

    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.exponent = exponent

    def __getattr__(self, name: str) -> Any:
        if name != "sign":
            return super().__getattr__(name)
        exponent = self.__dict__["exponent"]
        return e.sign(exponent) if isinstance(exponent, Tensor) else (exponent > 0) - (exponent < 0)

    def _call(self, x: Tensor) -> Tensor:
        return e.pow(x, self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return e.pow(y, 1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return e.log(e.abs(self.exponent * y / x))

    def forward_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return broadcast_shapes("a transform", tuple(shape), tuple(getattr(self.exponent, "shape", ())))

    inverse_shape = forward_shape

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and _same(self.exponent, other.exponent)

    __hash__ = Transform.__hash__


class AffineTransform(Transform):
    """y = loc + scale * x. event_dim: how many of the last axes are one event."""

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim
        real = constraints.real if not event_dim else constraints.independent(constraints.real, event_dim)
        self.domain = self.codomain = real

    def __getattr__(self, name: str) -> Any:
        if name != "sign":
            return super().__getattr__(name)
        scale = self.__dict__["scale"]
        return e.sign(scale) if isinstance(scale, Tensor) else (scale > 0) - (scale < 0)

    @property
    def event_dim(self) -> int:
        return self._event_dim

    def _call(self, x: Tensor) -> Tensor:
        y: Tensor = self.loc + self.scale * x
        return y

    def _inverse(self, y: Tensor) -> Tensor:
        x: Tensor = (y - self.loc) / self.scale
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        scale = self.scale
        size = e.log(e.abs(scale)) if isinstance(scale, Tensor) else math.log(abs(scale))
        return summed(shaping.expand(size + x.detach() * 0, x.shape), self._event_dim)

    def forward_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        parts = (tuple(getattr(x, "shape", ())) for x in (self.loc, self.scale))
        return broadcast_shapes("a transform", tuple(shape), *parts)

    inverse_shape = forward_shape

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, AffineTransform)
            and _same(self.loc, other.loc)
            and _same(self.scale, other.scale)
        )

    __hash__ = Transform.__hash__


class CumulativeDistributionTransform(Transform):
    """y = distribution.cdf(x)."""

    bijective = True
    codomain = constraints.unit_interval
    sign = 1

    def __init__(self, distribution: Distribution, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        return self.distribution.support

    def _call(self, x: Tensor) -> Tensor:
        return self.distribution.cdf(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.distribution.log_prob(x)


class SoftmaxTransform(_Plain):
    """y = softmax(x), whose inverse is one of many."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        return F.softmax(x, -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return e.log(y)


class StickBreakingTransform(_Plain):
    """Shares of what is left: K-1 numbers become K that sum to 1."""

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def _offset(self, count: int, like: Tensor) -> Tensor:
        return e.log(Tensor._from_array(np.arange(count, 0.0, -1.0)).to(like.dtype))

    def _call(self, x: Tensor) -> Tensor:
        z = e.sigmoid(x - self._offset(int(x.shape[-1]), x))
        rest = reductions.cumprod(1 - z, -1)
        return F.pad(z, [0, 1], value=1) * F.pad(rest, [1, 0], value=1)

    def _inverse(self, y: Tensor) -> Tensor:
        cropped = y[..., :-1]
        rest = e.clamp(1 - reductions.cumsum(cropped, -1), min=float(np.finfo(y.dtype.numpy).tiny))
        return e.log(cropped) - e.log(rest) + self._offset(int(cropped.shape[-1]), y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        x = x - self._offset(int(x.shape[-1]), x)
        return reductions.sum(-x + F.logsigmoid(x) + e.log(y[..., :-1]), -1)

    def forward_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        return (*shape[:-1], shape[-1] - 1)


class LowerCholeskyTransform(_Plain):
    """A matrix's lower triangle with exp of its diagonal."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        diagonal = shaping.diagonal(x, dim1=-2, dim2=-1)
        return shaping.tril(x, -1) + shaping.diag_embed(e.exp(diagonal))

    def _inverse(self, y: Tensor) -> Tensor:
        diagonal = shaping.diagonal(y, dim1=-2, dim2=-1)
        return shaping.tril(y, -1) + shaping.diag_embed(e.log(diagonal))


class PositiveDefiniteTransform(_Plain):
    """L times its transpose, where L is what LowerCholeskyTransform gives."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        factor = LowerCholeskyTransform()(x)
        return factor @ shaping.transpose(factor, -2, -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform().inv(cholesky(y))


class _Parts(Transform):
    """The base of transforms of parts along `dim`."""

    def __init__(self, transforms: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.transforms, self.dim = list(transforms), dim
        dims = max(part.domain.event_dim for part in self.transforms)
        self.bijective = all(part.bijective for part in self.transforms)
        self.domain = self.codomain = Constraint(type(self).__name__, lambda x: e.eq(x, x), dims)

    def _split(self, x: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def _joined(self, parts: list[Tensor]) -> Tensor:
        raise NotImplementedError

    def _call(self, x: Tensor) -> Tensor:
        return self._joined([f(part) for f, part in zip(self.transforms, self._split(x), strict=True)])

    def _inverse(self, y: Tensor) -> Tensor:
        return self._joined([f.inv(part) for f, part in zip(self.transforms, self._split(y), strict=True)])

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        pairs = zip(self.transforms, self._split(x), self._split(y), strict=True)
        return self._joined([f.log_abs_det_jacobian(a, b) for f, a, b in pairs])


class StackTransform(_Parts):
    """Transforms of the slices along `dim`."""

    def _split(self, x: Tensor) -> list[Tensor]:
        return list(shaping.unbind(x, self.dim))

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return shaping.stack(parts, self.dim)


class CatTransform(_Parts):
    """Transforms of parts of `lengths` along `dim`, of numbers each."""

    def __init__(
        self,
        tseq: Sequence[Transform],
        dim: int = 0,
        lengths: Sequence[int] | None = None,
        cache_size: int = 0,
    ) -> None:
        super().__init__(tseq, dim, cache_size)
        self.lengths = list(lengths or [1] * len(self.transforms))

    def _split(self, x: Tensor) -> list[Tensor]:
        return list(shaping.split(x, self.lengths, self.dim))

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return shaping.cat(parts, self.dim)


class ConstraintRegistry:
    """What maps all real numbers to values that a constraint allows, by its kind."""

    def __init__(self) -> None:
        self._registry: dict[str, Callable[[Any], Transform]] = {}

    def register(self, constraint: Any, factory: Callable[[Any], Transform] | None = None) -> Any:
        """Let factory(constraint) be the transform for constraints of this kind; as a decorator too."""
        if factory is None:
            return lambda function: self.register(constraint, function)
        self._registry[constraint.name if isinstance(constraint, Constraint) else constraint.__name__] = (
            factory
        )
        return factory

    def __call__(self, constraint: Constraint) -> Transform:
        """Raises UnsupportedError for a kind of which there is none."""
        factory = self._registry.get(constraint.name)
        if factory is None:
            raise UnsupportedError(f"Cannot transform {constraint.name} constraints").at(here())
        return factory(constraint)


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _of_interval(constraint: Constraint) -> Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return SigmoidTransform()
    return ComposeTransform([SigmoidTransform(), AffineTransform(low, high - low)])


def _of_greater(constraint: Constraint) -> Transform:
    low = constraint.lower_bound
    if isinstance(low, (int, float)) and low == 0:
        return ExpTransform()
    return ComposeTransform([ExpTransform(), AffineTransform(low, 1)])


def _of_independent(registry: ConstraintRegistry) -> Callable[[Constraint], Transform]:
    def made(constraint: Constraint) -> Transform:
        base = constraint.base_constraint
        assert base is not None
        return IndependentTransform(registry(base), constraint.event_dim - base.event_dim)

    return made


for _registry in (biject_to, transform_to):
    _registry.register(constraints.real, lambda constraint: identity_transform)
    _registry.register(constraints.real_vector, _of_independent(_registry))
    _registry.register(constraints.positive, _of_greater)
    _registry.register(constraints.nonnegative, _of_greater)
    _registry.register(
        constraints.less_than(0),
        lambda constraint: ComposeTransform([ExpTransform(), AffineTransform(constraint.upper_bound, -1)]),
    )
    _registry.register(constraints.unit_interval, _of_interval)
    _registry.register(constraints.half_open_interval(0, 1), _of_interval)
biject_to.register(constraints.simplex, lambda constraint: StickBreakingTransform())
transform_to.register(constraints.simplex, lambda constraint: SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda constraint: LowerCholeskyTransform())
transform_to.register(constraints.positive_definite, lambda constraint: PositiveDefiniteTransform())

__getattr__ = names_of(__name__)
