"""ONNX's numbers of dtypes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from ir.errors import DTypeError
from ir.types import DType, bf16, dtype_of

_NAMES = (
    "undefined float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64 complex64 "
    "complex128 bfloat16 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz uint4 int4 float4_e2m1"
).split()
_KNOWN = {*range(1, 8), *range(9, 14)}
_BFLOAT16 = 16
_BFLOAT16_OF_NUMPY: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)


def numpy_dtype(number: int) -> np.dtype[Any]:
    """NumPy's dtype for ONNX's number of one (TensorProto.DataType). Raises DTypeError for those that are not here."""
    if number == _BFLOAT16:
        return _BFLOAT16_OF_NUMPY
    if number not in _KNOWN:
        name = _NAMES[number] if 0 <= number < len(_NAMES) else str(number)
        raise DTypeError(f"the dtype {name} is not here")
    found: np.dtype[Any] = np.dtype(_NAMES[number])
    return found


def numpy_of(dtype: DType) -> np.dtype[Any]:
    """NumPy's dtype for one of tensors."""
    return _BFLOAT16_OF_NUMPY if dtype is bf16 else dtype.numpy


def tensors_of(dtype: np.dtype[Any]) -> DType:
    """The dtype of tensors for one of NumPy. Raises DTypeError for those that tensors lack."""
    try:
        return dtype_of(np.empty(0, dtype))
    except TypeError as error:
        raise DTypeError(str(error)) from None
