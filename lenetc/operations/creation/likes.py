"""Tensors of the shape of another one, and the methods that make tensors of its dtype."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ir.errors import DTypeError
from ir.types import DType
from lenetc.evaluation.random import Generator
from lenetc.evaluation.tracing import here
from lenetc.operations.creation.arguments import like
from lenetc.operations.creation.data import tensor
from lenetc.operations.creation.filled import empty, empty_strided, full, ones, zeros
from lenetc.operations.creation.sampling import rand, randint, randn
from lenetc.tensors.convert import Number
from lenetc.tensors.size import Size
from lenetc.tensors.tensor import Tensor, require_tensors

__all__ = ["empty_like", "full_like", "ones_like", "rand_like", "randint_like", "randn_like", "zeros_like"]


def zeros_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """Zeros of the shape of `input`, in its dtype unless another is given."""
    kind = like("zeros_like", input, dtype)
    return zeros(tuple(input.shape), dtype=kind, **options)


def ones_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """Ones of the shape of `input`, in its dtype unless another is given."""
    kind = like("ones_like", input, dtype)
    return ones(tuple(input.shape), dtype=kind, **options)


def empty_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """A tensor of the shape of `input` whose values do not matter (they are zeros)."""
    kind = like("empty_like", input, dtype)
    return empty(tuple(input.shape), dtype=kind, **options)


def full_like(
    input: Tensor, fill_value: Number | Tensor, *, dtype: DType | None = None, **options: Any
) -> Tensor:
    """The shape of `input` with every element `fill_value`, in its dtype unless another is given."""
    kind = like("full_like", input, dtype)
    return full(tuple(input.shape), fill_value, dtype=kind, **options)


def rand_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """Uniform numbers in [0, 1) of the shape of `input`."""
    kind = like("rand_like", input, dtype)
    return rand(tuple(input.shape), dtype=kind, **options)


def randn_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """Standard normal numbers of the shape of `input`."""
    kind = like("randn_like", input, dtype)
    return randn(tuple(input.shape), dtype=kind, **options)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    dtype: DType | None = None,
    generator: Generator | None = None,
    **options: Any,
) -> Tensor:
    """Integers of the shape of `input`, in its dtype: in [0, low), or in [low, high) where both are given."""
    kind = like("randint_like", input, dtype)
    limits = (0, low) if high is None else (low, high)
    return randint(*limits, tuple(input.shape), dtype=kind, generator=generator, **options)


# Methods.


def _new(function: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    def new(
        self: Tensor,
        *given: Any,
        size: Sequence[Any] | None = None,
        dtype: DType | None = None,
        **options: Any,
    ) -> Tensor:
        return function(*given, size=size, dtype=dtype or self.dtype, **options)

    new.__name__ = name
    new.__doc__ = f"{function.__name__} of a size, in the dtype of this tensor unless another is given."
    return new


new_zeros = _new(zeros, "new_zeros")
new_ones = _new(ones, "new_ones")
new_empty = _new(empty, "new_empty")


def new_empty_strided(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Raises UnsupportedError: a tensor has no strides of its own."""
    return empty_strided(*args, **kwargs)


def new_full(
    self: Tensor,
    size: Sequence[Any],
    fill_value: Number | Tensor,
    *,
    dtype: DType | None = None,
    **options: Any,
) -> Tensor:
    """`full` in the dtype of this tensor unless another is given."""
    return full(size, fill_value, dtype=dtype or self.dtype, **options)


def new_tensor(
    self: Tensor,
    data: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **idle: Any,
) -> Tensor:
    """A copy of `data` in the dtype of this tensor unless another is given."""
    return tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def of_kind(dtype: DType, what: str, data: tuple[Any, ...]) -> Tensor:
    """What PyTorch's old constructors make: of sizes zeros, of a sequence its values, of a tensor the tensor.

    Raises DTypeError for a tensor of another dtype, and for a number that is no size.
    """
    if len(data) == 1:
        (only,) = data
        if isinstance(only, Tensor):
            if only.dtype is not dtype:
                raise DTypeError(f"{what} expected a tensor of {dtype!r}, not {only.type_text()}").at(here())
            return only.detach()
        if hasattr(only, "__len__") and not isinstance(only, Size):
            return tensor(only).to(dtype)
        if isinstance(only, float):
            raise DTypeError(f"{what}: data must be a sequence, not {only!r}").at(here())
    return empty(*(data or (0,)), dtype=dtype)


def new(self: Tensor, *data: Any, device: Any = None) -> Tensor:
    """A tensor of the dtype of this one: zeros of the sizes given, or the values of a sequence."""
    require_tensors("new", self)
    return of_kind(self.dtype, "new", data)
