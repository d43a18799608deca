"""Values in the memory of a device: made, copied, read and written."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from ir.types import Array, DType, bf16
from lenetc.runtime.library import ort

Value: TypeAlias = ort.OrtValue
# NumPy lacks bf16, and the runtime gives and takes its arrays as integers of 16 bits.
BF16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
_BF16_TYPE = 16  # of onnx.TensorProto


def stored(dtype: DType) -> np.dtype[Any]:
    """NumPy's dtype of the memory of a tensor."""
    return BF16 if dtype is bf16 else dtype.numpy


def _shared(array: Array, device: str) -> Value:
    """A value on `device`; on the CPU in the memory of `array`."""
    if array.dtype != BF16:
        return ort.OrtValue.ortvalue_from_numpy(array, device, 0)
    value = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), _BF16_TYPE)
    return value if device == "cpu" else moved(value, device)


def to_device(array: Array, device: str) -> Value:
    """A copy of `array` on `device`. The copy is ours: the caller may change his array."""
    # On the CPU the runtime would share the caller's memory. Not np.ascontiguousarray, which gives scalars an axis.
    source = np.array(array, order="C", copy=True if device == "cpu" else None)
    return _shared(source, device)


def moved(value: Value | Array, device: str) -> Value:
    """A copy of `value` on `device`, by way of the host only where it is elsewhere."""
    if isinstance(value, np.ndarray):
        return to_device(value, device)
    if value.device_name() != device and value.element_type() == _BF16_TYPE:
        copy = ort.OrtValue.ortvalue_from_shape_and_type(value.shape(), _BF16_TYPE, device, 0)
        overwrite(copy, value)
        return copy
    if value.device_name() != device or device == "cpu":
        return to_device(view(value), device)
    copy = ort.OrtValue.ortvalue_from_shape_and_type(value.shape(), value.element_type(), device, 0)
    overwrite(copy, value)
    return copy


def empty(shape: Sequence[int], dtype: np.dtype[Any], device: str) -> Value:
    """Uninitialized memory on `device`."""
    if device == "cpu" and dtype != BF16 and math.prod(shape) == 1:
        array = np.empty(shape, dtype)
        value = _shared(array, device)
        value.array = array  # from which `item` takes the number in a third of the time
        return value
    kind = _BF16_TYPE if dtype == BF16 else dtype.type
    return ort.OrtValue.ortvalue_from_shape_and_type(list(shape), kind, device, 0)


def view(value: Value) -> Array:
    """The contents of `value`, perhaps in its memory."""
    if value.element_type() != _BF16_TYPE:
        return value.numpy()  # type: ignore[no-any-return]
    if value.device_name() != "cpu":
        value = moved(value, "cpu")
    shape = value.shape()
    if not np.prod(shape):
        return np.zeros(shape, BF16)
    bits = (ctypes.c_uint16 * int(np.prod(shape))).from_address(value.data_ptr())
    return np.array(np.ctypeslib.as_array(bits).view(BF16).reshape(shape))  # before the value is gone


def to_numpy(value: Value) -> Array:
    """The contents of `value` as an array of the caller's own."""
    return np.array(view(value))  # the runtime gives a view of its memory, which it may free or write again


def item(value: Value) -> int | float | bool:
    """The contents of a `value` of one element as a Python number."""
    array = getattr(value, "array", None)
    number: int | float | bool = (view(value) if array is None else array).item()
    return number


def overwrite(value: Value, source: Value | Array) -> None:
    """Copy `source`, an array on the host or a value on any device, into the memory of `value`."""
    if isinstance(source, np.ndarray):
        source = np.asarray(source, order="C")
        source = _shared(source, "cpu") if source.dtype == BF16 else source
    value.update_inplace(source)


class Slot:
    """Memory for an input of one type, which a prepared run reads and the host writes before each run."""

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any], device: str) -> None:
        self._array = np.zeros(shape, dtype)
        self._is_shared = device == "cpu"  # there the value is the array's memory
        self.value: Value = _shared(self._array, device)

    def write(self, values: Array | float) -> None:
        """Copy `values`, of the same shape, into it."""
        if self._is_shared or not isinstance(values, np.ndarray) or values.dtype != self._array.dtype:
            np.copyto(self._array, values)
            values = self._array
        if not self._is_shared:
            overwrite(self.value, values)
