"""Every combination of elements. PyTorch's functions of the same names."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.dims import Dim
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.op import literal
from ir.types import i64
from lenetc.evaluation.tracing import here
from lenetc.operations.shaping.joining import stack
from lenetc.operations.shaping.repeating import expand
from lenetc.operations.shaping.viewing import as_shape, reshape
from lenetc.tensors.arrays import index_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["cartesian_prod", "combinations", "meshgrid", "vander"]


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """For vectors [A], [B], ... as many tensors [A,B,...], each with its vector along its dimension (torch.meshgrid).

    indexing: "ij", or "xy", which exchanges the first two dimensions.
    """
    several = as_shape(tensors)
    if not several:
        raise ShapeError("meshgrid: there are no tensors").at(here())
    t.require_tensors("meshgrid", *several)
    if indexing not in (None, "ij", "xy"):
        raise LenetcError(f"meshgrid: indexing is 'ij' or 'xy', not {indexing!r}").at(here())
    for tensor in several:
        if tensor.ndim > 1:
            raise ShapeError(f"meshgrid: takes vectors and scalars, not {tensor.type_text()}").at(here())
        if tensor.dtype is not several[0].dtype:
            raise DTypeError(
                f"meshgrid: all tensors must have one dtype, not {several[0].type_text()} and {tensor.type_text()}"
            ).at(here())
    swapped = indexing == "xy" and len(several) > 1
    if swapped:
        several[:2] = several[1::-1]
    shape = [tensor.numel() for tensor in several]
    grids = [
        expand(reshape(x, *(n if i == k else 1 for k, n in enumerate(shape))), *shape)
        for i, x in enumerate(several)
    ]
    if swapped:
        grids[:2] = grids[1::-1]
    return tuple(grids)


def cartesian_prod(*tensors: Any) -> Tensor:
    """[A*B*..., number of vectors]: every way to take one element of each vector (torch.cartesian_prod)."""
    several = as_shape(tensors)
    t.require_tensors("cartesian_prod", *several)
    for tensor in several:
        if tensor.ndim != 1:
            raise ShapeError(f"cartesian_prod: takes vectors, not {tensor.type_text()}").at(here())
    if len(several) == 1:
        return reshape(several[0], several[0].numel())
    return stack([reshape(grid, grid.numel()) for grid in meshgrid(*several, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """[combinations, r]: every way to take r elements of a vector in order (torch.combinations)."""
    t.require_tensors("combinations", input)
    length = index_of("combinations: r", r)
    if input.ndim != 1 or length < 0:
        raise ShapeError(f"combinations: takes a vector and r >= 0, not {input.type_text()} and {r}").at(
            here()
        )
    chosen = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    found = list(chosen(range(int(input.shape[0])), length))
    places = np.array(found, np.int64).reshape((len(found), length) if length else (0,))
    return t.apply("IndexBackward0", lambda a: ops.gather(a, literal(places), axis=0), input, saves=False)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """[D, N]: the powers of a vector's elements as columns, falling unless `increasing` (torch.vander)."""
    t.require_tensors("vander", x)
    if x.ndim != 1:
        raise ShapeError(f"vander: takes a vector, not {x.type_text()}").at(here())
    columns = int(x.shape[0]) if N is None else index_of("vander: N", N)
    if columns < 0:
        raise ShapeError(f"vander: N must not be negative, but is {columns}").at(here())

    def build(a: Node) -> Node:
        if not columns:
            return ops.reshape(ops.slice(a, starts=(0,), stops=(0,), steps=(1,)), shape=(a.shape[0], 0))
        power = ops.broadcast_to(ops.scalar(1, a.dtype), shape=a.shape)
        powers = [power]
        for _ in range(columns - 1):
            powers.append(power := power * a)
        rows = [ops.reshape(p, shape=(*p.shape, 1)) for p in (powers if increasing else powers[::-1])]
        return ops.concat(*rows, axis=1)

    return t.apply("VanderBackward0", build, x if x.dtype.is_float else x.to(i64))


def one_hot_mask(labels: Node, classes: Dim, axis: int) -> Node:
    """labels[...] as bool [..., classes at `axis`, ...]: true where the class is the label."""
    spread = ops.reshape(labels, shape=(*labels.shape[:axis], 1, *labels.shape[axis:]))
    places = ops.iota(size=classes, dtype=labels.dtype)
    rank = labels.rank + 1
    return ops.equal(
        spread, ops.reshape(places, shape=tuple(classes if i == axis else 1 for i in range(rank)))
    )
