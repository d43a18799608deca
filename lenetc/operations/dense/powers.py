"""Powers and exponentials of square matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lenetc.tensors.tensor as t
from ir.errors import ShapeError
from lenetc.evaluation.tracing import here
from lenetc.operations.dense.equations import inv
from lenetc.operations.dense.stacks import identity
from lenetc.operations.products import matmul
from lenetc.tensors.arrays import index_of

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor

__all__ = ["matrix_power"]


def matrix_power(input: Tensor, n: int) -> Tensor:
    """Square matrices to a whole power, by squaring; to a negative one their inverses'. Raises as matmul and inv, and
    ShapeError for matrices that are not square."""
    t.require_tensors("matrix_power", input)
    n = index_of("matrix_power: n", n)
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise ShapeError(
            f"matrix_power: must be batches of square matrices, but they are {input.type_text()}"
        ).at(here())
    if not n:
        return t.apply("MatrixPowerBackward0", identity, input)
    base = input if n > 0 else inv(input)
    found: Tensor | None = None
    n = abs(n)
    while n:
        if n & 1:
            found = base if found is None else matmul(found, base)
        n >>= 1
        base = matmul(base, base) if n else base
    assert found is not None
    return found.clone() if found is input else found
