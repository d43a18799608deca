"""Distributions of two values, and of categories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ir.errors import UnsupportedError
from ir.ops.rules import broadcast_shapes
from lenetc.autograd import no_grad
from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.distribution import Distribution, OfProbability, broadcast_all, clamped, one_of
from lenetc.nn import functional as F
from lenetc.operations import elementwise as e
from lenetc.operations import indexing, reductions, shaping
from lenetc.operations.creation import sampling
from lenetc.tensors.tensor import Tensor

__all__ = ["Bernoulli", "Categorical", "OneHotCategorical", "OneHotCategoricalStraightThrough"]


class Bernoulli(OfProbability):
    """1 with probability `probs`, or sigmoid(logits), else 0 (torch.distributions.Bernoulli).

    Raises ValueError unless one of the two is given.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, **one_of("Bernoulli", probs, logits))

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        probs = self.probs
        return e.where(e.eq(probs, 0.5), math.nan, e.ge(probs, 0.5).to(probs.dtype))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        probs = self.probs
        with no_grad():
            return sampling.chosen(probs, self._extended_shape(sample_shape), None, probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        logits, target = broadcast_all(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, target, reduction="none")

    def entropy(self) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = Tensor._from_array(np.arange(2)).to(self.probs.dtype)
        column = values.reshape((2, *(1 for _ in self._batch_shape)))
        return shaping.expand(column, (2, *self._batch_shape)) if expand else column


class Categorical(Distribution):
    """A category, 0 to C-1, with the probabilities `probs` [*,C], which are divided by their sum, or softmax(logits)
    (torch.distributions.Categorical).

    Raises ValueError unless one of the two is given, with at least one dimension.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    has_enumerate_support = True

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        one_of("Categorical", probs, logits)
        given = logits if probs is None else probs
        if not isinstance(given, Tensor) or given.ndim < 1:
            name = "logits" if probs is None else "probs"
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if probs is None:
            self.logits = F.log_softmax(given, -1)
        else:
            self.probs = given / given.sum(-1, keepdim=True)
        self._num_events = int(given.shape[-1])
        super().__init__(given.shape[:-1], validate_args=validate_args)

    def __getattr__(self, name: str) -> Any:
        if name == "logits" and "probs" in self.__dict__:
            return e.log(clamped(self.probs))
        if name == "probs" and "logits" in self.__dict__:
            return F.softmax(self.logits, -1)
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def param_shape(self) -> Any:
        return (self.probs if "probs" in self.__dict__ else self.logits).shape

    @property
    def mean(self) -> Tensor:
        return e.where(e.eq(self.probs.sum(-1), -1.0), 0.0, math.nan)

    @property
    def mode(self) -> Tensor:
        return reductions.argmax(self.probs, -1)

    @property
    def variance(self) -> Tensor:
        return self.mean

    def expand(self, batch_shape: Sequence[Any]) -> Distribution:
        name = "probs" if "probs" in self.__dict__ else "logits"
        shape = (*batch_shape, self._num_events)
        return type(self)(**{name: shaping.expand(self.__dict__[name], shape)}, validate_args=False)

    def _categories(self, sample_shape: Sequence[Any]) -> Tensor:
        with no_grad():
            rows = self.probs.detach().reshape((-1, self._num_events))
            count = math.prod(int(n) for n in sample_shape)
            if count == 0:
                return Tensor._from_array(np.zeros((*sample_shape, *self._batch_shape), np.int64))
            found = sampling.multinomial(rows, count, True)
            return shaping.permute(found, 1, 0).reshape((*sample_shape, *self._batch_shape))

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return self._categories(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        shape = broadcast_shapes("log_prob", tuple(value.shape), tuple(self._batch_shape))
        index = shaping.expand(value.long(), shape).unsqueeze(-1)
        table = shaping.expand(self.logits, (*shape, self._num_events))
        return shaping.squeeze(indexing.gather(table, -1, index), -1)

    def entropy(self) -> Tensor:
        least = float(np.finfo(self.logits.dtype.numpy).min)
        return -(e.clamp(self.logits, min=least) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = Tensor._from_array(np.arange(self._num_events))
        column = values.reshape((-1, *(1 for _ in self._batch_shape)))
        return shaping.expand(column, (self._num_events, *self._batch_shape)) if expand else column


class OneHotCategorical(Categorical):
    """A category as a row of zeros with a one in its place (torch.distributions.OneHotCategorical)."""

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(probs, logits, validate_args)
        self._event_shape = self.param_shape[-1:]

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        return constraints.one_hot

    @property
    def mean(self) -> Tensor:
        probs: Tensor = self.probs
        return probs

    @property
    def mode(self) -> Tensor:
        return self._one_hot(reductions.argmax(self.probs, -1))

    @property
    def variance(self) -> Tensor:
        probs: Tensor = self.probs
        return probs * (1 - probs)

    def _one_hot(self, category: Tensor) -> Tensor:
        places = Tensor._from_array(np.arange(self._num_events))
        return e.eq(category.unsqueeze(-1), places).to(self.probs.dtype)

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        return self._one_hot(self._categories(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        return (value * self.logits).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        raise UnsupportedError("OneHotCategorical.enumerate_support is not there; use that of Categorical")


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """OneHotCategorical whose samples have the gradient of the probabilities (Bengio et al. 2013)."""

    has_rsample = True

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        drawn: Tensor = self.sample(sample_shape)
        return drawn + (self.probs - self.probs.detach())
