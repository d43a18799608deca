"""Looking at the values of a tensor, which computes them; as methods and Python's and NumPy's protocols of Tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ir.errors import DTypeError, LenetcError
from ir.types import Array, bf16
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.tensors.printing import format_array
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    from lenetc.tensors.convert import Number


def numpy(self: Tensor) -> Array:
    """The values as an array of the caller's own. Raises LenetcError for a tensor that requires grad."""
    if self.requires_grad:
        raise LenetcError("can't call numpy() on a tensor that requires grad; use detach().numpy()").at(
            here()
        )
    if self.dtype is bf16:
        raise DTypeError("numpy: NumPy has no bfloat16; use .float().numpy()").at(here())
    return self._array()


def as_array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Array:
    """The values for NumPy's functions. Raises LenetcError for a tensor that requires grad, as numpy() does."""
    array = self.numpy()
    return array if dtype is None else array.astype(dtype)


def from_array(self: Tensor, array: Array, context: Any = None, return_scalar: bool = False) -> Tensor:
    """What a NumPy function made of this tensor, as a tensor again."""
    return Tensor._from_array(array)


def hosted(self: Tensor, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """A function of NumPy's, of the values: in a compiled function that is refused."""

    def plain(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.numpy()
        if type(value) in (list, tuple):
            return type(value)(map(plain, value))
        return value

    return function(*map(plain, args), **{key: plain(value) for key, value in kwargs.items()})


def item(self: Tensor) -> Number:
    """The value of a single element as a Python number."""
    if self.numel() != 1:
        raise LenetcError(f"item() wants a single element, but the tensor is {self.type_text()}").at(here())
    self._refresh()
    return self._cell.item()


def tolist(self: Tensor) -> Any:
    return self._array().tolist()


def as_float(self: Tensor) -> float:
    return float(self.item())


def as_int(self: Tensor) -> int:
    return int(self.item())


def as_index(self: Tensor) -> int:
    if self.dtype.is_float:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self.item())


def as_bool(self: Tensor) -> bool:
    if self.numel() != 1:
        raise LenetcError(f"Boolean value of a tensor with {self.numel()} values is ambiguous").at(here())
    return bool(self.item())


def rows(self: Tensor) -> Iterator[Tensor]:
    if not self.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return (self[i] for i in range(len(self)))


def text(self: Tensor) -> str:
    if Context.trace is not None:
        Context.trace.refuse_value(self._cell.type)
    suffixes = []
    if self.device != "cpu":
        suffixes.append(f"device='{self.device}:0'")
    if self._grad_fn is not None:
        suffixes.append(f"grad_fn=<{self._grad_fn.name()}>")
    elif self._requires_grad:
        suffixes.append("requires_grad=True")
    return format_array(self._array(), suffixes=suffixes)


def formatted(self: Tensor, spec: str) -> str:
    return format(repr(self) if self.ndim else self.item(), spec)
