"""Products of vectors, and of tensors element by element: outer, inner, Kronecker and cross products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.op import scalar
from ir.types import i64
from lenetc.evaluation.tracing import here
from lenetc.operations import shaping
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise import mul
from lenetc.operations.products.einsum import tensordot
from lenetc.operations.products.matrices import matmul, need_ranks
from lenetc.operations.reductions.sums import sum
from lenetc.tensors.arrays import axis_of, index_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["cross", "dot", "ger", "inner", "kron", "outer", "vdot"]


@autocasts
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors' elements. Raises ShapeError for vectors of other lengths."""
    need_ranks("dot", ("input", input, 1), ("tensor", tensor, 1))
    if input.shape != tensor.shape:
        raise ShapeError(
            f"dot: vectors of one length are multiplied, not {input.type_text()} and {tensor.type_text()}"
        ).at(here())
    return matmul(input, tensor)


@autocasts
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """`dot`; complex numbers, of which it would conjugate the first, there are none."""
    return dot(input, other)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The products of each element of one vector and each of another, [N, M], in the dtype that they promote to."""
    need_ranks("outer", ("input", input, 1), ("vec2", vec2, 1))
    return mul(shaping.unsqueeze(input, 1), vec2)


ger = outer


def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sums of products over the last dimension of both, of one size; with a scalar the product."""
    t.require_tensors("inner", input, other)
    if input.dtype is not other.dtype:
        raise DTypeError(
            f"inner: both must have one dtype, but they are {input.type_text()} and {other.type_text()}"
        ).at(here())
    if not input.ndim or not other.ndim:
        return mul(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(
            f"inner: the last dimensions must match, but they are {input.type_text()} and {other.type_text()}"
        ).at(here())
    return tensordot(input, other, ([-1], [-1]))


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: every element of the input times the whole of the other."""
    t.require_tensors("kron", input, other)
    rank = max(input.ndim, other.ndim)
    left, right = ([1] * (rank - x.ndim) + list(x.shape) for x in (input, other))
    apart = mul(
        shaping.reshape(input, [n for size in left for n in (size, 1)]),
        shaping.reshape(other, [n for size in right for n in (1, size)]),
    )
    return shaping.reshape(apart, [a * b for a, b in zip(left, right, strict=True)])


@autocasts
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Cross product of vectors of three elements along `dim`, by default the first of that size, broadcast."""
    t.require_tensors("cross", input, other)
    if dim is None:
        dim = next((i for i, size in enumerate(input.shape) if size == 3), None)
        if dim is None:
            raise ShapeError(f"cross: no dimension of size 3 in input {input.type_text()}").at(here())
    if input.ndim != other.ndim:
        raise ShapeError(
            "cross: both must have the same number of dimensions, but they are "
            f"{input.type_text()} and {other.type_text()}"
        ).at(here())
    if input.dtype is not other.dtype:
        raise DTypeError(
            f"cross: both must have one dtype, but they are {input.type_text()} and {other.type_text()}"
        ).at(here())
    axis = axis_of(dim, input.ndim, f"cross of {input.type_text()}")
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise ShapeError(
            f"cross: dimension {dim} must have length 3, but they are {input.type_text()} and {other.type_text()}"
        ).at(here())

    def turned(x: Tensor, order: tuple[int, int, int]) -> Tensor:
        def build(a: Node) -> Node:
            return ops.gather(a, ops.literal(np.array(order)), axis=axis)

        return t.apply("IndexSelectBackward0", build, x)

    forth, back = (1, 2, 0), (2, 0, 1)
    return turned(input, forth) * turned(other, back) - turned(input, back) * turned(other, forth)


def last_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Cross product along `dim` (torch.linalg.cross)."""
    return cross(input, other, dim)


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """[..., n, N] of the powers 0 to N - 1 (n of them if None) of each element (torch.linalg.vander)."""
    t.require_tensors("vander", x)
    count = (int(x.shape[-1]) if x.ndim else 1) if N is None else index_of("vander: N", N)
    if count <= 1:
        raise ShapeError(f"vander: N must be greater than 1, but it is {count}").at(here())

    def build(a: Node) -> Node:
        a = a if a.dtype.is_float else ops.cast(a, dtype=i64)
        a = ops.reshape(a, shape=(*(a.shape or (1,)), 1))
        powers = [ops.broadcast_to(scalar(1, a.dtype), shape=a.shape)]
        for _ in range(count - 1):
            powers.append(powers[-1] * a)
        return ops.concat(*powers, axis=a.rank - 1)

    return t.apply("CatBackward0", build, x)


@autocasts
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The sums of products along `dim`, broadcast (torch.linalg.vecdot)."""
    t.require_tensors("vecdot", x, y)
    if x.dtype is not y.dtype:
        raise DTypeError(
            f"vecdot: both must have one dtype, but they are {x.type_text()} and {y.type_text()}"
        ).at(here())
    if not x.dtype.is_float:
        raise DTypeError(f"vecdot: expected floating point tensors, but they are {x.type_text()}").at(here())
    return sum(mul(x, y), dim)
