"""Page-locked host memory, which CUDA copies from without a stop at a buffer of its own."""

from __future__ import annotations

import ctypes
import math
import sys
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ir.types import Array

_LIBRARIES = (
    ("cudart64_13.dll", "cudart64_12.dll")
    if sys.platform == "win32"
    else ("libcudart.so.13", "libcudart.so.12")
)


def _runtime() -> Any:
    """CUDA's runtime library, which ONNX Runtime has loaded where CUDA is in use; None where it is not found."""
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def empty(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """An uninitialized array in page-locked memory; in ordinary memory where there is no CUDA to lock it."""
    size = math.prod(shape) * dtype.itemsize
    cuda = _runtime()
    address = ctypes.c_void_p()
    if cuda is None or not size or cuda.cudaHostAlloc(ctypes.byref(address), ctypes.c_size_t(size), 0):
        return np.empty(shape, dtype)
    assert address.value is not None
    memory = (ctypes.c_byte * size).from_address(address.value)
    weakref.finalize(memory, cuda.cudaFreeHost, ctypes.c_void_p(address.value))
    return np.frombuffer(memoryview(memory), dtype).reshape(shape)  # the array keeps `memory` alive
