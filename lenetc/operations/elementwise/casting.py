"""Copies, other dtypes, other devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, UnsupportedError
from ir.types import DType, bf16, bool_, f16, f32, f64, i8, i16, i32, i64, u8
from lenetc.evaluation import lazy
from lenetc.evaluation.tracing import here
from lenetc.tensors.dtypes import get_default_dtype, need_dtype

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "clone",
    "conj",
    "conj_physical",
    "imag",
    "is_complex",
    "is_conj",
    "is_floating_point",
    "real",
    "resolve_conj",
    "resolve_neg",
]


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with storage of its own; gradients pass. memory_format: accepted, there is one here."""
    return t.apply("CloneBackward0", lambda a: a, input, saves=False)


def to(
    input: Tensor,
    *what: Any,
    dtype: DType | None = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """input with another dtype, and / or a device name, which is checked (torch.Tensor.to).

    Values live where programs run: a device name moves nothing by itself. copy: whether the result is another tensor
    where nothing changes. non_blocking, memory_format: accepted. Raises DeviceError for "cuda" where CUDA cannot be
    used.
    """
    for item in (*what, dtype, device):
        if isinstance(item, (DType, type)):
            dtype = need_dtype("to", item)
        elif isinstance(item, t.Tensor):
            dtype = item.dtype
        elif item is not None and not isinstance(item, bool):
            lazy.set_default_device(str(item))
    if dtype is None or dtype is input.dtype:
        return clone(input) if copy else input
    target = dtype
    return t.apply("ToCopyBackward0", lambda a: ops.cast(a, dtype=target), input, saves=False)


def conversion(dtype: DType) -> Callable[..., Tensor]:
    """The method that converts to `dtype`."""

    def convert(input: Tensor, memory_format: Any = None) -> Tensor:
        return to(input, dtype)

    convert.__doc__ = f"The elements as {dtype.long_name}."
    return convert


_LEGACY = {
    "Float": f32,
    "Double": f64,
    "Half": f16,
    "BFloat16": bf16,
    "Long": i64,
    "Int": i32,
    "Short": i16,
    "Char": i8,
    "Byte": u8,
    "Bool": bool_,
}


def type_of(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """PyTorch's name of the type, as 'torch.FloatTensor'; or input with a dtype, or such a name or
    class of one.

    Raises DTypeError for another name.
    """
    if dtype is None:
        name = next(name for name, known in _LEGACY.items() if known is input.dtype)
        return f"torch.{'cuda.' if str(input.device) != 'cpu' else ''}{name}Tensor"
    if isinstance(dtype, str):
        found = _LEGACY.get(dtype.rpartition(".")[2].removesuffix("Tensor"))
        if found is None:
            raise DTypeError(f"type: {dtype!r} is no type of tensors, as 'torch.FloatTensor' is one").at(
                here()
            )
        return to(input, found)
    if dtype is t.Tensor:
        return to(input, get_default_dtype())
    wanted = getattr(dtype, "dtype", dtype)
    if not isinstance(wanted, DType):  # nor Python's types, which `to` takes, as in PyTorch
        raise DTypeError(f"type: invalid type: {dtype!r}").at(here())
    return to(input, wanted)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """input with the dtype of other."""
    t.require_tensors("type_as", other)
    return to(input, other.dtype)


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floating point numbers."""
    t.require_tensors("is_floating_point", input)
    return input.dtype.is_float


def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex numbers: none are."""
    t.require_tensors("is_complex", input)
    return False


def is_signed(input: Tensor) -> bool:
    """Whether the elements have signs."""
    return input.dtype.is_signed


def element_size(input: Tensor) -> int:
    """Bytes of an element."""
    return input.dtype.itemsize


def real(input: Tensor) -> Tensor:
    """input itself: its numbers are real."""
    t.require_tensors("real", input)
    return input


def conj(input: Tensor) -> Tensor:
    """input itself: its numbers are real (torch.conj, conj_physical, resolve_conj, resolve_neg)."""
    t.require_tensors("conj", input)
    return input


conj_physical = resolve_conj = resolve_neg = conj


def is_conj(input: Tensor) -> bool:
    """Whether elements are to be conjugated when they are read: they are real."""
    t.require_tensors("is_conj", input)
    return False


def imag(input: Tensor) -> Tensor:
    """Raises UnsupportedError: numbers are real."""
    raise UnsupportedError(
        "imag: complex numbers are not here; keep imaginary parts in a tensor of their own"
    ).at(here())
