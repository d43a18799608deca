"""Products of matrices."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.types import bool_
from lenetc.evaluation.tracing import here
from lenetc.operations import integers, shaping
from lenetc.operations.autocast import autocasts
from lenetc.tensors.convert import as_tensor

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["bmm", "chain_matmul", "matmul", "mm", "mv", "spmm"]


@autocasts
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product: [..., M, K] @ [..., K, L]; 1-D operands as in torch.matmul.

    Raises ShapeError where the operands do not multiply, DTypeError where they differ in dtype, and for bools.
    """
    t.require_tensors("matmul", input, other)
    x = input
    if x.ndim == 0 or other.ndim == 0:
        raise ShapeError(
            f"matmul: both operands need at least one dimension, but they are {x.type_text()} and {other.type_text()}"
        ).at(here())
    if bool_ in (x.dtype, other.dtype):
        raise DTypeError(
            f"matmul: bools are not multiplied here: {x.type_text()} @ {other.type_text()}; use .long()"
        ).at(here())

    def build(a: Node, b: Node) -> Node:
        left = ops.reshape(a, shape=(1, *a.shape)) if a.rank == 1 else a
        right = ops.reshape(b, shape=(*b.shape, 1)) if b.rank == 1 else b
        product = integers.matmul(left, right) if a.dtype.kind == "int" else ops.matmul(left, right)
        shape = [
            d
            for i, d in enumerate(product.shape)
            if not (a.rank == 1 and i == product.rank - 2) and not (b.rank == 1 and i == product.rank - 1)
        ]
        return product if len(shape) == product.rank else ops.reshape(product, shape=tuple(shape))

    name = {(2, 2): "MmBackward0", (1, 1): "DotBackward0", (2, 1): "MvBackward0"}.get(
        (x.ndim, other.ndim), "UnsafeViewBackward0"
    )
    return t.apply(name, build, x, other)


def rmatmul(input: Tensor, other: Any) -> Tensor:
    """other @ input, for what is an array."""
    return matmul(as_tensor(other), input)


def need_ranks(what: str, *operands: tuple[str, Tensor, int]) -> None:
    """Raise ShapeError unless each of (name, tensor, number of dimensions) has that number."""
    for name, x, rank in operands:
        t.require_tensors(what, x)
        if x.ndim != rank:
            kind = {1: "vector", 2: "matrix"}.get(rank, f"{rank}-D tensor")
            raise ShapeError(f"{what}: {name} must be a {kind}, but it is {x.type_text()}").at(here())


@autocasts
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices. Raises ShapeError for anything else."""
    need_ranks("mm", ("input", input, 2), ("mat2", mat2, 2))
    return matmul(input, mat2)


spmm = mm  # all matrices are dense here


@autocasts
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two stacks of matrices, [B, N, M] and [B, M, P]. Raises ShapeError for anything else."""
    need_ranks("bmm", ("input", input, 3), ("mat2", mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(
            f"bmm: batches must be of one size, but they are {input.type_text()} and {mat2.type_text()}"
        ).at(here())
    return matmul(input, mat2)


@autocasts
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector. Raises ShapeError for anything else."""
    need_ranks("mv", ("input", input, 2), ("vec", vec, 1))
    return matmul(input, vec)


@autocasts
def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices, multiplied in the order that costs least."""
    need_ranks("chain_matmul", *((f"operand {i}", x, 2) for i, x in enumerate(matrices)))
    if not matrices:
        raise ShapeError("chain_matmul: there are no matrices to multiply").at(here())
    return multi_dot(matrices) if len(matrices) > 1 else matrices[0]


@autocasts
def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices, multiplied in the order that costs least; the first and the last may be
    vectors (torch.linalg.multi_dot). Raises ShapeError for anything else."""
    count = len(tensors)
    if count < 2:
        raise ShapeError(f"multi_dot: expected at least 2 tensors, but there are {count}").at(here())
    t.require_tensors("multi_dot", *tensors)
    for i, x in enumerate(tensors):
        if x.ndim != 2 and not (x.ndim == 1 and i in (0, count - 1)):
            raise ShapeError(f"multi_dot: tensor {i} must be a matrix, but it is {x.type_text()}").at(here())
    first, last = tensors[0].ndim == 1, tensors[-1].ndim == 1
    chain = list(tensors)
    if first:
        chain[0] = shaping.unsqueeze(chain[0], 0)
    if last:
        chain[-1] = shaping.unsqueeze(chain[-1], 1)
    for left, right in itertools.pairwise(chain):
        if left.shape[1] != right.shape[0]:
            raise ShapeError(
                f"multi_dot: {left.type_text()} and {right.type_text()} do not multiply, one after the other"
            ).at(here())
    product = (
        _in_order(chain) if all(isinstance(n, int) for x in chain for n in x.shape) else reduce(mm, chain)
    )
    shape = [n for n, gone in zip(product.shape, (first, last), strict=True) if not gone]
    return shaping.reshape(product, shape) if first or last else product


def _in_order(chain: Sequence[Tensor]) -> Tensor:
    """The product of the matrices, the cheapest one of all orders."""
    sizes = [int(chain[0].shape[0]), *(int(x.shape[1]) for x in chain)]
    cost: dict[tuple[int, int], tuple[int, Any]] = {(i, i): (0, i) for i in range(len(chain))}
    for length in range(1, len(chain)):
        for i in range(len(chain) - length):
            j = i + length
            cost[i, j] = min(
                (cost[i, k][0] + cost[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )

    def made(i: int, j: int) -> Tensor:
        if i == j:
            return chain[i]
        cut = cost[i, j][1]
        return mm(made(i, cut), made(cut + 1, j))

    return made(0, len(chain) - 1)
