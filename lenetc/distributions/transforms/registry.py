"""Which transform gives the values that a constraint allows (torch.distributions.constraint_registry)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ir.errors import UnsupportedError
from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.transforms.base import (
    ComposeTransform,
    IndependentTransform,
    Transform,
    identity_transform,
)
from lenetc.distributions.transforms.numbers import AffineTransform, ExpTransform, SigmoidTransform
from lenetc.distributions.transforms.vectors import (
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    SoftmaxTransform,
    StickBreakingTransform,
)
from lenetc.evaluation.tracing import here


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
