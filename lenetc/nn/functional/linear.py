"""Affine and bilinear maps."""

from __future__ import annotations

from ir import ops
from ir.dims import product
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.types import f16, f32, f64
from lenetc.evaluation.tracing import here
from lenetc.operations import integers, shaping
from lenetc.operations.autocast import autocasts
from lenetc.operations.elementwise.operands import HALVES
from lenetc.tensors.tensor import Tensor, apply, require_tensors


@autocasts
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input[*,I] @ weight[O,I].T + bias[O] -> [*,O] (torch.nn.functional.linear).

    Raises ShapeError and DTypeError naming both types.
    """
    require_tensors("linear", input, weight, optional=[bias])
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
    if not input.dtype.is_float and input.shape[-1] == inputs:
        found = input @ shaping.transposed(weight)
        return found if bias is None else found + bias
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
    """Of halves rounded once, as PyTorch's kernels do."""
    found = ops.matmul(x, y) + bias
    return ops.with_gradient(ops.gemm(x, y, bias), found) if x.dtype in HALVES else found


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


@autocasts
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1[*,I] weight[O,I,J] input2[*,J] + bias[O] -> [*,O] (torch.nn.functional.bilinear).

    Raises ShapeError and DTypeError naming the types.
    """
    require_tensors("bilinear", input1, input2, weight, optional=[bias])
    same_dtype("bilinear", input1, input2, weight, bias)
    both = f"{input1.type_text()} and {input2.type_text()} and the weight {weight.type_text()}"
    if weight.ndim != 3 or not input1.ndim or input1.shape[:-1] != input2.shape[:-1]:
        raise ShapeError(
            f"bilinear: the inputs must agree in all but their last dimension, and the weight must have 3: {both}"
        ).at(here())
    outputs, first, second = weight.shape
    if input1.shape[-1] != first or input2.shape[-1] != second:
        raise ShapeError(f"bilinear: the weight takes {first} and {second} features: {both}").at(here())
    if bias is not None and tuple(bias.shape) != (outputs,):
        raise ShapeError(
            f"bilinear: the bias {bias.type_text()} does not fit the weight {weight.type_text()}"
        ).at(here())
    leading = tuple(input1.shape[:-1])
    rows = product(leading)

    def build(x: Node, y: Node, w: Node, *offsets: Node) -> Node:
        matrix = ops.reshape(ops.transpose(w, perm=(1, 0, 2)), shape=(first, outputs * second))
        matmul = ops.matmul if x.dtype.is_float else integers.matmul
        half = matmul(ops.reshape(x, shape=(rows, first)), matrix)
        half = ops.reshape(half, shape=(rows, outputs, second))
        found = matmul(half, ops.reshape(y, shape=(rows, second, 1)))
        found = ops.reshape(found, shape=(*leading, outputs))
        return found + offsets[0] if offsets else found

    operands = (input1, input2, weight) if bias is None else (input1, input2, weight, bias)
    return apply("AddBackward0" if bias is not None else "TrilinearBackward0", build, *operands)
