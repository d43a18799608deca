"""Affine maps and embeddings."""

from __future__ import annotations

from ir import ops
from ir.dims import product
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.types import f16, f32, f64, i32, i64
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.operations import shaping
from lenetc.operations.autocast import narrowed
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input[*,I] @ weight[O,I].T + bias[O] -> [*,O] (torch.nn.functional.linear).

    Raises ShapeError and DTypeError naming both types.
    """
    require_tensors("linear", input, weight, optional=[bias])
    input, weight, bias = narrowed(input, weight, bias)
    if not input.ndim or weight.ndim not in (1, 2):
        raise ShapeError(
            f"linear: both arguments need at least one dimension and the weight at most two, but they are "
            f"{input.type_text()} and {weight.type_text()}"
        ).at(here())
    same_dtype("linear", input, weight, bias)
    if weight.ndim == 1:
        found = input @ weight
        return found if bias is None else found + bias
    outputs, inputs = weight.shape
    if input.shape[-1] != inputs:
        raise ShapeError(
            f"linear: mat1 and mat2 shapes cannot be multiplied: the input {input.type_text()} has "
            f"{input.shape[-1]} features in its last dimension, but the weight {weight.type_text()} "
            f"takes {inputs}; give an input of other sizes, or make the layer "
            f"Linear({input.shape[-1]}, {outputs})"
        ).at(here())
    if bias is not None and tuple(bias.shape) not in ((outputs,), (1,), ()):
        raise ShapeError(
            f"linear: the bias {bias.type_text()} does not fit the weight {weight.type_text()}; "
            f"it needs shape [{outputs}]"
        ).at(here())
    matrix = input
    if input.ndim != 2:
        matrix = (
            input.unsqueeze(0)
            if input.ndim == 1 and bias is None
            else input.reshape(product(tuple(input.shape[:-1])), inputs)
        )
    turned = shaping.transposed(weight)
    if bias is None:
        found = apply("MmBackward0", ops.matmul, matrix, turned)
    else:
        found = apply("AddmmBackward0", _addmm, bias, matrix, turned)
    if input.ndim == 2:
        return found
    return found.reshape(*input.shape[:-1], outputs)


def _addmm(bias: Node, x: Node, y: Node) -> Node:
    return ops.matmul(x, y) + bias


def same_dtype(what: str, input: Tensor, *others: Tensor | None) -> None:
    """Raise DTypeError where an operand's dtype differs from the input's."""
    require_tensors(what, input, optional=others)
    for other in others:
        if other is not None and other.dtype is not input.dtype:
            to_input = {f32: "float", f64: "double", f16: "half"}.get(input.dtype)
            raise DTypeError(
                f"{what}: the input {input.type_text()} and the operand {other.type_text()} should have the "
                f"same dtype; convert the input with .to({other.dtype!r}), in NumPy "
                f".astype(np.{other.dtype.long_name})"
                + (f", or the module with .{to_input}()" if to_input else "")
            ).at(here())


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Rows of weight[V,D] by index: input[*] -> [*,D] (torch.nn.functional.embedding).

    The row `padding_idx` gets no gradient. Raises DTypeError for indices that are not integers,
    LabelError for one that is out of range.
    """
    require_tensors("embedding", input, weight)
    if input.dtype not in (i64, i32):
        raise DTypeError(
            f"embedding: the indices must be integers, i64 or i32, but they are {input.type_text()}; use .long()"
        ).at(here())
    if weight.ndim != 2:
        raise ShapeError(f"embedding: the weight must have 2 dimensions, but it is {weight.type_text()}").at(
            here()
        )
    rows = weight.shape[0]
    padding_idx = None if padding_idx is None else index_of("embedding: padding_idx", padding_idx)
    require_range("embedding", "index", input, int(rows), None, f"{rows} rows in {weight.type_text()}")
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ValueError(
            f"embedding: padding_idx {padding_idx} must be within the {rows} rows of {weight.type_text()}"
        )

    def build(w: Node, indices: Node) -> Node:
        found = ops.gather(w, indices, axis=0)
        if padding_idx is None:
            return found
        padding = ops.reshape(ops.equal(indices, padding_idx % rows), shape=(*indices.shape, 1))
        return ops.where(padding, ops.stop_gradient(found), found)

    return apply("EmbeddingBackward0", build, weight, input, edges=(weight,))
