"""Axes of a batch as parts of one event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.distribution import Distribution
from lenetc.tensors.tensor import Tensor

__all__ = ["Independent", "summed"]


def summed(value: Tensor, axes: int) -> Tensor:
    """The sum over the last `axes` axes."""
    return value.sum(tuple(range(-axes, 0))) if axes else value


class Independent(Distribution):
    """The last axes of a batch of `base_distribution` taken together (torch.distributions.Independent).

    Raises ValueError for more axes than the batch has.
    """

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        batch = tuple(base_distribution.batch_shape)
        if reinterpreted_batch_ndims > len(batch):
            raise ValueError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), "
                f"actual {reinterpreted_batch_ndims} vs {len(batch)}"
            )
        self.base_dist = base_distribution
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        self.has_rsample = base_distribution.has_rsample
        rank = len(batch) - reinterpreted_batch_ndims
        super().__init__(batch[:rank], (*batch[rank:], *base_distribution.event_shape), validate_args)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        return constraints.independent(self.base_dist.support, self.reinterpreted_batch_ndims)

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return summed(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        return summed(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def expand(self, batch_shape: Sequence[Any]) -> Distribution:
        axes = self.reinterpreted_batch_ndims
        inner = tuple(self.base_dist.batch_shape)[len(self.base_dist.batch_shape) - axes :]
        return Independent(self.base_dist.expand((*batch_shape, *inner)), axes, validate_args=False)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"
