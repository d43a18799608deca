"""Tensors of data: numbers, nested lists, arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.dims import Poly
from ir.errors import DTypeError, UnsupportedError
from ir.types import Array, DType, u8
from lenetc.evaluation.scalars import Scalar
from lenetc.evaluation.tracing import here
from lenetc.operations.creation.arguments import checked, finished
from lenetc.tensors.arrays import array_of
from lenetc.tensors.convert import as_tensor as to_tensor
from lenetc.tensors.convert import operand_of
from lenetc.tensors.dtypes import get_default_dtype
from lenetc.tensors.tensor import Tensor, of_array

__all__ = ["as_tensor", "asarray", "complex", "from_numpy", "frombuffer", "polar", "scalar_tensor", "tensor"]


def tensor(
    data: Any,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with a copy of `data`: a number, nested lists, an array. Python floats have the default dtype,
    ints i64; NumPy's numbers and arrays among them keep theirs.

    Raises DTypeError for data that are no numbers, and for an integer that does not fit an integer dtype.
    """
    dtype = None if dtype is None else checked("tensor", dtype)
    if isinstance(data, Tensor):
        copy = data.detach().clone()
        copy = copy if dtype is None else copy.to(dtype)
        return copy.requires_grad_() if requires_grad else copy
    if isinstance(data, (Scalar, Poly)):
        made = to_tensor(operand_of("tensor", data), dtype)
        return made.requires_grad_() if requires_grad else made
    array = array_of(data)
    if array.dtype.kind == "c" and not isinstance(data, np.ndarray):
        raise UnsupportedError(
            "tensor: complex numbers are not there; keep real and imaginary parts in tensors of their own"
        ).at(here())
    is_array = isinstance(data, (np.ndarray, np.generic))
    if dtype is not None:
        if not is_array:
            _check_fits(array, dtype)
        with np.errstate(over="ignore"):  # which gives infinity
            array = array.astype(dtype.numpy)
    elif not is_array and array.dtype == np.float64 and not _holds_f64(data):
        with np.errstate(over="ignore"):
            array = array.astype(get_default_dtype().numpy)
    result = Tensor._from_array(array)
    if dtype is not None and result.dtype is not dtype:
        result = result.to(dtype)
    return finished("tensor", result, requires_grad, device, None, {})


def _holds_f64(data: Any) -> bool:
    """Whether a number of NumPy's f64 is among the data, which Python's floats are not."""
    if isinstance(data, (list, tuple)):
        return any(type(item) is not float and _holds_f64(item) for item in data)
    return isinstance(data, (np.generic, np.ndarray)) and data.dtype == np.float64


def _check_fits(array: Array, dtype: DType) -> None:
    """Raise DTypeError where numbers of `array` are beyond `dtype`; small negative integers wrap around, as in
    PyTorch."""
    if dtype.kind == "int" and array.dtype.kind == "f":
        limits = np.iinfo(dtype.numpy)  # type: ignore[type-var]
        if not np.all((array >= limits.min) & (array <= limits.max) & (array < 2.0**63)):
            raise DTypeError(
                f"a number among the data cannot be converted to {dtype.long_name} without overflow"
            ).at(here())
    if dtype.kind == "int" and array.dtype.kind in "iu" and array.size:
        bits = 8 * dtype.numpy.itemsize
        least, most = (1 - 2**bits, 2**bits) if dtype is u8 else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        if not least <= int(array.min()) <= int(array.max()) < most:
            raise DTypeError(f"a number among the data does not fit {dtype!r}").at(here())


def from_numpy(ndarray: Any) -> Tensor:
    """A tensor with a copy of a NumPy array, dtype kept. Raises DTypeError for lists and numbers."""
    if isinstance(ndarray, Tensor):  # a tensor that stands for one, in a compiled function
        copy = of_array(ndarray)
        return ndarray if copy is None else copy
    if not hasattr(ndarray, "__array__"):
        raise DTypeError(
            f"from_numpy: expected a NumPy array, not a {type(ndarray).__name__}; lenetc.tensor takes lists"
        ).at(here())
    return Tensor._from_array(np.asarray(ndarray))


def frombuffer(
    buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of what `buffer` holds, one dimension."""
    kind = checked("frombuffer", dtype)
    try:
        array = np.frombuffer(buffer, kind.numpy, count, offset)
    except ValueError as error:
        raise DTypeError(f"frombuffer: {error}").at(here()) from None
    return finished("frombuffer", Tensor._from_array(array), requires_grad, None, None, {})


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """`data` itself if it is a tensor of that dtype, else a tensor made of it."""
    if isinstance(data, Tensor):
        copy = of_array(data)
        found = data if copy is None else copy
        return found.to(dtype) if dtype is not None else found
    return tensor(data, dtype=dtype, device=device)


def asarray(
    obj: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`obj` as a tensor, itself if it is one of that dtype and no copy is asked for."""
    result = as_tensor(obj, dtype=dtype, device=device)
    if copy and result is obj:
        result = result.clone()
    return result.requires_grad_() if requires_grad else result


def scalar_tensor(
    s: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, **idle: Any
) -> Tensor:
    """The number `s` as a tensor without dimensions, of the default dtype unless a dtype is given."""
    made = tensor(s, dtype=checked("scalar_tensor", dtype or get_default_dtype()))
    return finished("scalar_tensor", made, requires_grad, device, None, idle)


def _no_complex(what: str) -> Any:
    def refused(*args: Any, **kwargs: Any) -> Tensor:
        raise UnsupportedError(
            f"{what}: complex numbers are not there; keep real and imaginary parts in tensors of their own"
        ).at(here())

    refused.__name__ = what
    refused.__doc__ = "Raises UnsupportedError: there are no complex numbers."
    return refused


complex = _no_complex("complex")
polar = _no_complex("polar")
