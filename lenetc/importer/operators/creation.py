"""Values out of nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ir.types import Array
from lenetc.importer.registry import operator
from lenetc.importer.values import Host, Sizes, Value, need_few, numbers
from lenetc.operations import creation
from lenetc.tensors.tensor import Tensor  # noqa: F401


@operator
def Constant(
    *,
    value: Array | None = None,
    value_float: float | None = None,
    value_floats: Sequence[float] | None = None,
    value_int: int | None = None,
    value_ints: Sequence[int] | None = None,
) -> Host:
    if value is not None:
        return value
    if value_float is not None or value_floats is not None:
        return np.asarray(value_floats if value_float is None else value_float, np.float32)
    return np.asarray(value_ints if value_int is None else value_int, np.int64)


@operator
def ConstantOfShape(shape: Sizes, /, *, value: Array | None = None) -> Value:
    fill = np.zeros(1, np.float32) if value is None else value
    sizes = numbers(shape)
    if all(isinstance(size, int) for size in sizes):
        need_few(sizes)
        return np.full(sizes, fill.reshape(())[()], fill.dtype)
    return creation.full(sizes, fill.item())
