"""Covariances and correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir.errors import DTypeError, LenetcError, ShapeError
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.operations import shaping
from lenetc.operations.elementwise import clamp, maximum, sqrt
from lenetc.operations.products.matrices import matmul
from lenetc.operations.reductions.comparisons import any as any_of
from lenetc.operations.reductions.sums import sum
from lenetc.tensors.convert import as_tensor

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["corrcoef", "cov"]


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Covariances of the rows of a matrix, whose columns are observations; of a vector its variance.

    fweights: how often each observation counts, integers; aweights: how much, floats. Raises ShapeError for more than
    two dimensions and for weights that are not one for each observation, DTypeError for bools and for weights of
    another kind.
    """
    t.require_tensors("cov", input, optional=(fweights, aweights))
    if input.ndim > 2:
        raise ShapeError(f"cov(): expected at most two dimensions, but it is {input.type_text()}").at(here())
    if input.dtype.kind == "bool":
        raise DTypeError("cov(): bool dtype is not supported for input").at(here())
    rows = input if input.ndim == 2 else shaping.reshape(input, 1, -1)
    count = rows.shape[1]
    for name, weights, kind in (("fweights", fweights, "int"), ("aweights", aweights, "float")):
        if weights is None:
            continue
        if weights.ndim > 1 or weights.numel() != count:
            raise ShapeError(
                f"cov(): {name} has to be one for each of the {count} observations, but it is {weights.type_text()}"
            ).at(here())
        if weights.dtype.kind != kind:
            raise DTypeError(f"cov(): {name} must be {kind}, but it is {weights.type_text()}").at(here())
        if Context.trace is None and bool(any_of(weights < 0)):
            raise LenetcError(f"cov(): {name} cannot be negative").at(here())
    weights = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    if weights is None:
        number: Any = count
        average = sum(rows, 1, True) / count
        degrees = as_tensor(count - correction)
    else:
        number = sum(weights)
        average = sum(rows * weights, 1, True) / number
        degrees = number - correction
        if aweights is not None and correction:
            degrees = number - correction * sum(weights * aweights) / number
    centred = rows - average
    weighted = centred if weights is None else centred * weights
    products = matmul(centred, shaping.transpose(weighted.to(centred.dtype), 0, 1))
    return shaping.squeeze(products / maximum(degrees, as_tensor(0, degrees.dtype)).to(products.dtype))


def corrcoef(input: Tensor) -> Tensor:
    """Correlations of the rows of a matrix, whose columns are observations; 1 for a vector. Raises as `cov`."""
    found = cov(input)
    if not found.ndim:
        return found / found
    deviations = sqrt(shaping.diagonal(found))
    scaled = found / shaping.reshape(deviations, -1, 1) / shaping.reshape(deviations, 1, -1)
    return clamp(scaled, -1, 1)
