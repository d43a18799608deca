"""Making tensors: from data, of a constant, of random numbers. PyTorch's functions of the same names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ir import ops
from ir.dims import Dim, Poly
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.op import scalar
from ir.types import Array, DType, bf16, bool_, f32, i64, u8
from lenetc.evaluation import random
from lenetc.evaluation.cell import Context, known
from lenetc.evaluation.scalars import Scalar
from lenetc.evaluation.tracing import here
from lenetc.operations.shaping import as_shape
from lenetc.tensors.arrays import array_of, index_of
from lenetc.tensors.convert import Number, number_for, operand_of
from lenetc.tensors.convert import as_tensor as to_tensor
from lenetc.tensors.tensor import Tensor, require_tensors

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
    """A tensor with a copy of `data`: a number, nested lists, an array. Python floats become f32, ints i64.

    Raises DTypeError for data that are no numbers, and for an integer that does not fit an integer dtype.
    """
    if isinstance(data, Tensor):
        copy = data.detach().clone()
        copy = copy if dtype is None else copy.to(dtype)
        return copy.requires_grad_() if requires_grad else copy
    if isinstance(data, Scalar):
        made = to_tensor(data, dtype)
        return made.requires_grad_() if requires_grad else made
    array = array_of(data)
    is_array = isinstance(data, (np.ndarray, np.generic))
    if dtype is not None:
        _checked("tensor", dtype)
        if not is_array:
            _check_fits(array, dtype)
        array = array.astype(dtype.numpy)
    elif not is_array and array.dtype == np.float64:
        array = array.astype(np.float32)
    elif array.dtype.kind == "i" and not is_array:
        array = array.astype(np.int64)
    result = Tensor._from_array(array)
    if dtype is not None and result.dtype is not dtype:
        result = result.to(dtype)
    return _finished(result, requires_grad, device)


def _check_fits(array: Array, dtype: DType) -> None:
    """Raise DTypeError where integers of `array` are beyond `dtype`; small negative ones wrap around as in PyTorch."""
    if dtype.kind == "int" and array.dtype.kind in "iu" and array.size:
        bits = 8 * dtype.numpy.itemsize
        least, most = (1 - 2**bits, 2**bits) if dtype is u8 else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        if not least <= int(array.min()) <= int(array.max()) < most:
            raise DTypeError(f"a number among the data does not fit {dtype!r}").at(here())


def _checked(what: str, dtype: Any) -> DType:
    """Raise DTypeError for a dtype that is none of lenetc's, as NumPy's."""
    if isinstance(dtype, DType):
        return dtype
    raise DTypeError(f"{what}: dtype must be one of lenetc's, as lenetc.float32, not {dtype!r}").at(here())


def _like(what: str, x: Tensor, dtype: DType | None) -> DType:
    """The dtype of a tensor of x's shape: that of x, if none is given."""
    require_tensors(what, x)
    return _checked(what, dtype or x.dtype)


def _finished(result: Tensor, requires_grad: bool, device: Any) -> Tensor:
    """`result` on `device`, requiring grad if it should."""
    if device is not None:
        result = result.to(device)
    return result.requires_grad_() if requires_grad else result


def from_numpy(array: Any) -> Tensor:
    """A tensor with a copy of a NumPy array, dtype kept."""
    if isinstance(array, Tensor):  # an argument of a compiled function
        return array
    return Tensor._from_array(np.asarray(array))


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """`data` itself if it is a tensor of that dtype, else a tensor made of it."""
    if isinstance(data, Tensor):
        return data.to(dtype) if dtype is not None else data
    return tensor(data, dtype=dtype, device=device)


def _sizes(what: str, sizes: Sequence[Any]) -> tuple[Dim, ...]:
    """`sizes` as a shape. Raises DTypeError for what is no whole number, ShapeError for a negative one."""
    shape = []
    for size in sizes:
        if not isinstance(size, Poly):
            size = index_of(f"{what}: a size", size)
            if size < 0:
                raise ShapeError(f"{what}: the size {size} of a dimension is negative").at(here())
        shape.append(size)
    return tuple(shape)


def _given(what: str, given: Sequence[Any], size: Sequence[Any] | None) -> tuple[Dim, ...]:
    """The shape that was given as arguments, as one sequence, or as the keyword `size`."""
    if given or size is not None:
        return _sizes(what, as_shape(given) if given else size or ())
    raise ShapeError(f"{what}: the sizes are missing; a tensor without dimensions has the size ()").at(here())


def full(
    size: Sequence[Any],
    fill_value: Number | Tensor,
    *,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """A tensor of `size` with every element `fill_value`: bool, i64 or f32 after its type, unless `dtype` is given.

    Raises DTypeError for what is no number or does not fit the dtype, ShapeError for a negative size.
    """
    if not isinstance(size, (tuple, list)):
        raise DTypeError(f"full: the size is a sequence of whole numbers, not {size!r}").at(here())
    shape = _sizes("full", size)
    value = operand_of("full", fill_value)
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(f"full: the value must be a number, but it is {value.type_text()}").at(here())
        dtype = dtype or value.dtype
        value = value.item()
    kind = _checked(
        "full", dtype or (bool_ if isinstance(value, bool) else f32 if isinstance(value, float) else i64)
    )
    if kind is u8 and -255 <= value < 0:  # which PyTorch wraps around
        value += 256
    value = number_for(kind, value)
    if Context.trace is not None:  # sizes may be symbolic there
        result = Tensor._from_node(ops.broadcast_to(scalar(value, kind), shape=shape))
    else:
        result = Tensor._from_cell(known(np.full([int(n) for n in shape], value, kind.numpy)))
        result = result.to(kind)
    return _finished(result, requires_grad, device)


def zeros(
    *given: Any,
    size: Sequence[Any] | None = None,
    dtype: DType = f32,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    shape = _given("zeros", given, size)
    return full(shape, 0, dtype=dtype or f32, requires_grad=requires_grad, device=device)


def ones(
    *given: Any,
    size: Sequence[Any] | None = None,
    dtype: DType = f32,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    shape = _given("ones", given, size)
    return full(shape, 1, dtype=dtype or f32, requires_grad=requires_grad, device=device)


def empty(
    *given: Any,
    size: Sequence[Any] | None = None,
    dtype: DType = f32,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """A tensor whose values do not matter (they are zeros)."""
    shape = _given("empty", given, size)
    return full(shape, 0, dtype=dtype or f32, requires_grad=requires_grad, device=device)


def zeros_like(x: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    kind = _like("zeros_like", x, dtype)
    return full(x.shape, 0, dtype=kind, requires_grad=requires_grad)


def ones_like(x: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    kind = _like("ones_like", x, dtype)
    return full(x.shape, 1, dtype=kind, requires_grad=requires_grad)


def full_like(
    x: Tensor, fill_value: Number, *, dtype: DType | None = None, requires_grad: bool = False
) -> Tensor:
    kind = _like("full_like", x, dtype)
    return full(x.shape, fill_value, dtype=kind, requires_grad=requires_grad)


def arange(
    *limits: Any,
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    dtype: DType | None = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """start, start + step, ... before end: arange(end), arange(start, end) or arange(start, end, step).

    i64, or f32 where one of them is a float. Raises LenetcError for a step of 0, and for one that leads away.
    """
    if len(limits) == 1 and end is None:
        (end,) = limits
    elif limits:
        start, end, step = (*limits, *(end, step)[len(limits) - 1 :])
    first, last, by = (
        value.item() if isinstance(value, Tensor) else value
        for value in (operand_of("arange", limit) for limit in (start, end, step))
    )
    if not all(math.isfinite(value) for value in (first, last, by)):
        raise LenetcError(f"arange: from {first} to {last} by {by} there is no end of numbers").at(here())
    if by == 0:
        raise LenetcError("arange: the step must not be zero").at(here())
    if (last - first) * by < 0:
        raise LenetcError(f"arange: from {first} to {last} no step of {by} leads").at(here())
    kind = _checked("arange", dtype or (f32 if any(isinstance(v, float) for v in (first, last, by)) else i64))
    return _finished(Tensor._from_array(np.arange(first, last, by).astype(kind.numpy)), requires_grad, device)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: DType = f32,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """`steps` numbers from start to end, both included, at equal distances."""
    (count,) = _sizes("linspace", (steps,))
    first, last = (float(operand_of("linspace", limit)) for limit in (start, end))
    array = np.linspace(first, last, int(count)).astype(_checked("linspace", dtype or f32).numpy)
    return _finished(Tensor._from_array(array), requires_grad, device)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DType = f32,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Ones on the diagonal of zeros [n,m]; m is n if None."""
    rows, columns = _sizes("eye", (n, n if m is None else m))
    array = np.eye(int(rows), int(columns), dtype=_checked("eye", dtype or f32).numpy)
    return _finished(Tensor._from_array(array), requires_grad, device)


def _random(kind: Any, shape: tuple[Dim, ...], dtype: DType, requires_grad: bool, device: Any) -> Tensor:
    drawn = f32 if dtype is bf16 else dtype  # NumPy has no bf16 to hold values in
    if Context.trace is not None:
        result = Tensor._from_node(random.node(kind, shape, drawn))
    else:
        result = Tensor._from_cell(known(random.values(kind, [int(n) for n in shape], drawn)))
    return _finished(result.to(dtype), requires_grad, device)


def _float_dtype(what: str, dtype: DType) -> DType:
    if not _checked(what, dtype).is_float:
        raise DTypeError(f"{what} is not implemented for {dtype!r}; give a floating point dtype").at(here())
    return dtype


def rand(
    *given: Any,
    size: Sequence[Any] | None = None,
    dtype: DType = f32,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Uniform numbers in [0, 1). Raises DTypeError for a dtype that is not float."""
    shape, kind = _given("rand", given, size), _float_dtype("rand", dtype or f32)
    return _random(random.uniform, shape, kind, requires_grad, device)


def randn(
    *given: Any,
    size: Sequence[Any] | None = None,
    dtype: DType = f32,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Standard normal numbers. Raises DTypeError for a dtype that is not float."""
    shape, kind = _given("randn", given, size), _float_dtype("randn", dtype or f32)
    return _random(random.normal, shape, kind, requires_grad, device)


def rand_like(x: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    kind = _like("rand_like", x, dtype)
    return rand(tuple(x.shape), dtype=kind, requires_grad=requires_grad)


def randn_like(x: Tensor, *, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    kind = _like("randn_like", x, dtype)
    return randn(tuple(x.shape), dtype=kind, requires_grad=requires_grad)


def randint(
    *limits: Any,
    low: int = 0,
    high: int | None = None,
    size: Sequence[Any] | None = None,
    dtype: DType = i64,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Integers in [low, high): randint(high, size) or randint(low, high, size).

    Raises LenetcError where there is none, DTypeError for limits that are no whole numbers.
    """
    given = list(limits)
    if size is None:
        size = given.pop() if given else None
    if not isinstance(size, (tuple, list)):
        raise DTypeError(f"randint: the size is a sequence of whole numbers, not {size!r}").at(here())
    if given and high is None:
        high = given.pop()
    if given:
        low = given.pop()
    if given:
        raise DTypeError("randint takes whole numbers: randint(high, size) or randint(low, high, size)").at(
            here()
        )
    first, last = (index_of("randint: a limit", limit) for limit in (low, high))
    if first >= last:
        raise LenetcError(f"randint: there is no integer from {first} up to, but not including, {last}").at(
            here()
        )

    def build(key: Any, counter: Any, shape: Any, dtype: DType) -> Any:
        # The high bits of a 32-bit product: unbiased to 2^-32.
        return ops.div(random.bits(key, counter, shape) * (last - first), 1 << 32) + first

    drawn = _random(build, _sizes("randint", size), i64, False, None).to(_checked("randint", dtype or i64))
    return _finished(drawn, requires_grad, device)


def randperm(n: int, *, dtype: DType = i64) -> Tensor:
    """A random order of 0..n-1."""
    (count,) = _sizes("randperm", (n,))
    return Tensor._from_array(random.permutation(int(count))).to(_checked("randperm", dtype or i64))
