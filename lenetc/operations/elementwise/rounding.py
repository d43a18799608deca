"""Whole numbers near to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "floor",
]


def floor(x: Tensor) -> Tensor:
    """The largest whole number not above x: an integer itself. Raises DTypeError for bools."""
    t.require_tensors("floor", x)
    return t.apply("FloorBackward0", lambda a: a if a.dtype.kind == "int" else ops.floor(a), x)
