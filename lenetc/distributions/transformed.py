"""Distributions of what functions make of another one's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from lenetc.autograd import no_grad
from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.continuous import Normal
from lenetc.distributions.distribution import Distribution
from lenetc.distributions.independent import Independent, summed
from lenetc.distributions.transforms import ComposeTransform, StickBreakingTransform, Transform
from lenetc.tensors.tensor import Tensor

__all__ = ["LogisticNormal", "TransformedDistribution"]


class TransformedDistribution(Distribution):
    """What transforms, one after another, make of numbers of `base_distribution`
    (torch.distributions.TransformedDistribution).

    Raises ValueError for what are no transforms, and for a base of too few dimensions.
    """

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | Sequence[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(part, Transform) for part in self.transforms):
            raise ValueError(f"transforms must be a Transform or a list of Transforms but was {transforms}")
        shape = (*base_distribution.batch_shape, *base_distribution.event_shape)
        own, whole = len(base_distribution.event_shape), ComposeTransform(self.transforms)
        if len(shape) < whole.domain.event_dim:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {whole.domain.event_dim}, but got {shape}."
            )
        after = whole.forward_shape(shape)
        wanted = whole.inverse_shape(after)
        if tuple(wanted) != shape:
            base_distribution = base_distribution.expand(wanted[: len(wanted) - own])
        if whole.domain.event_dim > own:
            base_distribution = Independent(base_distribution, whole.domain.event_dim - own)
        self.base_dist = base_distribution
        self.has_rsample = base_distribution.has_rsample
        events = max(whole.codomain.event_dim, own + whole.codomain.event_dim - whole.domain.event_dim)
        cut = len(after) - events
        super().__init__(after[:cut], after[cut:], validate_args)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        if not self.transforms:
            return self.base_dist.support
        found, dims = self.transforms[-1].codomain, len(self._event_shape)
        return constraints.independent(found, dims - found.event_dim) if dims > found.event_dim else found

    def expand(self, batch_shape: Sequence[Any]) -> Distribution:
        shape = ComposeTransform(self.transforms).inverse_shape((*batch_shape, *self._event_shape))
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        Distribution.__init__(copy, tuple(batch_shape), self._event_shape, False)
        copy._validate_args = self._validate_args
        return copy

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        with no_grad():
            return ComposeTransform(self.transforms)(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return ComposeTransform(self.transforms)(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        dims, found, y = len(self._event_shape), None, value
        for part in reversed(self.transforms):
            x = part._inv_call(y)
            dims += part.domain.event_dim - part.codomain.event_dim
            term = summed(part.log_abs_det_jacobian(x, y), dims - part.domain.event_dim)
            found, y = -term if found is None else found - term, x
        base = summed(self.base_dist.log_prob(y), dims - len(self.base_dist.event_shape))
        return base if found is None else found + base

    def _rising(self, value: Tensor) -> Tensor:
        """A share below as the one below of the base: they are 1 minus it where the transforms fall."""
        sign = ComposeTransform(self.transforms).sign
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5

    def cdf(self, value: Tensor) -> Tensor:
        return self._rising(self.base_dist.cdf(ComposeTransform(self.transforms)._inv_call(value)))

    def icdf(self, value: Tensor) -> Tensor:
        return ComposeTransform(self.transforms)(self.base_dist.icdf(self._rising(value)))

    def __repr__(self) -> str:
        if self.arg_constraints:
            return super().__repr__()
        return f"{type(self).__name__}()"


class LogisticNormal(TransformedDistribution):
    """K shares that K-1 normal numbers make by StickBreakingTransform (torch.distributions.LogisticNormal)."""

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.simplex

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args)
        if not base.batch_shape:
            base = Normal(base.loc.reshape(1), base.scale.reshape(1), validate_args=False)
        super().__init__(base, StickBreakingTransform(), validate_args)

    def _normal_part(self) -> Any:
        found: Any = self.base_dist
        return found.base_dist

    @property
    def loc(self) -> Tensor:
        found: Tensor = self._normal_part().loc
        return found

    @property
    def scale(self) -> Tensor:
        found: Tensor = self._normal_part().scale
        return found
