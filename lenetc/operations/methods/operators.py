"""Python's operators of Tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ir.errors import LenetcError
from lenetc.evaluation.tracing import here
from lenetc.operations import elementwise, in_place, indexing, products, reductions
from lenetc.operations.elementwise import bits, division, powers
from lenetc.operations.products.matrices import rmatmul
from lenetc.tensors.convert import is_operand
from lenetc.tensors.tensor import Tensor


def _operator(function: Callable[..., Tensor]) -> Callable[[Any, Any], Tensor]:
    """`function` as an operator: where the other operand is none of arithmetic, Python asks it instead."""

    def operator(x: Any, other: Any) -> Tensor:
        return function(x, other) if is_operand(other) else NotImplemented

    operator.__name__ = function.__name__
    operator.__doc__ = function.__doc__
    return operator


class Operators:
    """`x + y`, `x[i]`, `x += y` and their like."""

    __slots__ = ()

    def __hash__(self) -> int:  # by identity: __eq__ compares element by element
        return id(self)

    def __contains__(self: Any, element: Any) -> bool:
        """Whether an element equals a number or, after broadcasting, a tensor. Raises LenetcError for anything else."""
        if not is_operand(element):
            raise LenetcError(
                f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}"
            ).at(here())
        return bool(reductions.any(elementwise.eq(self, element)))

    __add__ = __radd__ = _operator(elementwise.add)
    __sub__ = _operator(elementwise.sub)
    __rsub__ = _operator(elementwise.rsub)
    __mul__ = __rmul__ = _operator(elementwise.mul)
    __truediv__ = _operator(elementwise.div)
    __rtruediv__ = __rdiv__ = _operator(division.rdiv)
    __floordiv__ = _operator(elementwise.floor_divide)
    __rfloordiv__ = _operator(division.rfloor_divide)
    __mod__ = _operator(elementwise.remainder)
    __rmod__ = _operator(division.rremainder)
    __lshift__ = _operator(elementwise.bitwise_left_shift)
    __rlshift__ = _operator(bits.rlshift)
    __rshift__ = _operator(elementwise.bitwise_right_shift)
    __rrshift__ = _operator(bits.rrshift)
    __pow__ = _operator(elementwise.pow)
    __rpow__ = _operator(powers.rpow)
    __matmul__ = _operator(products.matmul)
    __rmatmul__ = _operator(rmatmul)
    __neg__ = elementwise.neg
    __pos__ = elementwise.positive
    __abs__ = elementwise.abs
    __eq__ = _operator(elementwise.eq)  # type: ignore[assignment]
    __ne__ = _operator(elementwise.ne)  # type: ignore[assignment]
    __lt__ = _operator(elementwise.lt)
    __le__ = _operator(elementwise.le)
    __gt__ = _operator(elementwise.gt)
    __ge__ = _operator(elementwise.ge)
    __invert__ = elementwise.bitwise_not
    __and__ = __rand__ = _operator(elementwise.bitwise_and)
    __or__ = __ror__ = _operator(elementwise.bitwise_or)
    __xor__ = __rxor__ = _operator(elementwise.bitwise_xor)
    __iadd__ = _operator(in_place.add_)
    __isub__ = _operator(in_place.sub_)
    __imul__ = _operator(in_place.mul_)
    __itruediv__ = _operator(in_place.div_)
    __ifloordiv__ = _operator(in_place.floor_divide_)
    __imod__ = _operator(in_place.remainder_)
    __ilshift__ = _operator(in_place.bitwise_left_shift_)
    __irshift__ = _operator(in_place.bitwise_right_shift_)
    __ipow__ = _operator(in_place.pow_)
    __iand__ = _operator(in_place.bitwise_and_)
    __ior__ = _operator(in_place.bitwise_or_)
    __ixor__ = _operator(in_place.bitwise_xor_)
    __getitem__ = indexing.getitem
    __setitem__ = indexing.setitem
