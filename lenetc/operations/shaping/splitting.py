"""Tensors taken apart, into views. PyTorch's functions of the same names."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir.errors import BoundsError, LenetcError, ShapeError
from lenetc.evaluation.tracing import here
from lenetc.operations.shaping.slicing import part, picked
from lenetc.tensors.arrays import axis_of, index_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "chunk",
    "dsplit",
    "hsplit",
    "split",
    "split_with_sizes",
    "tensor_split",
    "unbind",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
    "vsplit",
]


def _axis(what: str, x: Tensor, dim: int) -> int:
    t.require_tensors(what, x)
    if not x.ndim:
        raise BoundsError(f"{what}: a scalar {x.type_text()} has no dimension to be split along").at(here())
    return axis_of(dim, x.ndim, what)


def _pieces(x: Tensor, axis: int, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """Pieces of `sizes`, one after the other."""
    starts = itertools.accumulate(sizes, initial=0)
    return tuple(
        [part(x, axis, (start, start + size, 1)) for start, size in zip(starts, sizes, strict=False)]
    )


def split(
    tensor: Tensor,
    split_size_or_sections: int | Sequence[int] | None = None,
    dim: int = 0,
    *,
    split_size: int | Sequence[int] | None = None,
) -> tuple[Tensor, ...]:
    """Pieces of a size along `dim`, the last one smaller if need be, or of several sizes (torch.split)."""
    axis = _axis("split", tensor, dim)
    wanted = split_size if split_size_or_sections is None else split_size_or_sections
    if isinstance(wanted, (tuple, list)):
        return split_with_sizes(tensor, wanted, dim)
    total, size = int(tensor.shape[axis]), index_of("split: split_size", wanted)
    if size < 0 or (not size and total):
        raise ShapeError(f"split: pieces of size {size} do not make {tensor.type_text()}").at(here())
    return _pieces(tensor, axis, [min(size, total - i) for i in range(0, total, size or 1)] or [0])


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of `split_sizes` along `dim` (torch.split_with_sizes)."""
    axis = _axis("split", input, dim)
    total = int(input.shape[axis])
    sizes = [index_of("split: a size", size) for size in split_sizes]
    if sum(sizes) != total or any(size < 0 for size in sizes):
        raise ShapeError(
            f"split: sizes {sizes} do not add up to {total}, the size of dimension {dim} of {input.type_text()}"
        ).at(here())
    return _pieces(input, axis, sizes)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of one size along `dim`, the last one smaller if need be (torch.chunk)."""
    axis = _axis("chunk", input, dim)
    chunks = index_of("chunk: chunks", chunks)
    if chunks < 1:
        raise LenetcError(f"chunk: the number of chunks must be positive, not {chunks}").at(here())
    total = int(input.shape[axis])
    return split(input, [0] * chunks if not total else -(-total // chunks), dim)


def tensor_split(
    input: Tensor,
    indices_or_sections: int | Sequence[int] | Tensor | None = None,
    dim: int = 0,
    *,
    indices: Sequence[int] | None = None,
    sections: int | None = None,
) -> tuple[Tensor, ...]:
    """So many pieces whose sizes differ by at most 1, or pieces that begin at the given places (torch.tensor_split)."""
    axis = _axis("tensor_split", input, dim)
    wanted = next((v for v in (indices_or_sections, indices, sections) if v is not None), None)
    if isinstance(wanted, t.Tensor):
        if wanted.ndim > 1 or wanted.dtype.name != "i64":
            raise ShapeError(
                f"tensor_split: the places are i64 in at most one dimension, not {wanted.type_text()}"
            ).at(here())
        wanted = wanted.tolist()
    total = int(input.shape[axis])
    if isinstance(wanted, (tuple, list)):
        places = slice(None).indices(total)[:0] + tuple(index_of("tensor_split: a place", i) for i in wanted)
        edges = [0, *(slice(place).indices(total)[1] for place in places)]
        ends = [*edges[1:], total]
        return tuple([part(input, axis, (a, max(a, z), 1)) for a, z in zip(edges, ends, strict=True)])
    count = index_of("tensor_split: sections", wanted)
    if count < 1:
        raise LenetcError(f"tensor_split: the number of sections must be positive, not {count}").at(here())
    least, longer = divmod(total, count)
    return _pieces(input, axis, [least + 1] * longer + [least] * (count - longer))


# PyTorch's pieces that may be changed in place each for itself; here all may.
unsafe_chunk, unsafe_split, unsafe_split_with_sizes = chunk, split, split_with_sizes


def _evenly(what: str, x: Tensor, wanted: int | Sequence[int], dim: int) -> tuple[Tensor, ...]:
    """tensor_split; a number of sections must divide the size."""
    if not isinstance(wanted, (tuple, list)):
        sections, size = index_of(f"{what}: sections", wanted), int(x.shape[dim])
        if sections < 1 or size % sections:
            raise LenetcError(
                f"{what}: {x.type_text()} does not divide into {sections} sections along {dim}"
            ).at(here())
    return tensor_split(x, wanted, dim)


def _need_dims(what: str, x: Tensor, least: int) -> None:
    t.require_tensors(what, x)
    if x.ndim < least:
        raise ShapeError(f"{what}: needs at least {least} dimensions, but it is {x.type_text()}").at(here())


def hsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """tensor_split along the second dimension, of a vector along its only one, evenly (torch.hsplit)."""
    _need_dims("hsplit", input, 1)
    return _evenly("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """tensor_split along the first dimension, evenly (torch.vsplit)."""
    _need_dims("vsplit", input, 2)
    return _evenly("vsplit", input, indices_or_sections, 0)


def dsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """tensor_split along the third dimension, evenly (torch.dsplit)."""
    _need_dims("dsplit", input, 3)
    return _evenly("dsplit", input, indices_or_sections, 2)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, one by one (torch.unbind)."""
    axis = _axis("unbind", input, dim)
    return tuple([picked(input, axis, i) for i in range(int(input.shape[axis]))])
