"""Numbers, lists and arrays as tensors, and the dtype of an operation on operands of different dtypes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import lenetc.tensors.tensor as t
from ir.errors import DTypeError
from ir.op import scalar
from ir.types import DType, bool_, f32, i16, i64
from lenetc.evaluation.scalars import Scalar
from lenetc.evaluation.tracing import here
from lenetc.tensors.arrays import array_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

Number: TypeAlias = int | float | bool
_ORDER = {"bool": 0, "int": 1, "float": 2}


def result_dtype(x: Tensor, y: Tensor | Number) -> DType:
    """The dtype of an operation on x and y by PyTorch's promotion: kind, then tensors over scalars, then width."""
    if not isinstance(y, t.Tensor):
        kind = "bool" if isinstance(y, bool) else "int" if isinstance(y, int) else "float"
        if _ORDER[kind] <= _ORDER[x.dtype.kind]:
            return x.dtype
        return f32 if kind == "float" else i64
    a, b = x.dtype, y.dtype
    if a is b:
        return a
    if a.kind != b.kind:
        return promoted(a, b)
    if (x.ndim == 0) != (y.ndim == 0):
        return b if x.ndim == 0 else a
    return promoted(a, b)


def promoted(a: DType, b: DType) -> DType:
    """The dtype that holds both, as torch.promote_types has it."""
    if a.kind != b.kind:
        return a if _ORDER[a.kind] > _ORDER[b.kind] else b
    if {a.name, b.name} == {"f16", "bf16"}:
        return f32
    if {a.name, b.name} == {"u8", "i8"}:
        return i16
    if a.kind == "int" and "u8" in (a.name, b.name):
        return b if a.name == "u8" else a
    return a if a.numpy.itemsize >= b.numpy.itemsize and a.name not in ("f16", "bf16") else b


def is_operand(value: Any) -> bool:
    """Whether `value` can stand beside a tensor in arithmetic: a tensor, a number, or an array."""
    return isinstance(value, (t.Tensor, bool, int, float, np.generic)) or hasattr(value, "__array__")


def operand_of(what: str, value: Any) -> Any:
    """`value` as an operand of the function `what`: a tensor, or the Python number that a NumPy scalar stands for
    (a float for np.bool_, as in PyTorch); arrays become tensors. Raises DTypeError for anything else."""
    if isinstance(value, Scalar):
        return value
    if isinstance(value, np.bool_):
        return float(value)
    if isinstance(value, np.generic) and value.dtype.kind in "iuf":
        return value.item()
    if isinstance(value, (t.Tensor, bool, int, float)):
        return value
    if not hasattr(value, "__array__"):
        raise DTypeError(
            f"{what} takes tensors and numbers, not a {type(value).__module__}.{type(value).__name__}"
        ).at(here())
    return as_tensor(value)


def number_for(dtype: DType, value: Number) -> Number:
    """`value` as an element of a tensor of `dtype` that is filled with it: integers lose a fraction, as PyTorch's do.

    Raises DTypeError where it does not fit.
    """
    if dtype.kind == "bool":
        return bool(value)
    if dtype.kind == "int" and isinstance(value, float) and math.isfinite(value):
        value = int(value)
    try:
        scalar(value, dtype)
    except DTypeError as error:
        raise error.at(here()) from None
    return value


def as_tensor(value: Any, dtype: DType | None = None) -> Tensor:
    """`value` as a tensor: itself, or a constant made of a number or an array."""
    if isinstance(value, t.Tensor):
        return value
    if isinstance(value, (bool, int, float, Scalar)):
        kind = bool_ if isinstance(value, bool) else i64 if isinstance(value, int) else f32
        return t.Tensor._from_node(scalar(value, dtype or kind))
    array = array_of(value)
    return t.Tensor._from_array(array if dtype is None else array.astype(dtype.numpy))
