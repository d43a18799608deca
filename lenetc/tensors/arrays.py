"""What users give as numbers, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.errors import DTypeError
from ir.types import Array
from lenetc.evaluation.tracing import here


def array_of(data: Any) -> Array:
    """`data` as an array. Raises DTypeError for what is no number, no nested lists of numbers and no array."""
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
