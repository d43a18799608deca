"""The inputs of an imported graph: what may be given for them, and what is wrong with what is given."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from ir.dims import Poly
from ir.errors import DTypeError, ShapeError
from ir.types import DType, bf16, bool_, f16, f32, f64, i8, i16, i32, i64, u8
from lenetc.importer.records import Port
from lenetc.importer.values import Value
from lenetc.operations.creation import tensor
from lenetc.tensors.tensor import Tensor

# ONNX's names of dtypes.
DTYPES: dict[str, DType] = {
    "float": f32,
    "double": f64,
    "float16": f16,
    "bfloat16": bf16,
    "bool": bool_,
    "int8": i8,
    "int16": i16,
    "int32": i32,
    "int64": i64,
    "uint8": u8,
}


def described(port: Port) -> str:
    """The type of a port as the file has it: "f32[N,3]"."""
    dtype = str(DTYPES[port.dtype].name) if port.dtype in DTYPES else port.dtype or "?"
    if port.shape is None:
        return dtype
    return f"{dtype}[{','.join('?' if dim is None else str(dim) for dim in port.shape)}]"


def taken(value: Any, port: Port, floats: Collection[DType]) -> Value:
    """`value` as the graph takes it for `port`. floats: dtypes of floating point that do for the file's, those that the
    module was converted to. Raises DTypeError and ShapeError where it does not fit."""
    if port.dtype.endswith("_type"):  # a sequence, or an optional value
        return (
            [_tensor(item, port) for item in value]
            if isinstance(value, (list, tuple))
            else _maybe(value, port)
        )
    given = _tensor(value, port)
    wanted = DTYPES.get(port.dtype)
    fits = given.dtype == wanted or (wanted is not None and wanted.is_float and given.dtype in floats)
    if wanted is not None and not fits:
        raise DTypeError(
            f"the input {port.name!r} is {described(port)}, not {given.dtype.name}: convert it with "
            f".to(lenetc.{wanted.long_name})"
        )
    if port.shape is not None:
        _need_shape(given, port)
    return given


def _maybe(value: Any, port: Port) -> Value:
    return None if value is None else _tensor(value, port)


def _tensor(value: Any, port: Port) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray):
        return Tensor._from_array(value)
    if isinstance(value, (np.generic, int, float)):  # of which a trace has to know that they were read
        return tensor(value, dtype=None if isinstance(value, np.generic) else DTYPES.get(port.dtype))
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    raise DTypeError(
        f"the input {port.name!r} is {described(port)}: give a lenetc.Tensor or a NumPy array, not {name}"
    )


def _need_shape(tensor: Tensor, port: Port) -> None:
    assert port.shape is not None
    sizes = list(tensor.shape)
    if len(sizes) != len(port.shape):
        raise ShapeError(f"the input {port.name!r} is {described(port)}, not of shape {sizes}")
    for axis, (size, wanted) in enumerate(zip(sizes, port.shape, strict=True)):
        if isinstance(wanted, int) and not isinstance(size, Poly) and size != wanted:
            hint = '; from_onnx(..., batch="N") frees a fixed batch' if axis == 0 else ""
            raise ShapeError(
                f"the input {port.name!r} is {described(port)}: {wanted} at axis {axis}, not {size}{hint}"
            )
