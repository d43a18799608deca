"""Types of values: a dtype and a shape, printed `f32[N,6,28,28]` (`f32` for a scalar)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ir.dims import Dim, Shape, product
from ir.errors import BoundsError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


class DType:
    """An element type. `numpy` is the dtype that carries it in the interpreter (bf16 is carried as f32)."""

    def __init__(self, name: str, numpy: type, kind: str, long_name: str) -> None:
        self.name = name
        self.numpy = np.dtype(numpy)
        self.kind = kind  # "float", "int" or "bool"
        self.long_name = long_name  # PyTorch's name

    @property
    def is_float(self) -> bool:
        """Whether it is a floating-point dtype."""
        return self.kind == "float"

    # PyTorch's attributes of a dtype.

    @property
    def is_floating_point(self) -> bool:
        return self.is_float

    @property
    def is_complex(self) -> bool:
        return False

    @property
    def is_signed(self) -> bool:
        return self.kind == "float" or (self.kind == "int" and self.numpy.kind == "i")

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return 2 if self.name == "bf16" else self.numpy.itemsize

    def __repr__(self) -> str:
        return f"lenetc.{self.long_name}"

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return dtype_named, (self.name,)


f32 = DType("f32", np.float32, "float", "float32")
f64 = DType("f64", np.float64, "float", "float64")
f16 = DType("f16", np.float16, "float", "float16")
bf16 = DType("bf16", np.float32, "float", "bfloat16")
i64 = DType("i64", np.int64, "int", "int64")
i32 = DType("i32", np.int32, "int", "int32")
i16 = DType("i16", np.int16, "int", "int16")
i8 = DType("i8", np.int8, "int", "int8")
u8 = DType("u8", np.uint8, "int", "uint8")
bool_ = DType("bool", np.bool_, "bool", "bool")

DTYPES: dict[str, DType] = {d.name: d for d in (f32, f64, f16, bf16, i64, i32, i16, i8, u8, bool_)}
_FROM_NUMPY = {d.numpy: d for d in (f32, f64, f16, i64, i32, i16, i8, u8, bool_)}


def dtype_named(name: str) -> DType:
    """The dtype printed as `name`."""
    return DTYPES[name]


def dtype_of(array: Array) -> DType:
    """The dtype of a NumPy array. Raises TypeError for one that the IR lacks."""
    if array.dtype.name == "bfloat16":  # of the package ml_dtypes
        return bf16
    try:
        return _FROM_NUMPY[array.dtype]
    except KeyError:
        known = ", ".join(str(d) for d in _FROM_NUMPY)
        raise TypeError(
            f"arrays of dtype {array.dtype} are not supported; convert to one of {known}"
        ) from None


class Type(NamedTuple):
    """dtype and shape of one value."""

    dtype: DType
    shape: Shape

    @property
    def rank(self) -> int:
        """How many dimensions there are."""
        return len(self.shape)

    @property
    def size(self) -> Dim:
        """Number of elements."""
        return product(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether no size is a symbol."""
        return all(isinstance(dim, int) for dim in self.shape)

    def with_shape(self, shape: Shape) -> Type:
        """The type of this dtype and another shape."""
        return Type(self.dtype, shape)

    def with_dtype(self, dtype: DType) -> Type:
        """The type of this shape and another dtype."""
        return Type(dtype, self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]" if self.shape else str(self.dtype)


@dataclass(frozen=True, slots=True)
class TupleType:
    """Type of an operation with several results (`scan`); `get` picks one."""

    items: tuple[Type, ...]

    def __str__(self) -> str:
        return f"tuple[{', '.join(map(str, self.items))}]"


AnyType: TypeAlias = Type | TupleType


def normalize_axis(axis: int, rank: int, what: str) -> int:
    """`axis` counted from the front; a scalar has the one axis that PyTorch lends it. Raises BoundsError with the
    allowed range."""
    size = max(rank, 1)
    if not -size <= axis < size:
        raise BoundsError(
            f"{what}: axis {axis} is out of range for rank {rank} (allowed {-size} to {size - 1})"
        )
    return axis % size
