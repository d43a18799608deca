"""Operations that move elements: views, joins, indexing. PyTorch's functions of the same names.

Views are values of their own here: changing one in place would not reach the tensor it was taken from, so
that is refused with an error rather than done wrongly.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim, Poly, divide, product
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.types import i32, i64
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.tensors.arrays import axis_of, index_of
from lenetc.tensors.convert import promoted

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

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


def _whole(what: str, sizes: Sequence[Any]) -> list[Dim]:
    """The sizes as whole numbers. Raises DTypeError for what is none."""
    return [size if isinstance(size, Poly) else index_of(f"{what}: a size", size) for size in as_shape(sizes)]


def _resolved(x: Tensor, sizes: Sequence[Any], what: str) -> tuple[Dim, ...]:
    """`sizes` with a -1 worked out."""
    t.require_tensors(what, x)
    shape = _whole(what, sizes)
    unknown = [i for i, size in enumerate(shape) if size == -1]
    message = f"{what}: shape {shape} is invalid for a tensor {x.type_text()} with {x.numel()} elements"
    if len(unknown) > 1:
        raise ShapeError(f"{message}: only one dimension can be inferred").at(here())
    if any(isinstance(size, int) and size < -1 for size in shape):
        raise ShapeError(f"{message}: a size is negative").at(here())
    if unknown:
        rest = product(tuple(size for size in shape if size != -1))
        if rest == 0:
            raise ShapeError(f"{message}: beside a size of 0 the -1 could be anything").at(here())
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
    t.require_tensors("view_as", other)
    return view(x, *other.shape)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim joined into one (torch.flatten)."""
    t.require_tensors("flatten", x)
    if not x.ndim:
        return view(x, 1)
    start, end = (axis_of(axis, x.ndim, f"flatten of {x.type_text()}") for axis in (start_dim, end_dim))
    if start > end:
        raise ShapeError(
            f"flatten: start_dim {start_dim} lies behind end_dim {end_dim} for {x.type_text()}"
        ).at(here())
    if start == end:
        return x
    return view(x, *x.shape[:start], product(tuple(x.shape[start : end + 1])), *x.shape[end + 1 :])


def squeeze(x: Tensor, dim: int | None = None) -> Tensor:
    """Without dimensions of size 1 (all of them, or `dim` if it is one)."""
    t.require_tensors("squeeze", x)
    axes = range(x.ndim) if dim is None else [axis_of(dim, x.ndim, "squeeze")]
    kept = tuple(size for i, size in enumerate(x.shape) if not (i in axes and size == 1))
    return _viewed("SqueezeBackward0" if dim is None else "SqueezeBackward1", x, kept)


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """With a dimension of size 1 inserted at `dim`."""
    t.require_tensors("unsqueeze", x)
    axis = axis_of(dim, x.ndim + 1, "unsqueeze")
    return _viewed("UnsqueezeBackward0", x, (*x.shape[:axis], 1, *x.shape[axis:]))


def permute(x: Tensor, *dims: Any) -> Tensor:
    """The dimensions in another order."""
    t.require_tensors("permute", x)
    perm = tuple(axis_of(d, x.ndim, "permute") for d in as_shape(dims))
    return t.apply("PermuteBackward0", lambda a: ops.transpose(a, perm=perm), x, saves=False, view=True)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    t.require_tensors("transpose", x)
    if not x.ndim:
        axis_of(dim0, 0, "transpose"), axis_of(dim1, 0, "transpose")
        return _viewed("TransposeBackward0", x, ())
    a, b = axis_of(dim0, x.ndim, "transpose"), axis_of(dim1, x.ndim, "transpose")
    perm = list(range(x.ndim))
    perm[a], perm[b] = perm[b], perm[a]
    return t.apply(
        "TransposeBackward0", lambda n: ops.transpose(n, perm=tuple(perm)), x, saves=False, view=True
    )


def transposed(x: Tensor) -> Tensor:
    """The matrix transpose of a tensor with at most two dimensions (torch.t)."""
    t.require_tensors("t", x)
    if x.ndim > 2:
        raise ShapeError(f"t() expects a tensor with at most 2 dimensions, but it is {x.type_text()}").at(
            here()
        )
    if x.ndim < 2:
        return _viewed("TBackward0", x, tuple(x.shape))
    return t.apply("TBackward0", lambda a: ops.transpose(a, perm=(1, 0)), x, saves=False, view=True)


def expand(x: Tensor, *sizes: Any) -> Tensor:
    """Dimensions of size 1 repeated; -1 keeps a size."""
    t.require_tensors("expand", x)
    wanted = _whole("expand", sizes)
    added = len(wanted) - x.ndim
    if added < 0 or any(size == -1 for size in wanted[:added]):
        raise ShapeError(
            f"expand: the sizes {wanted} must cover every dimension of {x.type_text()}, and -1 stand for one of them"
        ).at(here())
    own = (*wanted[:added], *x.shape)
    shape = tuple(have if size == -1 else size for size, have in zip(wanted, own, strict=True))
    if any(isinstance(size, int) and size < 0 for size in shape):
        raise ShapeError(f"expand: a size among {wanted} is negative").at(here())
    return t.apply("ExpandBackward0", lambda a: ops.broadcast_to(a, shape=shape), x, saves=False, view=True)


def expand_as(x: Tensor, other: Tensor) -> Tensor:
    t.require_tensors("expand_as", other)
    return expand(x, *other.shape)


def contiguous(x: Tensor) -> Tensor:
    return x


def _some(what: str, tensors: Sequence[Tensor]) -> None:
    if isinstance(tensors, t.Tensor) or not isinstance(tensors, (tuple, list)):
        raise DTypeError(f"{what} takes a list or a tuple of tensors, not a {type(tensors).__name__}").at(
            here()
        )
    if not tensors:
        raise ShapeError(f"{what}: there are no tensors to join").at(here())
    t.require_tensors(what, *tensors)


def _promoted(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors in the dtype that they promote to."""
    dtype = reduce(promoted, (tensor.dtype for tensor in tensors))
    return [tensor if tensor.dtype is dtype else tensor.to(dtype) for tensor in tensors]


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along `dim`, in the dtype that they promote to (torch.cat).

    A tensor [0] may stand among tensors of more dimensions, as in PyTorch. Raises ShapeError for scalars, and where
    sizes differ.
    """
    _some("cat", tensors)
    tensors = _promoted(tensors)
    kept = [tensor for tensor in tensors if tuple(tensor.shape) != (0,)] or tensors[:1]
    axis = axis_of(dim, kept[0].ndim, "cat")
    for tensor in kept:
        if not tensor.ndim:
            raise ShapeError(f"cat: a scalar {tensor.type_text()} has no dimension to be joined along").at(
                here()
            )
    return t.apply("CatBackward0", lambda *nodes: ops.concat(*nodes, axis=axis), *kept, saves=False)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension (torch.stack). Raises ShapeError where shapes differ."""
    _some("stack", tensors)
    tensors = _promoted(tensors)
    for tensor in tensors:
        if tensor.shape != tensors[0].shape:
            first = tensors[0].type_text()
            raise ShapeError(
                f"stack: every tensor must have the same shape, but they are {first} and {tensor.type_text()}"
            ).at(here())
    axis = axis_of(dim, tensors[0].ndim + 1, "stack")

    def build(*nodes: Node) -> Node:
        shape = (*nodes[0].shape[:axis], 1, *nodes[0].shape[axis:])
        return ops.concat(*(ops.reshape(node, shape=shape) for node in nodes), axis=axis)

    return t.apply("StackBackward0", build, *tensors, saves=False)


def gather(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """result[i][j] = x[i][index[i][j]] along `dim`; along the others the index may be smaller (torch.gather).

    Raises LabelError, an IndexError, for an index that is negative or out of range, ShapeError where shapes do not
    fit, DTypeError for an index that is neither i64 nor i32.
    """
    t.require_tensors("gather", x, index)
    axis = axis_of(dim, x.ndim, "gather")
    _need_positions("gather", index)
    if not index.numel() or not x.ndim:
        return _gathered_simply(x, index)
    if index.ndim != x.ndim or any(
        i != axis and isinstance(n, int) and isinstance(size, int) and n > size
        for i, (n, size) in enumerate(zip(index.shape, x.shape, strict=True))
    ):
        raise ShapeError(
            f"gather: the index {index.type_text()} must have as many dimensions as the tensor {x.type_text()}, and "
            f"be no larger except along {axis}"
        ).at(here())
    _need_range("gather", index, x, axis)

    def build(a: Node, i: Node) -> Node:
        stops = tuple(
            size if k == axis else n for k, (size, n) in enumerate(zip(a.shape, i.shape, strict=True))
        )
        if stops != a.shape:
            a = ops.slice(a, starts=(0,) * a.rank, stops=stops, steps=(1,) * a.rank)
        return ops.take_along_axis(a, i, axis=axis)

    return t.apply("GatherBackward0", build, x, index)


def _gathered_simply(x: Tensor, index: Tensor) -> Tensor:
    """Gather of a scalar, or by no index at all."""
    if index.ndim > max(x.ndim, 1) and index.numel():
        raise ShapeError(
            f"gather: the index {index.type_text()} has more dimensions than the tensor {x.type_text()}"
        ).at(here())
    if index.numel():
        require_range("gather", "index", index, 1, None, x.type_text())
    shape = tuple(index.shape)

    def build(a: Node, i: Node) -> Node:
        if a.rank:
            a = ops.slice(a, starts=(0,) * a.rank, stops=(0,) * a.rank, steps=(1,) * a.rank)
            return ops.reshape(a, shape=shape)
        return ops.broadcast_to(a, shape=shape) if shape else a

    return t.apply("GatherBackward0", build, x, index)


def _need_positions(what: str, index: Tensor) -> None:
    if index.dtype not in (i64, i32):
        raise DTypeError(
            f"{what}: the index must be i64 or i32, but it is {index.type_text()}; use .long()"
        ).at(here())


def _need_range(what: str, index: Tensor, x: Tensor, axis: int) -> None:
    """Raise LabelError unless every index is in 0..size-1 of `axis`, where its size is known."""
    size = x.shape[axis]
    if isinstance(size, int):
        require_range(what, "index", index, size, None, f"dimension {axis} of {x.type_text()}")


def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices of x along `dim` picked by a 1-D index, or by one position (torch.index_select).

    Raises LabelError, an IndexError, for an index that is negative or out of range, ShapeError for one of more
    dimensions, DTypeError for one that is neither i64 nor i32.
    """
    t.require_tensors("index_select", x, index)
    axis = axis_of(dim, x.ndim, "index_select")
    _need_positions("index_select", index)
    if index.ndim > 1:
        raise ShapeError(f"index_select: the index must be a vector, but it is {index.type_text()}").at(
            here()
        )
    if not x.ndim:
        if index.numel() != 1:
            raise ShapeError(
                f"index_select: a scalar has one place, but the index is {index.type_text()}"
            ).at(here())
        require_range("index_select", "index", index, 1, None, x.type_text())
        return t.apply("IndexSelectBackward0", lambda a: a, x)
    _need_range("index_select", index, x, axis)

    def build(a: Node, i: Node) -> Node:
        return ops.gather(a, i if i.rank else ops.reshape(i, shape=(1,)), axis=axis)

    return t.apply("IndexSelectBackward0", build, x, index)


def split(x: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of `split_size` along `dim`, the last one smaller if need be (torch.split)."""
    t.require_tensors("split", x)
    axis = axis_of(dim, x.ndim, "split")
    if not x.ndim:
        raise ShapeError(f"split: a scalar {x.type_text()} has no dimension to be split along").at(here())
    total = int(x.shape[axis])
    if not isinstance(split_size, (tuple, list)):
        split_size = index_of("split: split_size", split_size)
        if split_size < 0 or (not split_size and total):
            raise ShapeError(f"split: pieces of size {split_size} do not make {x.type_text()}").at(here())
        sizes = [min(split_size, total - i) for i in range(0, total, split_size or 1)] or [0]
    else:
        sizes = [index_of("split: a size", size) for size in split_size]
    if sum(sizes) != total or any(size < 0 for size in sizes):
        raise ShapeError(
            f"split: sizes {sizes} do not add up to {total}, the size of dimension {dim} of {x.type_text()}"
        ).at(here())
    pieces = []
    for start, size in zip(itertools.accumulate(sizes, initial=0), sizes, strict=False):
        index: list[Any] = [slice(None)] * axis
        pieces.append(x[(*index, slice(start, start + size))])
    return tuple(pieces)


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of one size along `dim`, the last one smaller if need be (torch.chunk)."""
    t.require_tensors("chunk", x)
    axis = axis_of(dim, x.ndim, "chunk")
    chunks = index_of("chunk: chunks", chunks)
    if chunks < 1:
        raise LenetcError(f"chunk: the number of chunks must be positive, not {chunks}").at(here())
    if not x.ndim:
        raise ShapeError(f"chunk: a scalar {x.type_text()} has no dimension to be split along").at(here())
    total = int(x.shape[axis])
    return split(x, [0] * chunks if not total else -(-total // chunks), dim)


def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, zeros above."""
    t.require_tensors("tril", x)
    if x.ndim < 2:
        raise ShapeError(f"tril: needs at least 2 dimensions, but it is {x.type_text()}").at(here())
    diagonal = index_of("tril: diagonal", diagonal)
    kept = np.tri(int(x.shape[-2]), int(x.shape[-1]), diagonal, dtype=np.bool_)
    return t.apply("TrilBackward0", lambda a: ops.where(ops.literal(kept), a, ops.scalar(0, a.dtype)), x)


def one_hot_mask(labels: Node, classes: Dim, axis: int) -> Node:
    """labels[...] as bool [..., classes at `axis`, ...]: true where the class is the label."""
    spread = ops.reshape(labels, shape=(*labels.shape[:axis], 1, *labels.shape[axis:]))
    places = ops.iota(size=classes, dtype=labels.dtype)
    rank = labels.rank + 1
    return ops.equal(
        spread, ops.reshape(places, shape=tuple(classes if i == axis else 1 for i in range(rank)))
    )
