"""Numbers, lists and arrays as tensors, and the dtype of an operation on operands of different dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import lenetc.tensors.tensor as t
from ir.op import scalar
from ir.types import DType, bool_, f32, i64
from lenetc.tensors.arrays import array_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

Number: TypeAlias = int | float | bool


def result_dtype(x: Tensor, y: Tensor | Number) -> DType:
    """The dtype of an operation on x and y by PyTorch's promotion: kind, then tensors over scalars, then width."""
    order = {"bool": 0, "int": 1, "float": 2}
    if not isinstance(y, t.Tensor):
        kind = "bool" if isinstance(y, bool) else "int" if isinstance(y, int) else "float"
        if order[kind] <= order[x.dtype.kind]:
            return x.dtype
        return f32 if kind == "float" else i64
    a, b = x.dtype, y.dtype
    if a is b:
        return a
    if a.kind != b.kind:
        return a if order[a.kind] > order[b.kind] else b
    if (x.ndim == 0) != (y.ndim == 0):
        return b if x.ndim == 0 else a
    if {a.name, b.name} == {"f16", "bf16"}:
        return f32
    if a.kind == "int" and "u8" in (a.name, b.name):
        return b if a.name == "u8" else a
    return a if a.numpy.itemsize >= b.numpy.itemsize and a.name not in ("f16", "bf16") else b


def as_tensor(value: Any, dtype: DType | None = None) -> Tensor:
    """`value` as a tensor: itself, or a constant made of a number or an array."""
    if isinstance(value, t.Tensor):
        return value
    if isinstance(value, (bool, int, float)):
        kind = bool_ if isinstance(value, bool) else i64 if isinstance(value, int) else f32
        return t.Tensor._from_node(scalar(value, dtype or kind))
    array = array_of(value)
    return t.Tensor(array if dtype is None else array.astype(dtype.numpy))
