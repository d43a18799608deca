"""What distributions have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ir.errors import UnsupportedError
from ir.ops.rules import broadcast_shapes
from lenetc.autograd import no_grad
from lenetc.distributions.constraints import Constraint
from lenetc.evaluation import bits
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.operations import elementwise, reductions, shaping
from lenetc.operations.creation.sampling import drawn
from lenetc.tensors.convert import as_tensor, operand_of
from lenetc.tensors.size import Size
from lenetc.tensors.tensor import Tensor

__all__ = ["Distribution", "ExponentialFamily"]


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers get the dtype of the first tensor."""
    operands = [operand_of("a distribution", value) for value in values]
    kind = next((x.dtype for x in operands if isinstance(x, Tensor)), None)
    tensors = [x if isinstance(x, Tensor) else as_tensor(float(x), kind) for x in operands]
    shape = broadcast_shapes("a distribution", *(tuple(x.shape) for x in tensors))
    return tuple(x if tuple(x.shape) == shape else shaping.expand(x, shape) for x in tensors)


class Distribution:
    """The base of all distributions (torch.distributions.Distribution).

    Parameters and values are checked where they are known: outside of compiled functions, unless `validate_args` is
    False. Raises ValueError where they are not allowed.
    """

    has_rsample = False
    has_enumerate_support = False
    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    support: Constraint
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check what they are given. Raises ValueError for what is no bool."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args takes True or False, not {value!r}")
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Sequence[Any] = (),
        event_shape: Sequence[Any] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validates():
            for name, constraint in self.arg_constraints.items():
                if name in self.__dict__:  # else it was not given, and is computed of the one that was
                    self._check(f"parameter {name}", constraint, self.__dict__[name])

    def _validates(self) -> bool:
        return bool(self._validate_args) and Context.trace is None

    def _check(self, what: str, constraint: Constraint, value: Tensor) -> None:
        with no_grad():
            fits = bool(reductions.all(constraint.check(value.detach())))
        if not fits:
            raise ValueError(
                f"Expected {what} (Tensor of shape {tuple(value.shape)}) of distribution {self!r} to satisfy the "
                f"constraint {constraint}, but found invalid values:\n{value}"
            )

    def _validate_sample(self, value: Any) -> None:
        """Raise ValueError where `value` is none of this distribution."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        expected = (*self._batch_shape, *self._event_shape)
        events = len(self._event_shape)
        if events and tuple(value.shape[-events:]) != tuple(self._event_shape):
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.shape} vs {self._event_shape}."
            )
        broadcast_shapes("log_prob", tuple(value.shape), expected)
        if self._validates():
            self._check("value argument", self.support, value)

    def _extended_shape(self, sample_shape: Sequence[Any] = ()) -> tuple[Any, ...]:
        return (*sample_shape, *self._batch_shape, *self._event_shape)

    def _uniform(self, sample_shape: Sequence[Any], like: Tensor) -> Tensor:
        return drawn(bits.uniform, self._extended_shape(sample_shape), dtype=like.dtype)

    def _normal(self, sample_shape: Sequence[Any], like: Tensor) -> Tensor:
        return drawn(bits.normal, self._extended_shape(sample_shape), dtype=like.dtype)

    @property
    def batch_shape(self) -> Size:
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        raise self._missing("mean")

    @property
    def mode(self) -> Tensor:
        raise self._missing("mode")

    @property
    def variance(self) -> Tensor:
        raise self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        """The root of the variance."""
        return elementwise.sqrt(self.variance)

    def sample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        """Samples of the shape sample_shape + batch_shape + event_shape, without history."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        """Samples through which gradients reach the parameters. Raises UnsupportedError where there are none."""
        raise self._missing("rsample")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at `value`."""
        raise self._missing("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        raise self._missing("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        raise self._missing("icdf")

    def entropy(self) -> Tensor:
        raise self._missing("entropy")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        raise self._missing("enumerate_support")

    def expand(self, batch_shape: Sequence[Any]) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        raise self._missing("expand")

    def perplexity(self) -> Tensor:
        """exp of the entropy."""
        return elementwise.exp(self.entropy())

    def _missing(self, what: str) -> UnsupportedError:
        error = UnsupportedError(f"{type(self).__name__} has no {what}")
        error.at(here())
        return error

    def __repr__(self) -> str:
        parameters = [(name, self.__dict__[name]) for name in self.arg_constraints if name in self.__dict__]
        shown = (
            f"{name}: {value if value.numel() == 1 and Context.trace is None else value.shape}"
            for name, value in parameters
        )
        return f"{type(self).__name__}({', '.join(shown)})"


ExponentialFamily = Distribution


def one_of(what: str, probs: Any, logits: Any) -> dict[str, Any]:
    """The one of the two that is given, by its name. Raises ValueError unless it is one."""
    if (probs is None) == (logits is None):
        raise ValueError(f"{what}: either `probs` or `logits` must be specified, but not both.")
    return {"logits": logits} if probs is None else {"probs": probs}


def clamped(probs: Tensor) -> Tensor:
    """Probabilities that are neither 0 nor 1."""
    least = float(np.finfo(probs.dtype.numpy).eps)
    return elementwise.clamp(probs, least, 1 - least)


class OfLocation(Distribution):
    """The base of those that have numbers for parameters, each an attribute of its own name."""

    def __init__(self, validate_args: bool | None, **parameters: Any) -> None:
        self.__dict__.update(zip(parameters, broadcast_all(*parameters.values()), strict=True))
        first = next(iter(parameters))
        super().__init__(self.__dict__[first].shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[Any]) -> Distribution:
        """The same distribution with its parameters expanded to `batch_shape`."""
        expanded = {
            name: shaping.expand(self.__dict__[name], tuple(batch_shape))
            for name in self.arg_constraints
            if name in self.__dict__
        }
        return type(self)(**expanded, validate_args=False)


class OfProbability(OfLocation):
    """The base of those that have probabilities, or their logits, among their parameters; each is computed of the
    other."""

    probs: Tensor
    logits: Tensor

    def __getattr__(self, name: str) -> Any:
        given = self.__dict__
        if name == "logits" and "probs" in given:
            probs = clamped(given["probs"])
            return elementwise.log(probs) - elementwise.log1p(-probs)
        if name == "probs" and "logits" in given:
            return elementwise.sigmoid(given["logits"])
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    @property
    def param_shape(self) -> Size:
        given: Tensor = self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]
        return given.shape
