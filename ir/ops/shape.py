"""Operations that move elements and compute nothing; and sizes as values."""

from __future__ import annotations

import builtins

import numpy as np

from ir.dims import Dim, Shape
from ir.errors import DTypeError, ShapeError
from ir.op import op
from ir.ops.rules import broadcast_shapes, need_axis, same_dtype, show
from ir.types import Array, DType, Type, i64


def _reshape(x: Type, *, shape: Shape) -> Type:
    result = x.with_shape(shape)
    if any(isinstance(dim, int) and dim < 0 for dim in shape):
        raise ShapeError(f"reshape: a size in {show(shape)} is negative; work out the one that is meant")
    if result.size != x.size:
        raise ShapeError(f"reshape: {x} has {x.size} elements, shape {show(shape)} has {result.size}")
    return result


@op(infer=_reshape)
def reshape(x: Array, *, shape: Shape) -> Array:
    """The elements of x in row-major order, under another shape."""
    return x.reshape(shape)


def _transpose(x: Type, *, perm: tuple[int, ...]) -> Type:
    if sorted(perm) != list(range(x.rank)):
        raise ShapeError(f"transpose: {perm} is not a permutation of the axes of {x}")
    return x.with_shape(tuple(x.shape[axis] for axis in perm))


@op(infer=_transpose)
def transpose(x: Array, *, perm: tuple[int, ...]) -> Array:
    """The axes of x permuted: axis i of the result is axis perm[i] of x."""
    return np.array(x.transpose(perm), order="C")


def _broadcast_to(x: Type, *, shape: Shape) -> Type:
    if broadcast_shapes("broadcast_to", x.shape, shape) != shape:
        raise ShapeError(f"broadcast_to: {x} does not fit into shape {show(shape)}")
    return x.with_shape(shape)


@op(infer=_broadcast_to)
def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """x repeated along axes of size 1, and new ones in front (numpy.broadcast_to)."""
    return np.broadcast_to(x, shape).copy()


def _slice(x: Type, *, starts: Shape, stops: Shape, steps: tuple[int, ...]) -> Type:
    if not len(starts) == len(stops) == len(steps) == x.rank:
        raise ShapeError(f"slice: needs one start, stop and step for each of the {x.rank} axes of {x}")
    shape: list[Dim] = []
    for size, start, stop, step in zip(x.shape, starts, stops, steps, strict=True):
        if step < 1 or not 0 <= start <= stop <= size:
            raise ShapeError(f"slice: {start}:{stop}:{step} is outside an axis of size {size} of {x}")
        shape.append((stop - start + step - 1) // step if step > 1 else stop - start)
    return x.with_shape(tuple(shape))


@op(infer=_slice)
def slice(x: Array, *, starts: tuple[int, ...], stops: tuple[int, ...], steps: tuple[int, ...]) -> Array:
    """x[start:stop:step, ...], one triple for each axis, 0 <= start <= stop <= size, step >= 1."""
    return x[tuple(map(builtins.slice, starts, stops, steps))]


def _reverse(x: Type, *, axes: tuple[int, ...]) -> Type:
    need_axis("reverse", x, *axes)
    return x


@op(infer=_reverse)
def reverse(x: Array, *, axes: tuple[int, ...]) -> Array:
    """x with the order along `axes` reversed."""
    return np.flip(x, axes)


def _pad(x: Type, *, low: tuple[int, ...], high: tuple[int, ...], value: float) -> Type:
    if not len(low) == len(high) == x.rank:
        raise ShapeError(f"pad: needs one low and one high amount for each of the {x.rank} axes of {x}")
    if any(amount < 0 for amount in (*low, *high)):
        raise ShapeError(f"pad: amounts {show(low)} and {show(high)} must not be negative; use slice to cut")
    return x.with_shape(tuple(size + a + b for size, a, b in zip(x.shape, low, high, strict=True)))


@op(infer=_pad)
def pad(x: Array, *, low: tuple[int, ...], high: tuple[int, ...], value: float = 0.0) -> Array:
    """x with `low[i]` elements of `value` before and `high[i]` after it along axis i."""
    return np.pad(x, tuple(zip(low, high, strict=True)), constant_values=value) if x.ndim else x


def _concat(*types: Type, axis: int) -> Type:
    dtype = same_dtype("concat", *types)
    first = types[0]
    need_axis("concat", first, axis)
    for other in types[1:]:
        if other.rank != first.rank or any(
            a != b for i, (a, b) in enumerate(zip(first.shape, other.shape, strict=True)) if i != axis
        ):
            raise ShapeError(f"concat: {first} and {other} differ outside axis {axis}")
    total: Dim = 0
    for t in types:
        total = total + t.shape[axis]
    return Type(dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :]))


@op(infer=_concat)
def concat(*xs: Array, axis: int) -> Array:
    """The operands one after the other along `axis`."""
    return np.concatenate(xs, axis)


def _integer(what: str, indices: Type) -> None:
    if indices.dtype.kind != "int":
        raise DTypeError(f"{what}: indices must be integers, not {indices}")


def _gather(x: Type, indices: Type, *, axis: int) -> Type:
    _integer("gather", indices)
    need_axis("gather", x, axis)
    return x.with_shape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


@op(infer=_gather)
def gather(x: Array, indices: Array, *, axis: int) -> Array:
    """Slices of x along `axis`: x[A,D,B] and indices[I] give [A,I,B]. Indices in 0..D-1."""
    return np.take(x, indices, axis)


def _scatter_add(x: Type, indices: Type, *, axis: int, size: Dim) -> Type:
    _integer("scatter_add", indices)
    if not 0 <= axis <= x.rank - indices.rank:
        raise ShapeError(f"scatter_add: {x} has no {indices.rank} axes from axis {axis} on")
    if x.shape[axis : axis + indices.rank] != indices.shape:
        raise ShapeError(
            f"scatter_add: {x} does not hold one slice for each of the indices {indices} at axis {axis}"
        )
    return x.with_shape((*x.shape[:axis], size, *x.shape[axis + indices.rank :]))


@op(infer=_scatter_add)
def scatter_add(x: Array, indices: Array, *, axis: int, size: int) -> Array:
    """The transpose of gather: slices of x[A,I,B] added up where indices[I] say, giving [A,size,B]."""
    flat = x.reshape((*x.shape[:axis], indices.size, *x.shape[axis + indices.ndim :]))
    result = np.zeros((size, *flat.shape[:axis], *flat.shape[axis + 1 :]), x.dtype)
    np.add.at(result, indices.reshape(-1), np.moveaxis(flat, axis, 0))
    return np.moveaxis(result, 0, axis)


def _take_along_axis(x: Type, indices: Type, *, axis: int) -> Type:
    _integer("take_along_axis", indices)
    need_axis("take_along_axis", x, axis)
    if indices.rank != x.rank or any(
        a != b for i, (a, b) in enumerate(zip(x.shape, indices.shape, strict=True)) if i != axis
    ):
        raise ShapeError(f"take_along_axis: {x} and indices {indices} differ outside axis {axis}")
    return x.with_shape(indices.shape)


@op(infer=_take_along_axis)
def take_along_axis(x: Array, indices: Array, *, axis: int) -> Array:
    """result[i][j] = x[i][indices[i][j]], as torch.gather and ONNX GatherElements."""
    return np.take_along_axis(x, indices, axis)


def _put_along_axis(x: Type, indices: Type, *, axis: int, size: Dim) -> Type:
    _integer("put_along_axis", indices)
    need_axis("put_along_axis", x, axis)
    if x.shape != indices.shape:
        raise ShapeError(f"put_along_axis: {x} and indices {indices} must have the same shape")
    return x.with_shape((*x.shape[:axis], size, *x.shape[axis + 1 :]))


@op(infer=_put_along_axis)
def put_along_axis(x: Array, indices: Array, *, axis: int, size: int) -> Array:
    """The transpose of take_along_axis: x added into zeros of `size` along `axis` where indices say."""
    result = np.zeros((*x.shape[:axis], size, *x.shape[axis + 1 :]), x.dtype)
    grid: list[Array] = list(np.indices(indices.shape, sparse=True))
    grid[axis] = indices
    np.add.at(result, tuple(grid), x)
    return result


REDUCTIONS = ("none", "add", "mul", "max", "min")


def _scatter(x: Type, indices: Type, updates: Type, *, axis: int, reduction: str) -> Type:
    _integer("scatter", indices)
    need_axis("scatter", x, axis)
    same_dtype("scatter", x, updates)
    other = tuple(size for i, size in enumerate(x.shape) if i != axis)
    if updates.shape != indices.shape or other != (*indices.shape[:axis], *indices.shape[axis + 1 :]):
        raise ShapeError(
            f"scatter: updates {updates} and indices {indices} must have one shape, and that of {x} but for axis {axis}"
        )
    if reduction not in REDUCTIONS or (reduction != "none" and x.dtype.kind == "bool"):
        raise DTypeError(
            f"scatter: there is no reduction {reduction!r} for {x}, only {', '.join(REDUCTIONS)} of numbers"
        )
    return x


@op(infer=_scatter)
def scatter(x: Array, indices: Array, updates: Array, *, axis: int, reduction: str = "none") -> Array:
    """x with updates where indices say along `axis`, the last one of several, or the sum, product, largest or smallest
    of them and x (torch.scatter, ONNX ScatterElements)."""
    grid: list[Array] = list(np.indices(indices.shape, sparse=True))
    grid[axis] = indices
    result = x.copy()
    if reduction == "none":
        result[tuple(grid)] = updates
    else:
        kinds = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
        kinds[reduction].at(result, tuple(grid), updates)
    return result


@op(infer=lambda *, size, dtype: Type(dtype, (size,)))
def iota(*, size: int, dtype: DType = i64) -> Array:
    """0, 1, ... size-1."""
    return np.arange(size, dtype=dtype.numpy)


@op(infer=lambda *, size: Type(i64, ()))
def dim(*, size: int) -> Array:
    """A size as a value: `dim(size=N*400)`."""
    return np.asarray(size, np.int64)
