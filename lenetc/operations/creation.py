"""Making tensors: from data, of a constant, of random numbers. PyTorch's functions of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ir import ops
from ir.op import scalar
from ir.types import DType, f32, f64, i64
from lenetc.evaluation import random
from lenetc.evaluation.cell import Context, known
from lenetc.operations.shaping import as_shape
from lenetc.tensors.arrays import array_of
from lenetc.tensors.convert import Number
from lenetc.tensors.tensor import Tensor

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "tensor",
    "zeros",
    "zeros_like",
]


def tensor(data: Any, dtype: DType | None = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor with a copy of `data`: a number, nested lists, an array. Python floats become f32, ints i64."""
    if isinstance(data, Tensor):
        data = data.detach().numpy()
    array = array_of(data)
    if dtype is not None:
        array = array.astype(dtype.numpy)
    elif not isinstance(data, (np.ndarray, np.generic)) and array.dtype == np.float64:
        array = array.astype(np.float32)
    elif array.dtype.kind == "i" and not isinstance(data, (np.ndarray, np.generic)):
        array = array.astype(np.int64)
    result = Tensor(array)
    if dtype is not None and result.dtype is not dtype:
        result = result.to(dtype)
    if device is not None:
        result = result.to(device)
    return result.requires_grad_() if requires_grad else result


def from_numpy(array: Any) -> Tensor:
    """A tensor with a copy of a NumPy array, dtype kept."""
    return Tensor(np.asarray(array))


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """`data` itself if it is a tensor of that dtype, else a tensor made of it."""
    if isinstance(data, Tensor):
        return data.to(dtype) if dtype is not None else data
    return tensor(data, dtype=dtype, device=device)


def full(
    size: Sequence[Any],
    fill_value: Number,
    *,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """A tensor of `size` with every element `fill_value`."""
    kind = dtype or (f32 if isinstance(fill_value, float) else i64)
    shape = tuple(size)
    if Context.trace is not None:  # sizes may be symbolic there
        result = Tensor._from_node(ops.broadcast_to(scalar(fill_value, kind), shape=shape))
    else:
        result = Tensor._from_cell(known(np.full([int(n) for n in shape], fill_value, kind.numpy)))
        result = result.to(kind)
    if device is not None:
        result = result.to(device)
    return result.requires_grad_() if requires_grad else result


def zeros(*size: Any, dtype: DType = f32, requires_grad: bool = False, device: Any = None) -> Tensor:
    return full(as_shape(size), 0, dtype=dtype, requires_grad=requires_grad, device=device)


def ones(*size: Any, dtype: DType = f32, requires_grad: bool = False, device: Any = None) -> Tensor:
    return full(as_shape(size), 1, dtype=dtype, requires_grad=requires_grad, device=device)


def empty(*size: Any, dtype: DType = f32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor whose values do not matter (they are zeros)."""
    return full(as_shape(size), 0, dtype=dtype, requires_grad=requires_grad, device=device)


def zeros_like(x: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    return full(x.shape, 0, dtype=dtype or x.dtype, requires_grad=requires_grad)


def ones_like(x: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    return full(x.shape, 1, dtype=dtype or x.dtype, requires_grad=requires_grad)


def full_like(x: Tensor, fill_value: Number, *, dtype: DType | None = None) -> Tensor:
    return full(x.shape, fill_value, dtype=dtype or x.dtype)


def arange(
    start: Number, end: Number | None = None, step: Number = 1, *, dtype: DType | None = None
) -> Tensor:
    """start, start + step, ... below end."""
    first, last = (0, start) if end is None else (start, end)
    kind = dtype or (f32 if any(isinstance(v, float) for v in (first, last, step)) else i64)
    return Tensor(np.arange(first, last, step).astype(kind.numpy))


def linspace(start: float, end: float, steps: int, *, dtype: DType = f32) -> Tensor:
    return Tensor(np.linspace(start, end, steps).astype(dtype.numpy))


def eye(n: int, m: int | None = None, *, dtype: DType = f32) -> Tensor:
    return Tensor(np.eye(n, m, dtype=dtype.numpy))


def _random(kind: Any, size: Sequence[Any], dtype: DType, requires_grad: bool, device: Any) -> Tensor:
    if Context.trace is not None:
        result = Tensor._from_node(random.node(kind, size, dtype))
    else:
        result = Tensor._from_cell(known(random.values(kind, [int(n) for n in size], dtype)))
    if device is not None:
        result = result.to(device)
    return result.requires_grad_() if requires_grad else result


def rand(*size: Any, dtype: DType = f32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Uniform numbers in [0, 1)."""
    return _random(random.uniform, as_shape(size), dtype, requires_grad, device)


def randn(*size: Any, dtype: DType = f32, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Standard normal numbers."""
    return _random(random.normal, as_shape(size), dtype, requires_grad, device)


def rand_like(x: Tensor) -> Tensor:
    return rand(*x.shape, dtype=x.dtype if x.dtype in (f32, f64) else f32)


def randn_like(x: Tensor) -> Tensor:
    return randn(*x.shape, dtype=x.dtype if x.dtype in (f32, f64) else f32)


def randint(low: int, high: int | None = None, size: Sequence[Any] = (), *, dtype: DType = i64) -> Tensor:
    """Integers in [low, high), or [0, low) if `high` is left out."""
    first, last = (0, low) if high is None else (low, high)

    def build(key: Any, counter: Any, shape: Any, dtype: DType) -> Any:
        # The high bits of a 32-bit product: unbiased to 2^-32.
        return ops.div(random.bits(key, counter, shape) * (last - first), 1 << 32) + first

    return _random(build, size, i64, False, None).to(dtype)


def randperm(n: int) -> Tensor:
    """A random order of 0..n-1."""
    return Tensor(random.permutation(n))
