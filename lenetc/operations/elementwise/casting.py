"""Copies, other dtypes, other devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.types import DType
from lenetc.evaluation import lazy

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "clone",
    "to",
]


def clone(x: Tensor) -> Tensor:
    """A copy with storage of its own; gradients pass."""
    return t.apply("CloneBackward0", lambda a: a, x, saves=False)


def to(x: Tensor, *what: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """x with another dtype, and / or a device name, which is checked (torch.Tensor.to).

    Values live where programs run: a device name moves nothing by itself. Raises DeviceError for "cuda" where
    CUDA cannot be used.
    """
    for item in (*what, dtype, device):
        if isinstance(item, DType):
            dtype = item
        elif isinstance(item, t.Tensor):
            dtype = item.dtype
        elif item is not None and not isinstance(item, bool):
            lazy.set_default_device(str(item))
    if dtype is None or dtype is x.dtype:
        return x
    target = dtype
    return t.apply("ToCopyBackward0", lambda a: ops.cast(a, dtype=target), x, saves=False)
