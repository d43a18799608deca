"""What flows through an imported graph: tensors, and arrays of the host.

Shapes and what is computed of them are known when a graph is run or traced, if not as numbers then as dims such as `N`
(ir.dims); so are constants. They are NumPy arrays here, of dtype object where a dim is no number; what needs
a size, as Reshape does, reads it off them. They become tensors where they meet tensors.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np
from onnx import TensorProto

from ir import ops
from ir.dims import Poly
from ir.errors import DTypeError
from ir.types import Array, DType, bf16, bool_, f16, f32, f64, i8, i16, i32, i64, u8
from lenetc.evaluation.cell import known
from lenetc.operations.shaping import stack
from lenetc.tensors.tensor import Tensor

Host: TypeAlias = np.ndarray[Any, Any]
Value: TypeAlias = Tensor | Host | list[Any] | None  # a list is ONNX's sequence, None an absent input


class Quantized(Tensor):
    """Integers that floats were rounded to. floats: their values, with the gradient of what was rounded, which goes
    on where they become floats again."""

    __slots__ = ("floats",)

    def __init__(self, floats: Tensor, dtype: DType) -> None:
        self._init(floats.detach().to(dtype)._cell)
        self.floats = floats


# Kinds of inputs of an operator, as its function declares them. `Tensor` and `Value` are the others.
Sizes = Annotated[Host, "numbers and dims, known when the graph is traced; no gradient goes there"]
Buffer = Annotated[Tensor, "a tensor that no gradient goes to"]


def is_symbolic(array: Host) -> bool:
    """Whether there is a dim in `array`."""
    return bool(array.dtype == object)


def as_host(array: Any, like: Any = np.int64) -> Host:
    """`array` of numbers and dims, of an ordinary dtype where all are numbers."""
    found: Host = np.asarray(array)
    if found.dtype != object or any(isinstance(item, Poly) for item in found.flat):
        return found
    return found.astype(like)


def to_tensor(value: Value) -> Tensor:
    """`value` as a tensor: dims become values of i64. Raises DTypeError for dtypes that tensors cannot have."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, np.ndarray):
        raise DTypeError(f"a tensor is needed, not {'an absent value' if value is None else 'a sequence'}")
    if not is_symbolic(value):
        return Tensor._from_cell(known(value))
    parts = [_of_dim(item) for item in value.flat]
    return stack(parts).reshape(value.shape)


def _of_dim(item: Any) -> Tensor:
    return (
        Tensor._from_node(ops.dim(size=item))
        if isinstance(item, Poly)
        else to_tensor(np.asarray(item, np.int64))
    )


def to_host(value: Value) -> Host:
    """`value` as numbers and dims. A tensor is computed, which inside of a trace raises ValueDependentError."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, Tensor):
        return _numbers(value)
    raise DTypeError("numbers are needed, not a sequence or an absent value")


def _numbers(tensor: Tensor) -> Array:
    return tensor.detach().numpy()


def numbers(value: Host | None) -> list[Any]:
    """What stands in `value` of rank 0 or 1: ints, floats and dims."""
    if value is None:
        return []
    return [item.item() if isinstance(item, np.generic) else item for item in value.reshape(-1)]


_DTYPES: dict[int, DType] = {
    TensorProto.FLOAT: f32,
    TensorProto.DOUBLE: f64,
    TensorProto.FLOAT16: f16,
    TensorProto.BFLOAT16: bf16,
    TensorProto.INT64: i64,
    TensorProto.INT32: i32,
    TensorProto.INT16: i16,
    TensorProto.INT8: i8,
    TensorProto.UINT8: u8,
    TensorProto.BOOL: bool_,
}


def dtype_numbered(number: int) -> DType:
    """The dtype of ONNX's number (TensorProto.DataType). Raises DTypeError for one that tensors cannot have."""
    if number not in _DTYPES:
        known_ones = TensorProto.DataType.items()
        name = next((name.lower() for name, value in known_ones if value == number), f"of number {number}")
        raise DTypeError(
            f"tensors cannot have the dtype {name}; they can have {', '.join(map(str, _DTYPES.values()))}"
        )
    return _DTYPES[number]


def dtype_of_value(value: Value) -> DType:
    """The dtype of a tensor or an array; of dims i64. Raises DTypeError for one that tensors cannot have."""
    if isinstance(value, np.ndarray) and is_symbolic(value):
        return i64
    return to_tensor(value).dtype
