"""What dtypes hold, and the dtype that holds two: PyTorch's functions of the same names."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.errors import DTypeError
from ir.types import DType, bf16, bool_, f16, f32, f64, i16, i64
from lenetc.evaluation.tracing import here

__all__ = ["can_cast", "finfo", "get_default_dtype", "iinfo", "promote_types", "set_default_dtype"]

_ORDER = {"bool": 0, "int": 1, "float": 2}
_default = [f32]


# Python's types name dtypes, as in PyTorch.
OF_PYTHON: dict[Any, DType] = {float: f64, int: i64, bool: bool_}


def need_dtype(what: str, dtype: Any) -> DType:
    """`dtype`, or that of Python's float, int or bool. Raises DTypeError for what is none of lenetc's, as NumPy's."""
    if isinstance(dtype, DType):
        return dtype
    if isinstance(dtype, type) and dtype in OF_PYTHON:
        return OF_PYTHON[dtype]
    raise DTypeError(f"{what}: dtype must be one of lenetc's, as lenetc.float32, not {dtype!r}").at(here())


def get_default_dtype() -> DType:
    """The dtype of tensors made of Python's floats, and of integers in a division."""
    return _default[0]


def set_default_dtype(d: DType) -> None:
    """Let Python's floats, and what is made of integers, be of the floating point dtype `d`.

    Raises DTypeError for one that is not floating point.
    """
    if not need_dtype("set_default_dtype", d).is_float:
        raise DTypeError(f"set_default_dtype: only floating point dtypes can be the default, not {d!r}").at(
            here()
        )
    _default[0] = d


def promote_types(type1: DType, type2: DType) -> DType:
    """The dtype that holds both: the larger kind of bool, integer and float, then the wider one."""
    a, b = need_dtype("promote_types", type1), need_dtype("promote_types", type2)
    if a.kind != b.kind:
        return a if _ORDER[a.kind] > _ORDER[b.kind] else b
    if {a, b} == {f16, bf16}:
        return f32
    if a.itemsize != b.itemsize:
        return a if a.itemsize > b.itemsize else b
    return a if a is b else i16  # u8 and i8


def can_cast(from_: DType, to: DType) -> bool:
    """Whether PyTorch stores the one in the other: not a float in an integer, nor a number in a bool."""
    return _ORDER[need_dtype("can_cast", from_).kind] <= _ORDER[need_dtype("can_cast", to).kind]


class finfo:
    """The range and the precision of a floating point dtype (torch.finfo). Raises TypeError for another one."""

    def __init__(self, type: DType | None = None) -> None:
        dtype = get_default_dtype() if type is None else need_dtype("finfo", type)
        if not dtype.is_float:
            raise TypeError(f"finfo: {dtype!r} is not floating point; use lenetc.iinfo")
        self.dtype = dtype.long_name
        self.bits = 8 * dtype.itemsize
        if dtype is bf16:  # an f32 without its last 16 bits
            self.eps, self.resolution = 2.0**-7, 0.01
            self.max = float(np.uint32(0x7F7F0000).view(np.float32))
            self.tiny = float(np.finfo(np.float32).tiny)
        else:
            info = np.finfo(dtype.numpy)
            self.eps, self.max, self.tiny = (float(value) for value in (info.eps, info.max, info.tiny))
            self.resolution = 10.0**-info.precision
        self.min = -self.max
        self.smallest_normal = self.tiny

    def __repr__(self) -> str:
        named = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in named)}, dtype={self.dtype})"


class iinfo:
    """The range of an integer dtype (torch.iinfo). Raises TypeError for another one."""

    def __init__(self, type: DType) -> None:
        dtype = need_dtype("iinfo", type)
        if dtype.kind != "int":
            raise TypeError(f"iinfo: {dtype!r} is not an integer dtype; use lenetc.finfo")
        info: Any = np.iinfo(dtype.numpy.name)
        self.dtype = dtype.long_name
        self.bits, self.min, self.max = info.bits, int(info.min), int(info.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
