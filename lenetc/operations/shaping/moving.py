"""Dimensions in another order, elements in another place. PyTorch's functions of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim
from ir.errors import BoundsError, LenetcError, ShapeError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.operations.shaping.slicing import cut
from lenetc.operations.shaping.viewing import as_shape, distinct_axes, given, reshape, viewed
from lenetc.tensors.arrays import axis_of, index_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = [
    "adjoint",
    "flip",
    "fliplr",
    "flipud",
    "moveaxis",
    "movedim",
    "permute",
    "roll",
    "rot90",
    "swapaxes",
    "swapdims",
    "transpose",
]


def permuted(name: str, x: Tensor, perm: Sequence[int]) -> Tensor:
    """The axes of x in the order `perm`."""
    order = tuple(perm)
    back = tuple(sorted(range(len(order)), key=order.__getitem__))

    def restored(base: Node, value: Node) -> Node:
        return ops.transpose(value, perm=back)

    return t.apply(name, lambda a: ops.transpose(a, perm=order), x, saves=False, view=restored)


def permute(input: Tensor, *sizes: Any, dims: Any = None) -> Tensor:
    """The dimensions in another order (torch.permute)."""
    t.require_tensors("permute", input)
    wanted = as_shape(sizes) if sizes or dims is None else as_shape((dims,))
    perm = distinct_axes("permute", input, wanted)
    if len(perm) != input.ndim:
        raise ShapeError(f"permute: {tuple(wanted)} must name each dimension of {input.type_text()} once").at(
            here()
        )
    return permuted("PermuteBackward0", input, perm)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged (torch.transpose)."""
    t.require_tensors("transpose", input)
    a, b = axis_of(dim0, input.ndim, "transpose"), axis_of(dim1, input.ndim, "transpose")
    if not input.ndim:
        return viewed("TransposeBackward0", input, ())
    perm = list(range(input.ndim))
    perm[a], perm[b] = perm[b], perm[a]
    return permuted("TransposeBackward0", input, perm)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """As transpose (torch.swapaxes)."""
    return transpose(input, axis0, axis1)


swapdims = swapaxes


def transposed(input: Tensor) -> Tensor:
    """The matrix transpose of a tensor with at most two dimensions (torch.t)."""
    t.require_tensors("t", input)
    if input.ndim > 2:
        raise ShapeError(f"t() expects a tensor with at most 2 dimensions, but it is {input.type_text()}").at(
            here()
        )
    if input.ndim < 2:
        return viewed("TBackward0", input, tuple(input.shape))
    return permuted("TBackward0", input, (1, 0))


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged, which for real numbers is all (torch.adjoint)."""
    t.require_tensors("adjoint", input)
    if input.ndim == 1:
        raise ShapeError(f"adjoint: a vector {input.type_text()} has none; it takes matrices").at(here())
    return transpose(input, -2, -1) if input.ndim else viewed("TransposeBackward0", input, ())


def matrix_transposed(x: Tensor) -> Tensor:
    """The last two dimensions exchanged (torch.Tensor.mT). Raises ShapeError for a vector or a scalar."""
    if x.ndim < 2:
        raise ShapeError(f"mT: takes matrices, but the tensor is {x.type_text()}").at(here())
    return transpose(x, -2, -1)


def hermitian(x: Tensor) -> Tensor:
    """The transpose of a matrix (torch.Tensor.H). Raises ShapeError for what is neither a matrix nor a scalar."""
    if x.ndim not in (0, 2):
        raise ShapeError(f"H: takes matrices, but the tensor is {x.type_text()}; mH takes stacks of them").at(
            here()
        )
    return transpose(x, 0, -1)


def reversed_dims(x: Tensor) -> Tensor:
    """All dimensions in reverse order (torch.Tensor.T)."""
    return permuted("PermuteBackward0", x, range(x.ndim)[::-1])


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """The dimensions `source` moved to where `destination` says, the others in their order (torch.movedim)."""
    t.require_tensors("movedim", input)
    given_from, given_to = (list(d) if isinstance(d, (tuple, list)) else [d] for d in (source, destination))
    if len(given_from) != len(given_to):
        raise ShapeError(
            f"movedim: source {source} and destination {destination} must name equally many dimensions"
        ).at(here())
    sources = distinct_axes("movedim: source", input, given_from)
    targets = distinct_axes("movedim: destination", input, given_to)
    if not input.ndim:
        return viewed("PermuteBackward0", input, ())
    rest = iter([axis for axis in range(input.ndim) if axis not in sources])
    placed = dict(zip(targets, sources, strict=True))
    return permuted(
        "PermuteBackward0", input, [placed[i] if i in placed else next(rest) for i in range(input.ndim)]
    )


moveaxis = movedim


def flip(input: Tensor, *sizes: Any, dims: Any = None) -> Tensor:
    """The order along `dims` reversed (torch.flip)."""
    t.require_tensors("flip", input)
    axes = distinct_axes("flip", input, as_shape(given("flip: dims", sizes, dims)))
    axes = axes if input.ndim else ()
    return t.apply("FlipBackward0", lambda a: ops.reverse(a, axes=axes), input, saves=False)


def fliplr(input: Tensor) -> Tensor:
    """The second dimension reversed (torch.fliplr)."""
    t.require_tensors("fliplr", input)
    if input.ndim < 2:
        raise ShapeError(f"fliplr: needs at least 2 dimensions, but it is {input.type_text()}").at(here())
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """The first dimension reversed (torch.flipud)."""
    t.require_tensors("flipud", input)
    if not input.ndim:
        raise ShapeError(f"flipud: needs at least 1 dimension, but it is {input.type_text()}").at(here())
    return flip(input, 0)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by `k` right angles in the plane of two dimensions, from the first to the second (torch.rot90)."""
    t.require_tensors("rot90", input)
    if not isinstance(dims, (tuple, list)) or len(dims) != 2 or input.ndim < 2:
        raise LenetcError(f"rot90: a plane has two dimensions, not {dims}, of {input.type_text()}").at(here())
    a, b = distinct_axes("rot90", input, dims)
    turns = index_of("rot90: k", k) % 4
    if turns == 2:
        return flip(input, a, b)
    if turns == 1:
        return transpose(flip(input, b), a, b)
    return flip(transpose(input, a, b), b) if turns else flip(input, dims=())


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements moved by `shifts` places along `dims`, those that leave put in again in front (torch.roll); without
    `dims` as if the tensor were one row."""
    t.require_tensors("roll", input)
    steps = [
        index_of("roll: a shift", s) for s in (shifts if isinstance(shifts, (tuple, list)) else [shifts])
    ]
    listed = [] if dims is None else list(dims) if isinstance(dims, (tuple, list)) else [dims]
    if not listed and len(steps) == 1:
        count = input.numel()
        if not input.ndim or (isinstance(count, int) and not count):
            return t.apply("RollBackward0", lambda a: a, input, saves=False)
        return reshape(roll(reshape(input, count), steps, 0), input.shape)
    if len(steps) != len(listed) or not steps:
        raise LenetcError(f"roll: shifts {shifts} and dims {dims} must align").at(here())
    if not input.ndim:
        raise BoundsError(f"roll: a scalar {input.type_text()} has no dimension {listed[0]}").at(here())
    axes = [axis_of(dim, input.ndim, f"roll of {input.type_text()}") for dim in listed]

    def build(a: Node) -> Node:
        for axis, step in zip(axes, steps, strict=True):
            a = _rolled(a, axis, step)
        return a

    return t.apply("RollBackward0", build, input, saves=False)


def _rolled(a: Node, axis: int, step: int) -> Node:
    size: Dim = a.shape[axis]
    if isinstance(size, int):
        step = step % size if size else 0
    if not step:
        return a
    at = size - step if step > 0 else -step
    return ops.concat(cut(a, axis, at, size), cut(a, axis, 0, at), axis=axis)
