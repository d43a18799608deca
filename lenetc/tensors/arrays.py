"""What users give as numbers: as arrays, as sizes and positions, as axes."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ir.errors import BoundsError, DTypeError
from ir.types import Array, normalize_axis
from lenetc.evaluation.scalars import look
from lenetc.evaluation.tracing import here


def array_of(data: Any) -> Array:
    """`data` as an array. Raises DTypeError for what is no number, no nested lists of numbers and no array."""
    look(data)
    try:
        array = np.asarray(data)
    except ValueError as error:  # lists of differing lengths
        raise DTypeError(f"cannot make a tensor of this {type(data).__name__}: {error}").at(here()) from None
    if array.dtype.kind in "OUS":
        raise DTypeError(
            f"cannot make a tensor of this {type(data).__name__}, whose values are no numbers (NumPy's dtype "
            "for them is "
            f"{array.dtype}); give numbers, nested lists of numbers, or an array of them"
        ).at(here())
    return array


def index_of(what: str, value: Any) -> int:
    """`value` as a whole number. what: what it is, for the DTypeError that is raised where it is none."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass  # raised below
    raise DTypeError(f"{what} is a whole number, not {value!r}").at(here())


def need_number(what: str, name: str, value: Any) -> None:
    """Raise DTypeError unless the argument `name` of the function `what` is a number."""
    if not isinstance(value, (bool, int, float, np.number)):
        raise DTypeError(f"{what}: {name} must be a number, not {value!r}").at(here())


def axis_of(axis: Any, rank: int, what: str) -> int:
    """`axis` counted from the front. Raises BoundsError, an IndexError, for one that a tensor of `rank` lacks,
    DTypeError for what is no integer."""
    position = index_of(f"{what}: a dimension", axis)
    try:
        return normalize_axis(position, rank, what)
    except BoundsError as error:
        raise error.at(here()) from None
