"""Values in the memory of a device: made, copied, read and written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ir.types import Array
from lenetc.runtime.library import ort

Value: TypeAlias = ort.OrtValue


def to_device(array: Array, device: str) -> Value:
    """A copy of `array` on `device`. The copy is ours: the caller may change his array."""
    # On the CPU the runtime would share the caller's memory. Not np.ascontiguousarray, which gives scalars an axis.
    source = np.array(array, order="C", copy=True if device == "cpu" else None)
    return ort.OrtValue.ortvalue_from_numpy(source, device, 0)


def moved(value: Value | Array, device: str) -> Value:
    """A copy of `value` on `device`, by way of the host only where it is elsewhere."""
    if isinstance(value, np.ndarray):
        return to_device(value, device)
    if value.device_name() != device or device == "cpu":
        return to_device(value.numpy(), device)
    copy = ort.OrtValue.ortvalue_from_shape_and_type(value.shape(), value.element_type(), device, 0)
    overwrite(copy, value)
    return copy


def empty(shape: Sequence[int], dtype: np.dtype[Any], device: str) -> Value:
    """Uninitialized memory on `device`."""
    return ort.OrtValue.ortvalue_from_shape_and_type(list(shape), dtype.type, device, 0)


def to_numpy(value: Value) -> Array:
    """The contents of `value` as an array of the caller's own."""
    return np.array(value.numpy())  # the runtime gives a view of its memory, which it may free or write again


def item(value: Value) -> int | float | bool:
    """The contents of a `value` of one element as a Python number."""
    number: int | float | bool = value.numpy().item()
    return number


def overwrite(value: Value, source: Value | Array) -> None:
    """Copy `source`, an array on the host or a value on any device, into the memory of `value`."""
    value.update_inplace(np.asarray(source, order="C") if isinstance(source, np.ndarray) else source)


class Slot:
    """Memory for an input of one type, which a prepared run reads and the host writes before each run."""

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any], device: str) -> None:
        self._array = np.zeros(shape, dtype)
        self._is_shared = device == "cpu"  # there the value is the array's memory
        self.value: Value = ort.OrtValue.ortvalue_from_numpy(self._array, device, 0)

    def write(self, values: Array | float) -> None:
        """Copy `values`, of the same shape, into it."""
        if self._is_shared or not isinstance(values, np.ndarray) or values.dtype != self._array.dtype:
            np.copyto(self._array, values)
            values = self._array
        if not self._is_shared:
            overwrite(self.value, values)
