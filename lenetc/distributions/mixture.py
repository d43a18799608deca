"""Mixtures of distributions of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenetc.autograd import no_grad
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.discrete import Categorical
from lenetc.distributions.distribution import Distribution
from lenetc.nn import functional as F
from lenetc.operations import indexing, reductions, shaping
from lenetc.tensors.tensor import Tensor

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """Values of the components, which are the last axis of a batch, each as often as a Categorical says
    (torch.distributions.MixtureSameFamily).

    Raises ValueError where the mixture is no Categorical, or of another number than there are components.
    """

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an  instance of torch.distributions.Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution need to be an instance of torch.distributions.Distribution"
            )
        batch, own = tuple(component_distribution.batch_shape), tuple(mixture_distribution.batch_shape)
        for a, b in zip(reversed(own), reversed(batch[:-1]), strict=False):
            if 1 not in (a, b) and a != b:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({own}) is not compatible with "
                    f"`component_distribution.batch_shape`({batch})"
                )
        count = mixture_distribution._num_events
        if not batch or batch[-1] != count:
            raise ValueError(
                f"`mixture_distribution component` ({count}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({batch[-1] if batch else None})"
            )
        self._mixture_distribution, self._component_distribution = (
            mixture_distribution,
            component_distribution,
        )
        self._num_component = count
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args)

    @property
    def mixture_distribution(self) -> Categorical:
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        return self._component_distribution

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        return self._component_distribution.support

    def expand(self, batch_shape: Sequence[Any]) -> Distribution:
        components = self._component_distribution.expand((*batch_shape, self._num_component))
        mixture: Any = self._mixture_distribution.expand(batch_shape)
        return MixtureSameFamily(mixture, components, validate_args=False)

    def _weighted(self, value: Tensor) -> Tensor:
        """The sum over components of `value` [*,components,*event] times their probabilities."""
        events = len(self._event_shape)
        probs = self._mixture_distribution.probs
        return reductions.sum(probs.reshape((*probs.shape, *(1,) * events)) * value, -1 - events)

    @property
    def mean(self) -> Tensor:
        return self._weighted(self._component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        events = len(self._event_shape)
        mean = self.mean.unsqueeze(-1 - events)
        inside, between = (
            self._component_distribution.variance,
            (self._component_distribution.mean - mean) ** 2,
        )
        return self._weighted(inside) + self._weighted(between)

    def cdf(self, value: Tensor) -> Tensor:
        found = self._component_distribution.cdf(self._padded(value))
        return reductions.sum(found * self._mixture_distribution.probs, -1)

    def _padded(self, value: Tensor) -> Tensor:
        return value.unsqueeze(-1 - len(self._event_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        found = self._component_distribution.log_prob(self._padded(value))
        return reductions.logsumexp(found + F.log_softmax(self._mixture_distribution.logits, -1), -1)

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        with no_grad():
            axis, events = len(sample_shape) + len(self._batch_shape), len(self._event_shape)
            chosen = self._mixture_distribution.expand(self._batch_shape).sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            index = chosen.reshape((*chosen.shape, 1, *(1,) * events))
            index = shaping.expand(index, (*chosen.shape, 1, *self._event_shape))
            return shaping.squeeze(indexing.gather(drawn, axis, index), axis)

    def __repr__(self) -> str:
        return f"MixtureSameFamily({self._mixture_distribution},\n  {self._component_distribution})"
