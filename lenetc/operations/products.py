"""Products of vectors and matrices: PyTorch's functions of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir import ops
from ir.errors import ShapeError
from ir.node import Node
from lenetc.evaluation.tracing import here
from lenetc.operations import integers
from lenetc.operations.autocast import narrowed

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["matmul"]


def matmul(x: Tensor, other: Tensor) -> Tensor:
    """Matrix product: [..., M, K] @ [..., K, L]; 1-D operands as in torch.matmul."""
    t.require_tensors("matmul", x, other)
    if x.ndim == 0 or other.ndim == 0:
        raise ShapeError(
            f"matmul: both operands need at least one dimension, but they are {x.type_text()} and {other.type_text()}"
        ).at(here())

    x, other = narrowed(x, other)

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
