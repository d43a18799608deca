"""Normal vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from ir.ops.rules import broadcast_shapes
from lenetc.distributions import constraints
from lenetc.distributions.constraints import Constraint
from lenetc.distributions.distribution import Distribution
from lenetc.operations import creation, reductions, shaping
from lenetc.operations import elementwise as e
from lenetc.operations.dense.cholesky import cholesky
from lenetc.operations.dense.equations import solve_triangular
from lenetc.tensors.tensor import Tensor

__all__ = ["MultivariateNormal"]


def of_precision(precision: Tensor) -> Tensor:
    """The lower triangle L for which L times its transpose is the inverse of `precision`."""
    flipped = cholesky(shaping.flip(precision, (-2, -1)))
    inverse = shaping.transpose(shaping.flip(flipped, (-2, -1)), -2, -1)
    return solve_triangular(inverse, _identity(precision), upper=False)


def _identity(matrix: Tensor) -> Tensor:
    return shaping.expand(creation.eye(int(matrix.shape[-1]), dtype=matrix.dtype), matrix.shape)


def half_log_det(triangle: Tensor) -> Tensor:
    """The sum of the logarithms of its diagonal."""
    return reductions.sum(e.log(shaping.diagonal(triangle, dim1=-2, dim2=-1)), -1)


def mahalanobis(triangle: Tensor, x: Tensor) -> Tensor:
    """The square of the length of triangle⁻¹ x, of vectors x [*,K]."""
    shape = broadcast_shapes("a distribution", tuple(triangle.shape[:-2]), tuple(x.shape[:-1]))
    size = triangle.shape[-1]
    left = shaping.expand(triangle, (*shape, size, size))
    right = shaping.expand(x, (*shape, size)).unsqueeze(-1)
    return reductions.sum(solve_triangular(left, right, upper=False) ** 2, (-2, -1))


class MultivariateNormal(Distribution):
    """Normal vectors [*,K] of mean `loc` (torch.distributions.MultivariateNormal).

    covariance_matrix, precision_matrix (its inverse) or scale_tril (the lower triangle whose product with its transpose
    it is), [*,K,K]: one of them. Raises ValueError for none or several, and for too few dimensions.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        matrices = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = [(name, matrix) for name, matrix in matrices.items() if matrix is not None]
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = given
        if matrix.ndim < 2:
            raise ValueError(
                f"{name} must be at least two-dimensional, with optional leading batch dimensions"
            )
        batch = broadcast_shapes("MultivariateNormal", tuple(matrix.shape[:-2]), tuple(loc.shape[:-1]))
        self.loc = shaping.expand(loc, (*batch, loc.shape[-1]))
        self.__dict__[name] = shaping.expand(matrix, (*batch, *matrix.shape[-2:]))
        super().__init__(batch, loc.shape[-1:], validate_args)
        if name == "covariance_matrix":
            matrix = cholesky(matrix)
        self._triangle = of_precision(matrix) if name == "precision_matrix" else matrix

    def __getattr__(self, name: str) -> Any:
        if name not in ("covariance_matrix", "precision_matrix", "scale_tril"):
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        triangle = shaping.expand(self._triangle, (*self._batch_shape, *self._triangle.shape[-2:]))
        if name == "scale_tril":
            return triangle
        if name == "precision_matrix":
            inverse = solve_triangular(triangle, _identity(triangle), upper=False)
            return shaping.transpose(inverse, -2, -1) @ inverse
        return triangle @ shaping.transpose(triangle, -2, -1)

    def expand(self, batch_shape: Sequence[Any]) -> Distribution:
        size = self._event_shape[0]
        loc = shaping.expand(self.loc, (*batch_shape, size))
        triangle = shaping.expand(self.scale_tril, (*batch_shape, size, size))
        return MultivariateNormal(loc, scale_tril=triangle, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        found = reductions.sum(self._triangle**2, -1)
        return shaping.expand(found, (*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Sequence[Any] = ()) -> Tensor:
        drawn = self._normal(sample_shape, self.loc).unsqueeze(-1)
        return self.loc + shaping.squeeze(self._triangle @ drawn, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._validate_sample(value)
        squares = mahalanobis(self._triangle, value - self.loc)
        norm = float(self._event_shape[0]) * math.log(2 * math.pi)
        return -half_log_det(self._triangle) - 0.5 * (norm + squares)

    def entropy(self) -> Tensor:
        found = half_log_det(self._triangle) + 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        return shaping.expand(found, self._batch_shape)
