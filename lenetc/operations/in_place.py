"""In-place changes: a new value for the cell of a tensor. PyTorch's methods of the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import lenetc.tensors.tensor as t
from ir import ops
from ir.node import Node
from lenetc.operations import elementwise
from lenetc.tensors.convert import as_tensor

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number
    from lenetc.tensors.tensor import Tensor

InPlace: TypeAlias = "Callable[..., Tensor]"


def _in_place(operation: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    def change(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        value = operation(x, *args, **kwargs)
        return x._change(name, value)

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


addcmul_: InPlace = _in_place(elementwise.addcmul, "addcmul_")
addcdiv_: InPlace = _in_place(elementwise.addcdiv, "addcdiv_")
lerp_: InPlace = _in_place(elementwise.lerp, "lerp_")


def fill_(x: Tensor, value: Number | Tensor) -> Tensor:
    """Every element becomes `value`."""

    def build(a: Node) -> Node:
        source = as_tensor(value, x.dtype).node
        return ops.broadcast_to(
            source if source.dtype is a.dtype else ops.cast(source, dtype=a.dtype), shape=a.shape
        )

    return x._change("fill_", t.apply("FillBackward0", build, x.detach()))


def zero_(x: Tensor) -> Tensor:
    return fill_(x, 0)


def copy_(x: Tensor, source: Any) -> Tensor:
    """The values of `source`, broadcast and cast to x's type."""
    source = as_tensor(source)

    def build(a: Node) -> Node:
        cast = a if a.dtype is x.dtype else ops.cast(a, dtype=x.dtype)
        return cast if cast.shape == tuple(x.shape) else ops.broadcast_to(cast, shape=tuple(x.shape))

    return x._change("copy_", t.apply("CopyBackwards", build, source))
