"""Other dtypes."""

from __future__ import annotations

import numpy as np

from ir.types import DType
from lenetc.importer.dtypes import numpy_dtype
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.registry import operator
from lenetc.importer.values import Quantized, Value, dtype_numbered, dtype_of_value, is_symbolic, to_tensor
from lenetc.tensors.tensor import Tensor


@operator
def Cast(x: Tensor, /, *, to: int, saturate: int = 1, round_mode: str = "up") -> Tensor:
    """saturate and round_mode tell of dtypes of 8 bits, which tensors cannot have. Between floating-point dtypes
    the gradient passes, and from integers that were rounded to floats."""
    return _converted(x, dtype_numbered(to))


@operator
def CastLike(x: Tensor, like: Value, /, *, saturate: int = 1, round_mode: str = "up") -> Tensor:
    return _converted(x, dtype_of_value(like))


def _converted(x: Tensor, dtype: DType) -> Tensor:
    return (x.floats if isinstance(x, Quantized) and dtype.is_float else x).to(dtype)


@operator(differentiable=False)
def BitCast(x: Value, /, *, to: int) -> Value:
    """The same bits, of constants as any dtype, of tensors from integers to integers."""
    dtype = dtype_numbered(to)
    if isinstance(x, np.ndarray) and not is_symbolic(x):
        if dtype.itemsize != x.dtype.itemsize:
            raise OnnxOperatorError(f"{x.dtype} and {dtype} are not of the same number of bits")
        return x.view(numpy_dtype(to))
    x = to_tensor(x)
    if x.dtype.itemsize != dtype.itemsize:
        raise OnnxOperatorError(f"{x.dtype} and {dtype} are not of the same number of bits")
    if x.dtype is dtype:
        return x
    if {x.dtype.kind, dtype.kind} != {"int"}:
        raise OnnxOperatorError(f"the bits of {x.type_text()} are not read as {dtype}: only integers are")
    return x.to(dtype)
