"""In-place changes: a new value for the cell of a tensor. PyTorch's methods of the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import ShapeError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.operations import elementwise
from lenetc.tensors.convert import as_tensor, number_for, promoted

if TYPE_CHECKING:
    from ir.types import DType
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor


def stored_as(dtype: DType, value: Tensor) -> Tensor:
    """`value` in `dtype` where PyTorch stores it there: a float in any float, an integer in any integer or float."""
    return value if promoted(dtype, value.dtype).kind != dtype.kind else value.to(dtype)


InPlace: TypeAlias = "Callable[..., Tensor]"


def _in_place(operation: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    def change(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return x._change(name, stored_as(x.dtype, operation(x, *args, **kwargs)))

    change.__name__ = name
    change.__doc__ = f"{operation.__name__}, in place."
    return change


add_: InPlace = _in_place(elementwise.add, "add_")
sub_: InPlace = _in_place(elementwise.sub, "sub_")
mul_: InPlace = _in_place(elementwise.mul, "mul_")
div_: InPlace = _in_place(elementwise.div, "div_")
pow_: InPlace = _in_place(elementwise.pow, "pow_")
neg_: InPlace = _in_place(elementwise.neg, "neg_")
sqrt_: InPlace = _in_place(elementwise.sqrt, "sqrt_")
relu_: InPlace = _in_place(elementwise.relu, "relu_")
clamp_: InPlace = _in_place(elementwise.clamp, "clamp_")
bitwise_and_: InPlace = _in_place(elementwise.bitwise_and, "bitwise_and_")
bitwise_or_: InPlace = _in_place(elementwise.bitwise_or, "bitwise_or_")
bitwise_xor_: InPlace = _in_place(elementwise.bitwise_xor, "bitwise_xor_")


addcmul_: InPlace = _in_place(elementwise.addcmul, "addcmul_")
addcdiv_: InPlace = _in_place(elementwise.addcdiv, "addcdiv_")
lerp_: InPlace = _in_place(elementwise.lerp, "lerp_")


def fill_(x: Tensor, value: Number | Tensor) -> Tensor:
    """Every element becomes `value`, a number or a tensor without dimensions."""
    if isinstance(value, t.Tensor):
        if value.ndim:
            raise ShapeError(f"fill_: the value must have no dimensions, but it is {value.type_text()}").at(
                here()
            )
        source = value
    else:
        number = value.item() if isinstance(value, np.generic) else value
        source = as_tensor(number_for(x.dtype, number), x.dtype)

    def build(a: Node, v: Node) -> Node:
        return ops.broadcast_to(v if v.dtype is a.dtype else ops.cast(v, dtype=a.dtype), shape=a.shape)

    return x._change("fill_", t.apply("FillBackward0", build, x.detach(), source))


def zero_(x: Tensor) -> Tensor:
    return fill_(x, 0)


def copy_(x: Tensor, source: Any) -> Tensor:
    """The values of `source`, broadcast and cast to x's type."""
    source = as_tensor(source)

    def build(a: Node) -> Node:
        cast = a if a.dtype is x.dtype else ops.cast(a, dtype=x.dtype)
        return cast if cast.shape == tuple(x.shape) else ops.broadcast_to(cast, shape=tuple(x.shape))

    return x._change("copy_", t.apply("CopyBackwards", build, source))
