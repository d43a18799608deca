"""What flows through an imported graph: tensors, and arrays of the host.

Shapes and what is computed of them are known when a graph is run or traced, if not as numbers then as dims such as `N`
(ir.dims); so are constants. They are NumPy arrays here, of dtype object where a dim is no number; what needs
a size, as Reshape does, reads it off them. They become tensors where they meet tensors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import ml_dtypes  # noqa: F401 - importing it teaches NumPy the name bfloat16
import numpy as np

from ir import ops
from ir.dims import Poly
from ir.errors import DTypeError
from ir.types import Array, DType, bf16
from lenetc.evaluation.cell import known
from lenetc.importer.dtypes import numpy_dtype, numpy_of, tensors_of
from lenetc.importer.errors import OnnxError
from lenetc.operations.data_dependent import looked_at
from lenetc.operations.shaping import stack
from lenetc.tensors.tensor import Tensor

Host: TypeAlias = np.ndarray[Any, Any]
Value: TypeAlias = Tensor | Host | list[Any] | None  # a list is ONNX's sequence, None an absent input

_MOST = 2**30  # numbers in a constant that is computed


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


class Dims(Host):
    """Numbers and dims, of dtype object. of: the dtype of what they stand for."""

    of: np.dtype[Any] = np.dtype(np.int64)


def is_symbolic(array: Host) -> bool:
    """Whether there is a dim in `array`."""
    return bool(array.dtype == object)


def dtype_of(array: Host) -> np.dtype[Any]:
    """The dtype of `array`, of what dims stand for where there are any."""
    return array.of if isinstance(array, Dims) else np.dtype(np.int64) if is_symbolic(array) else array.dtype


def as_host(array: Any, dtype: Any = np.int64) -> Host:
    """`array` of numbers and dims, of an ordinary dtype where all are numbers: of its own, or of `dtype` where it is
    one of objects."""
    found: Host = np.asarray(array)
    if not is_symbolic(found):
        return found
    if not any(isinstance(item, Poly) for item in found.flat):
        return found.astype(dtype)
    dims = found.view(Dims)
    dims.of = np.dtype(dtype)
    return dims


def to_tensor(value: Value) -> Tensor:
    """`value` as a tensor: dims become values of i64. Raises DTypeError for dtypes that tensors cannot have."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, np.ndarray):
        raise DTypeError(f"a tensor is needed, not {'an absent value' if value is None else 'a sequence'}")
    if not is_symbolic(value):
        return Tensor._from_cell(known(value))
    dtype = dtype_of(value)
    like = tensors_of(dtype)
    parts = [
        Tensor._from_node(ops.dim(size=item)).to(like)
        if isinstance(item, Poly)
        else to_tensor(np.asarray(item, dtype))
        for item in value.flat
    ]
    return stack(parts).reshape(value.shape)


def as_tensors(value: Value) -> Tensor | list[Any] | None:
    """`value` with tensors for arrays, in sequences too."""
    if isinstance(value, list):
        return [as_tensors(item) for item in value]
    return None if value is None else to_tensor(value)


def to_host(value: Value) -> Host:
    """`value` as numbers and dims. A tensor is computed, which inside of a trace raises UnsupportedError."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, Tensor):
        return looked_at("an input that says a shape or places", value).astype(numpy_of(value.dtype))
    raise DTypeError("numbers are needed, not a sequence or an absent value")


def listed(given: Host | None, attribute: Sequence[int] | None) -> list[Any]:
    """Numbers that newer opsets have as an input, and older ones as an attribute."""
    return numbers(given) if given is not None else list(attribute or ())


def array_of(tensor: Tensor) -> Array:
    """The values of `tensor`; bf16 as ml_dtypes has it."""
    if tensor.dtype is bf16:
        return tensor.detach().float().numpy().astype("bfloat16")
    return tensor.detach().numpy()


def numbers(value: Host | None) -> list[Any]:
    """What stands in `value` of rank 0 or 1: ints, floats and dims."""
    if value is None:
        return []
    return [item.item() if isinstance(item, np.generic) else item for item in value.reshape(-1)]


def dtype_numbered(number: int) -> DType:
    """The dtype of ONNX's number (TensorProto.DataType). Raises DTypeError for one that tensors cannot have."""
    return tensors_of(numpy_dtype(number))


def dtype_of_value(value: Value) -> DType:
    """The dtype of a tensor or an array. Raises DTypeError for one that tensors cannot have."""
    return tensors_of(dtype_of(value)) if isinstance(value, np.ndarray) else to_tensor(value).dtype


def need_few(shape: Sequence[Any]) -> None:
    """Raises OnnxError where a constant of that shape is more than anybody means: a file can claim any size."""
    if math.prod(shape) > _MOST:
        raise OnnxError(f"a constant of shape {list(shape)} has more numbers than are computed in advance")
