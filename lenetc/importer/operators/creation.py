"""Values out of nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ir.dims import Poly
from ir.errors import DTypeError, ShapeError, SymbolicDimError
from ir.types import Array, i64
from lenetc.importer import values
from lenetc.importer.dtypes import numpy_dtype, numpy_of, tensors_of
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.registry import operator
from lenetc.importer.values import Host, Sizes, Value, need_few, numbers
from lenetc.operations import creation
from lenetc.operations import elementwise as E
from lenetc.tensors.tensor import Tensor


@operator
def Constant(
    *,
    value: Array | None = None,
    value_float: float | None = None,
    value_floats: Sequence[float] | None = None,
    value_int: int | None = None,
    value_ints: Sequence[int] | None = None,
    value_string: Any = None,
    value_strings: Any = None,
    sparse_value: Any = None,
) -> Host:
    if sparse_value is not None or value_string is not None or value_strings is not None:
        raise OnnxOperatorError(
            f"a constant that is {'sparse' if sparse_value is not None else 'text'} is not here"
        )
    given = [
        np.asarray(found, dtype)
        for found, dtype in (
            (value, None),
            (value_float, np.float32),
            (value_floats, np.float32),
            (value_int, np.int64),
            (value_ints, np.int64),
        )
        if found is not None
    ]
    if len(given) != 1:
        raise OnnxOperatorError(f"a constant has one value, not {len(given)}")
    return given[0]


@operator
def ConstantOfShape(shape: Sizes, /, *, value: Array | None = None) -> Value:
    fill = np.zeros(1, np.float32) if value is None else value
    sizes = numbers(shape)
    if not any(isinstance(size, Poly) for size in sizes):
        if any(size < 0 for size in sizes):
            raise ShapeError(f"a size among {sizes} is negative")
        need_few(sizes)
        return np.full(sizes, fill.reshape(())[()], fill.dtype)
    return creation.full(sizes, fill.item(), dtype=tensors_of(fill.dtype))


@operator(differentiable=False)
def Range(start: Sizes, limit: Sizes, delta: Sizes, /, *, stash_type: int = 1) -> Value:
    """start, start + delta, ... before limit."""
    first, last, by = (numbers(value)[0] for value in (start, limit, delta))
    dtype = values.dtype_of(start)
    if not any(isinstance(number, Poly) for number in (first, last, by)):
        if by == 0:
            raise ShapeError("the step of a range must not be zero")
        count = max(math.ceil((last - first) / by), 0)
        need_few([count])
        wide = numpy_dtype(stash_type) if dtype.kind not in "iub" and dtype.itemsize == 2 else dtype
        return np.asarray(
            np.asarray(first, wide) + np.arange(count).astype(wide) * np.asarray(by, wide)
        ).astype(dtype)
    if dtype.kind == "f" or isinstance(by, Poly):
        raise SymbolicDimError(f"from {first} to {last} by {by} the number of steps is no size")
    count = -((first - last) // by) if by > 0 else (last - first) // by
    found: Tensor = (creation.arange(count) * by + values.to_tensor(start).to(i64)).to(tensors_of(dtype))
    return found


@operator(differentiable=False)
def EyeLike(x: Value, /, *, dtype: int | None = None, k: int = 0) -> Value:
    """Ones on the k-th diagonal of a matrix of x's sizes."""
    if isinstance(x, Tensor):
        kind = numpy_of(x.dtype) if dtype is None else numpy_dtype(dtype)
    elif isinstance(x, np.ndarray):
        kind = values.dtype_of(x) if dtype is None else numpy_dtype(dtype)
    else:
        raise DTypeError("a matrix is needed")
    if len(x.shape) != 2:
        raise ShapeError(f"a matrix is needed, not {len(x.shape)} axes")
    rows, columns = x.shape
    if isinstance(rows, int) and isinstance(columns, int):
        return np.eye(rows, columns, k).astype(kind)
    places = creation.arange(columns).unsqueeze(0) - creation.arange(rows).unsqueeze(1)
    return E.eq(places, k).to(tensors_of(kind))


def _window(size: Host, output_datatype: int, periodic: int, weights: Sequence[float]) -> Host:
    """A sum of cosines: of one period, or up to its last element if not periodic."""
    count = int(numbers(size)[0])
    over = count if periodic else count - 1
    angle = 2 * np.pi * np.arange(count) / max(over, 1)
    found = sum(weight * np.cos(i * angle) for i, weight in enumerate(weights))
    return np.asarray(found).astype(numpy_dtype(output_datatype))


@operator(differentiable=False)
def HannWindow(size: Sizes, /, *, output_datatype: int = 1, periodic: int = 1) -> Host:
    return _window(size, output_datatype, periodic, (0.5, -0.5))


@operator(differentiable=False)
def HammingWindow(size: Sizes, /, *, output_datatype: int = 1, periodic: int = 1) -> Host:
    return _window(size, output_datatype, periodic, (25 / 46, -21 / 46))


@operator(differentiable=False)
def BlackmanWindow(size: Sizes, /, *, output_datatype: int = 1, periodic: int = 1) -> Host:
    return _window(size, output_datatype, periodic, (0.42, -0.5, 0.08))
