"""Operations that move elements: views, joins, indexing. PyTorch's functions of the same names.

Views are values of their own here: changing one in place would not reach the tensor it was taken from, so
that is refused with an error rather than done wrongly.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensor as t
from ir import ops
from ir.dims import Dim, Poly, divide, product
from ir.errors import LenetcError, ShapeError
from ir.node import Node
from ir.types import bool_, normalize_axis
from lenetc.convert import as_tensor
from lenetc.tracing import here

if TYPE_CHECKING:
    from lenetc.tensor import Tensor

__all__ = [
    "cat",
    "chunk",
    "flatten",
    "gather",
    "index_select",
    "permute",
    "reshape",
    "split",
    "squeeze",
    "stack",
    "transpose",
    "tril",
    "unsqueeze",
]


def as_shape(sizes: Sequence[Any]) -> list[Any]:
    """The sizes that PyTorch takes as separate arguments or as one sequence."""
    return list(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else list(sizes)


def _resolved(x: Tensor, sizes: Sequence[Any], what: str) -> tuple[Dim, ...]:
    """`sizes` with a -1 worked out."""
    shape = [size if isinstance(size, Poly) else int(size) for size in as_shape(sizes)]
    unknown = [i for i, size in enumerate(shape) if size == -1]
    message = f"{what}: shape {shape} is invalid for a tensor {x.type_text()} with {x.numel()} elements"
    if len(unknown) > 1:
        raise ShapeError(f"{message}: only one dimension can be inferred").at(here())
    if unknown:
        rest = product(tuple(size for size in shape if size != -1))
        inferred = divide(x.numel(), rest)
        if inferred is None:
            raise ShapeError(message).at(here())
        shape[unknown[0]] = inferred
    if product(tuple(shape)) != x.numel():
        raise ShapeError(message).at(here())
    return tuple(shape)


def _viewed(name: str, x: Tensor, shape: tuple[Dim, ...]) -> Tensor:
    return t.apply(
        name, lambda a: a if a.shape == shape else ops.reshape(a, shape=shape), x, saves=False, view=True
    )


def view(x: Tensor, *sizes: Any) -> Tensor:
    """The same elements in another shape; one size may be -1 (torch.Tensor.view)."""
    return _viewed("ViewBackward0", x, _resolved(x, sizes, "view"))


def reshape(x: Tensor, *sizes: Any) -> Tensor:
    return _viewed("ViewBackward0", x, _resolved(x, sizes, "reshape"))


def view_as(x: Tensor, other: Tensor) -> Tensor:
    return view(x, *other.shape)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim joined into one (torch.flatten)."""
    if not x.ndim:
        return view(x, 1)
    start, end = (
        normalize_axis(axis, x.ndim, f"flatten of {x.type_text()}") for axis in (start_dim, end_dim)
    )
    if start > end:
        raise ShapeError(
            f"flatten: start_dim {start_dim} lies behind end_dim {end_dim} for {x.type_text()}"
        ).at(here())
    if start == end:
        return x
    return view(x, *x.shape[:start], product(tuple(x.shape[start : end + 1])), *x.shape[end + 1 :])


def squeeze(x: Tensor, dim: int | None = None) -> Tensor:
    """Without dimensions of size 1 (all of them, or `dim` if it is one)."""
    axes = range(x.ndim) if dim is None else [normalize_axis(dim, x.ndim, "squeeze")]
    kept = tuple(size for i, size in enumerate(x.shape) if not (i in axes and size == 1))
    return _viewed("SqueezeBackward0" if dim is None else "SqueezeBackward1", x, kept)


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """With a dimension of size 1 inserted at `dim`."""
    axis = normalize_axis(dim, x.ndim + 1, "unsqueeze")
    return _viewed("UnsqueezeBackward0", x, (*x.shape[:axis], 1, *x.shape[axis:]))


def permute(x: Tensor, *dims: Any) -> Tensor:
    """The dimensions in another order."""
    perm = tuple(normalize_axis(int(d), x.ndim, "permute") for d in as_shape(dims))
    return t.apply("PermuteBackward0", lambda a: ops.transpose(a, perm=perm), x, saves=False, view=True)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    a, b = normalize_axis(dim0, x.ndim, "transpose"), normalize_axis(dim1, x.ndim, "transpose")
    perm = list(range(x.ndim))
    perm[a], perm[b] = perm[b], perm[a]
    return t.apply(
        "TransposeBackward0", lambda n: ops.transpose(n, perm=tuple(perm)), x, saves=False, view=True
    )


def transposed(x: Tensor) -> Tensor:
    """The matrix transpose of a tensor with at most two dimensions (torch.t)."""
    if x.ndim > 2:
        raise ShapeError(f"t() expects a tensor with at most 2 dimensions, but it is {x.type_text()}").at(
            here()
        )
    if x.ndim < 2:
        return _viewed("TBackward0", x, tuple(x.shape))
    return t.apply("TBackward0", lambda a: ops.transpose(a, perm=(1, 0)), x, saves=False, view=True)


def expand(x: Tensor, *sizes: Any) -> Tensor:
    """Dimensions of size 1 repeated; -1 keeps a size."""
    wanted = as_shape(sizes)
    own = [None] * (len(wanted) - x.ndim) + list(x.shape)
    shape = tuple(have if size == -1 else size for size, have in zip(wanted, own, strict=True))
    return t.apply("ExpandBackward0", lambda a: ops.broadcast_to(a, shape=shape), x, saves=False, view=True)


def expand_as(x: Tensor, other: Tensor) -> Tensor:
    return expand(x, *other.shape)


def contiguous(x: Tensor) -> Tensor:
    return x


def _some(what: str, tensors: Sequence[Tensor]) -> None:
    if not len(tensors):
        raise ShapeError(f"{what}: there are no tensors to join").at(here())
    t.require_tensors(what, *tensors)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along `dim` (torch.cat)."""
    _some("cat", tensors)
    axis = normalize_axis(dim, tensors[0].ndim, "cat")
    return t.apply("CatBackward0", lambda *nodes: ops.concat(*nodes, axis=axis), *tensors, saves=False)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension (torch.stack). Raises ShapeError where shapes differ."""
    _some("stack", tensors)
    for tensor in tensors:
        if tensor.shape != tensors[0].shape:
            first = tensors[0].type_text()
            raise ShapeError(
                f"stack: every tensor must have the same shape, but they are {first} and {tensor.type_text()}"
            ).at(here())
    axis = normalize_axis(dim, tensors[0].ndim + 1, "stack")

    def build(*nodes: Node) -> Node:
        shape = (*nodes[0].shape[:axis], 1, *nodes[0].shape[axis:])
        return ops.concat(*(ops.reshape(node, shape=shape) for node in nodes), axis=axis)

    return t.apply("StackBackward0", build, *tensors, saves=False)


def gather(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """result[i][j] = x[i][index[i][j]] along `dim` (torch.gather)."""
    axis = normalize_axis(dim, x.ndim, "gather")
    return t.apply("GatherBackward0", lambda a, i: ops.take_along_axis(a, i, axis=axis), x, index)


def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices of x along `dim` picked by a 1-D index (torch.index_select)."""
    axis = normalize_axis(dim, x.ndim, "index_select")
    return t.apply("IndexSelectBackward0", lambda a, i: ops.gather(a, i, axis=axis), x, index)


def split(x: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of `split_size` along `dim`, the last one smaller if need be (torch.split)."""
    axis = normalize_axis(dim, x.ndim, "split")
    total = int(x.shape[axis])
    sizes = (
        list(split_size)
        if not isinstance(split_size, int)
        else [min(split_size, total - i) for i in range(0, total, split_size)]
    )
    stops = np.cumsum(sizes)
    if stops[-1] != total:
        raise ShapeError(
            f"split: sizes {sizes} do not add up to {total}, the size of dimension {dim} of {x.type_text()}"
        ).at(here())
    pieces = []
    for stop, size in zip(stops.tolist(), sizes, strict=True):
        index: list[Any] = [slice(None)] * axis
        pieces.append(x[(*index, slice(stop - size, stop))])
    return tuple(pieces)


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    return split(x, -(-int(x.shape[normalize_axis(dim, x.ndim, "chunk")]) // chunks), dim)


def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, zeros above."""
    kept = np.tri(int(x.shape[-2]), int(x.shape[-1]), diagonal, dtype=np.bool_)
    return t.apply("TrilBackward0", lambda a: ops.where(ops.literal(kept), a, ops.scalar(0, a.dtype)), x)


# Indexing.


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index] for ints, slices with positive steps, None, ..., a bool mask's absence, and integer tensors.

    One integer tensor (or list) may stand among the indices. Raises IndexError for what is out of range.
    """
    indices = list(index) if isinstance(index, tuple) else [index]
    indices = [as_tensor(np.asarray(i)) if isinstance(i, (list, np.ndarray)) else i for i in indices]
    given = sum(i is not None and i is not Ellipsis for i in indices)
    if given > x.ndim:
        raise IndexError(f"too many indices: {given} for {x.type_text()}")
    spread = [slice(None)] * (x.ndim - given)
    at = next((k for k, i in enumerate(indices) if i is Ellipsis), len(indices))
    indices[at : at + 1] = spread
    starts: list[Dim] = []
    stops: list[Dim] = []
    steps: list[int] = []
    shape: list[Dim] = []
    gathers: list[tuple[int, Tensor]] = []
    for i in indices:
        if i is None:
            shape.append(1)
            continue
        size = x.shape[len(starts)]
        if isinstance(i, t.Tensor):
            if i.dtype is bool_:
                raise LenetcError(
                    "indexing with a bool mask gives a shape that depends on values; use lenetc.where"
                ).at(here())
            gathers.append((len(shape), i))
            bounds: tuple[Dim, Dim, int] = (0, size, 1)
            shape.append(size)
        elif isinstance(i, slice):
            bounds = start, stop, step = _bounds(i, size)
            shape.append((stop - start + step - 1) // step if step > 1 else stop - start)
        else:
            if not hasattr(i, "__index__"):
                raise IndexError(
                    f"{x.type_text()} takes ints, slices, ..., None and integer tensors as indices, "
                    f"not a {type(i).__name__}"
                )
            position = operator.index(i)
            if isinstance(size, int) and not -size <= position < size:
                raise IndexError(
                    f"index {position} is out of bounds for dimension {len(starts)} of {x.type_text()}"
                )
            first = position if position >= 0 else size + position
            bounds = (first, first + 1, 1)
        starts.append(bounds[0])
        stops.append(bounds[1])
        steps.append(bounds[2])

    def build(a: Node, *positions: Node) -> Node:
        whole = all(
            p == (0, n, 1) for p, n in zip(zip(starts, stops, steps, strict=True), a.shape, strict=True)
        )
        part = a if whole else ops.slice(a, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))
        part = part if part.shape == tuple(shape) else ops.reshape(part, shape=tuple(shape))
        for (axis, _), node in zip(reversed(gathers), reversed(positions), strict=True):
            size = part.shape[axis]
            below = ops.less(node, 0)
            count = ops.cast(ops.dim(size=size), dtype=node.dtype)
            part = ops.gather(part, ops.where(below, node + count, node), axis=axis)
        return part

    if len(gathers) > 1:
        raise LenetcError(
            "indexing with more than one integer tensor is not supported; use gather or take them one by one"
        ).at(here())
    name = "IndexBackward0" if gathers else "SelectBackward0" if len(shape) < x.ndim else "SliceBackward0"
    return t.apply(name, build, x, *(tensor for _, tensor in gathers), saves=bool(gathers), view=True)


def _bounds(index: slice, size: Dim) -> tuple[Dim, Dim, int]:
    step = 1 if index.step is None else int(index.step)
    start: Dim
    stop: Dim
    if step < 1:
        raise ValueError(f"slice step must be positive, not {step}")
    if isinstance(size, int):
        first, last, _ = index.indices(size)
        return first, max(first, last), step
    start = 0 if index.start is None else index.start if index.start >= 0 else size + index.start
    stop = (
        size
        if index.stop is None
        else index.stop
        if not isinstance(index.stop, int) or index.stop >= 0
        else size + index.stop
    )
    return start, stop, step


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value for ints, slices and ..., in place; also a bool mask of x's shape."""
    if isinstance(index, t.Tensor) and index.dtype is bool_:
        x._change(
            "__setitem__",
            t.apply("", ops.where, index, as_tensor(value, x.dtype).to(x.dtype).expand(*x.shape), x),
        )
        return
    places = np.arange(int(x.numel()), dtype=np.int64).reshape([int(d) for d in x.shape])[_concrete(index)]
    source = as_tensor(value, x.dtype).to(x.dtype).expand(*places.shape)
    kept = np.ones(int(x.numel()), x.dtype.numpy)
    kept[places.reshape(-1)] = 0

    def build(a: Node, v: Node) -> Node:
        flat = ops.reshape(v, shape=(places.size,))
        spread = ops.scatter_add(flat, ops.literal(places.reshape(-1)), axis=0, size=a.ty.size)
        mask = ops.literal(kept.reshape([int(d) for d in a.shape]))
        untouched = ops.where(ops.equal(mask, 0), ops.broadcast_to(ops.scalar(0, a.dtype), shape=a.shape), a)
        return untouched + ops.reshape(spread, shape=a.shape)

    x._change("__setitem__", t.apply("CopySlices", build, x, source))


def _concrete(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_concrete(i) for i in index)
    return index.numpy() if isinstance(index, t.Tensor) else index


def one_hot_mask(labels: Node, classes: Dim, axis: int) -> Node:
    """labels[...] as bool [..., classes at `axis`, ...]: true where the class is the label."""
    spread = ops.reshape(labels, shape=(*labels.shape[:axis], 1, *labels.shape[axis:]))
    places = ops.iota(size=classes, dtype=labels.dtype)
    rank = labels.rank + 1
    return ops.equal(
        spread, ops.reshape(places, shape=tuple(classes if i == axis else 1 for i in range(rank)))
    )
