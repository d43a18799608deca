"""Numbers, lists and arrays as tensors, and the dtype of an operation on operands of different dtypes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim, Poly, as_value
from ir.errors import DTypeError, UnsupportedError
from ir.node import Node
from ir.op import scalar
from ir.types import DType, bf16, bool_, f16, f32, i64, u8
from lenetc.evaluation.cell import Context
from lenetc.evaluation.scalars import Scalar
from lenetc.evaluation.tracing import here
from lenetc.tensors.arrays import array_of
from lenetc.tensors.dtypes import finfo, get_default_dtype, promote_types

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

Number: TypeAlias = int | float | bool
promoted = promote_types


def result_dtype(x: Tensor, y: Tensor | Number) -> DType:
    """The dtype of an operation on x and y by PyTorch's promotion: kind, then tensors over scalars, then width."""
    if not isinstance(y, t.Tensor) or y._is_number:
        return _with_number(x.dtype, y)
    if x._is_number:
        return _with_number(y.dtype, x)
    a, b = x.dtype, y.dtype
    if a is b:
        return a
    if a.kind == b.kind and (x.ndim == 0) != (y.ndim == 0):
        return b if x.ndim == 0 else a
    return promote_types(a, b)


def _with_number(dtype: DType, y: Number | Tensor) -> DType:
    kind = _kind_of(y)
    return dtype if promote_types(dtype, kind).kind == dtype.kind else kind


def _kind_of(number: Any) -> DType:
    """The dtype of a tensor made of a number."""
    if isinstance(number, t.Tensor):  # one of NumPy's that is not known
        return i64 if number.dtype.kind == "int" else get_default_dtype()
    if isinstance(number, bool):
        return bool_
    return i64 if isinstance(number, int) else get_default_dtype()


def result_dtype_of(*operands: Any) -> DType:
    """The dtype of an operation on tensors and numbers: numbers, and tensors without dimensions, count where no other
    operand is of their kind or a larger one."""
    classes: tuple[list[DType], list[DType], list[DType]] = ([], [], [])
    for x in operands:
        if isinstance(x, t.Tensor) and not x._is_number:
            classes[x.ndim == 0].append(x.dtype)
        else:
            classes[2].append(_kind_of(x))
    found: DType | None = None
    for dtypes in classes:
        if dtypes:
            joint = reduce(promote_types, dtypes)
            if found is None or promote_types(found, joint).kind != found.kind:
                found = joint
    assert found is not None
    return found


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The dtype of an operation on two tensors or numbers (torch.result_type)."""
    return result_dtype_of(operand_of("result_type", tensor1), operand_of("result_type", tensor2))


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a tensor."""
    return isinstance(obj, t.Tensor) and t.of_array(obj) is None


def is_operand(value: Any) -> bool:
    """Whether `value` can stand beside a tensor in arithmetic, or is to be refused there: a tensor, a number, an
    array."""
    return isinstance(value, (t.Tensor, bool, int, float, complex, np.generic, Poly)) or hasattr(
        value, "__array__"
    )


def operand_of(what: str, value: Any) -> Any:
    """`value` as an operand of the function `what`: a tensor, or the Python number that a NumPy scalar stands for
    (a float for np.bool_, as in PyTorch); arrays and symbolic sizes become tensors. Raises DTypeError for anything
    else."""
    if isinstance(value, Scalar):
        return value
    if isinstance(value, np.bool_):
        return float(value)
    if isinstance(value, np.generic) and value.dtype.kind in "iuf":
        return value.item()
    if isinstance(value, (t.Tensor, bool, int, float)):
        return value
    if isinstance(value, Poly):
        return t.apply("", lambda: ops.dim(size=value))
    if isinstance(value, (complex, np.complexfloating)):
        raise UnsupportedError(
            f"{what}: complex numbers are not here; compute with two real tensors, or angles and sizes"
        ).at(here())
    if not hasattr(value, "__array__"):
        raise DTypeError(
            f"{what} takes tensors and numbers, not a {type(value).__module__}.{type(value).__name__}"
        ).at(here())
    return as_tensor(value)


def number_for(dtype: DType, value: Number) -> Number:
    """`value` as an element of a tensor of `dtype` that is filled with it: integers lose a fraction, and negative whole
    numbers count by their last bits in u8, as PyTorch's do.

    Raises DTypeError where it does not fit: for a finite number that f32 takes for infinite too.
    """
    if dtype.kind == "bool":
        return bool(value)
    if dtype.kind == "int" and isinstance(value, float) and math.isfinite(value):
        if dtype is u8 and value < 0:
            raise DTypeError(f"the number {value!r} cannot be converted to uint8 without overflow").at(here())
        value = int(value)
    if dtype is u8 and type(value) is int and -256 < value < 0:
        return value % 256
    if dtype is f32:
        _need_finite(value, dtype)
    try:
        scalar(value, dtype)
    except DTypeError as error:
        raise error.at(here()) from None
    return value


def element_for(dtype: DType, value: Number) -> Number:
    """`number_for`, which refuses what halves take for infinite as well."""
    _need_finite(value, dtype)
    return number_for(dtype, value)


def filling_for(dtype: DType, value: Number, shape: Sequence[Dim]) -> Number:
    """`element_for` of a tensor that is filled whole: a single half takes infinity for what is too large, as PyTorch's
    does, which refuses it where there are more."""
    is_single = all(size == 1 for size in shape)
    if is_single and dtype in (f16, bf16) and type(value) in (int, float) and abs(value) > finfo(dtype).max:
        return math.copysign(math.inf, value)
    return element_for(dtype, value)


def _need_finite(value: Number, dtype: DType) -> None:
    # A number that is an input of its own is not looked at.
    if dtype.is_float and type(value) in (int, float) and finfo(dtype).max < abs(value) < math.inf:
        raise DTypeError(
            f"the number {value!r} cannot be converted to {dtype.long_name} without overflow; use one up to "
            f"{finfo(dtype).max:.6g}, or infinity"
        ).at(here())


def as_tensor(value: Any, dtype: DType | None = None) -> Tensor:
    """`value` as a tensor: itself, or a constant made of a number or an array."""
    if isinstance(value, t.Tensor):
        return value
    if isinstance(value, (bool, int, float, Scalar)):
        return t.Tensor._from_node(scalar(value, dtype or _kind_of(value)))
    array = array_of(value)
    return t.Tensor._from_array(array if dtype is None else array.astype(dtype.numpy))


def _value_of_sizes(operator: str, left: Any, right: Any) -> t.Tensor | None:
    """Arithmetic of a size that is not known which gives no size, f32[]: only a trace has such sizes."""
    if Context.trace is None:
        return None

    def node(side: Any) -> Node:
        return ops.cast(ops.dim(size=side), dtype=f32) if isinstance(side, Poly) else scalar(float(side), f32)

    by_name = {"+": ops.add, "-": ops.sub, "*": ops.mul, "/": ops.div, "**": ops.pow}
    return t.apply("", lambda: by_name[operator](node(left), node(right)))


as_value.append(_value_of_sizes)
