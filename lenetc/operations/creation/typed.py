"""PyTorch's old types: FloatTensor and its like make tensors of one dtype, and tell whether a tensor has it."""

from __future__ import annotations

from typing import Any

from ir.types import DType, bf16, bool_, f16, f32, f64, i8, i16, i32, i64, u8
from lenetc.operations.creation.likes import of_kind
from lenetc.tensors.tensor import Tensor

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
]


class _Typed(type):
    """The class of these types."""

    dtype: DType

    def __call__(cls, *data: Any, device: Any = None) -> Tensor:
        return of_kind(cls.dtype, cls.__name__, data)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype


class FloatTensor(metaclass=_Typed):
    """Tensors of float32."""

    dtype = f32


class DoubleTensor(metaclass=_Typed):
    """Tensors of float64."""

    dtype = f64


class HalfTensor(metaclass=_Typed):
    """Tensors of float16."""

    dtype = f16


class BFloat16Tensor(metaclass=_Typed):
    """Tensors of bfloat16."""

    dtype = bf16


class LongTensor(metaclass=_Typed):
    """Tensors of int64."""

    dtype = i64


class IntTensor(metaclass=_Typed):
    """Tensors of int32."""

    dtype = i32


class ShortTensor(metaclass=_Typed):
    """Tensors of int16."""

    dtype = i16


class CharTensor(metaclass=_Typed):
    """Tensors of int8."""

    dtype = i8


class ByteTensor(metaclass=_Typed):
    """Tensors of uint8."""

    dtype = u8


class BoolTensor(metaclass=_Typed):
    """Tensors of bool."""

    dtype = bool_
