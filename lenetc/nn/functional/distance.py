"""Distances and similarities of vectors."""

from __future__ import annotations

import numpy as np

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.op import literal, scalar
from ir.ops.rules import broadcast_shapes
from lenetc.evaluation.tracing import here
from lenetc.operations import reductions
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import in_f32
from lenetc.tensors.arrays import axis_of, need_number
from lenetc.tensors.convert import result_dtype
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension (torch.nn.functional.pairwise_distance)."""
    require_tensors("pairwise_distance", x1, x2)
    return reductions.norm(x1 - x2 + eps, p, -1, keepdim)


@autocasts
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The product of x1 and x2 along `dim`, each over its length, at least over `eps`, broadcast.

    Source: torch.nn.functional.cosine_similarity.
    """
    require_tensors("cosine_similarity", x1, x2)
    dtype = result_dtype(x1, x2)
    if not dtype.is_float:
        raise DTypeError(
            f"cosine_similarity: expected common dtype to be floating point, but got {x1.type_text()} and "
            f"{x2.type_text()}"
        ).at(here())
    try:
        shape = broadcast_shapes("cosine_similarity", tuple(x1.shape), tuple(x2.shape))
    except ShapeError as error:
        raise error.at(here()) from None
    axis = axis_of(dim, len(shape), "cosine_similarity")
    axes = (axis,) if shape else ()

    def unit(x: Node) -> Node:
        x = x if x.shape == shape else ops.broadcast_to(x, shape=shape)
        squares = ops.sum(x * x, axes=axes, keepdims=True)
        zero = ops.equal(squares, 0.0)  # where the gradient of a root is infinite, and that of the length 0
        root = ops.sqrt(ops.where(zero, scalar(1, x.dtype), squares))
        length = ops.where(zero, scalar(0, x.dtype), root)
        return x / ops.with_gradient(ops.maximum(length, scalar(eps, x.dtype)), length)

    return apply(
        "SumBackward1",
        in_f32(lambda a, b: ops.sum(unit(a) * unit(b), axes=axes)),
        x1.to(dtype),
        x2.to(dtype),
    )


@autocasts
def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The p-norms of the differences of all pairs of rows of input[N,D], each with those after it.

    Raises ShapeError for another number of dimensions. Source: torch.nn.functional.pdist.
    """
    require_tensors("pdist", input)
    need_number("pdist", "p", p)
    if input.ndim != 2:
        raise ShapeError(f"pdist only supports 2D tensors, got: {input.type_text()}").at(here())
    if not input.dtype.is_float:
        raise DTypeError(f"pdist only supports floating-point dtypes, got: {input.type_text()}").at(here())
    if p < 0:
        raise LenetcError("pdist only supports non-negative p values").at(here())
    first, second = np.triu_indices(int(input.shape[0]), 1)

    def differences(x: Node) -> Node:
        return ops.gather(x, literal(first), axis=0) - ops.gather(x, literal(second), axis=0)

    return reductions.norm(apply("PdistBackward0", differences, input), p, 1)
