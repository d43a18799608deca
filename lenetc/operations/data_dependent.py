"""Results whose shape depends on values: known where values are, outside of compiled functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ir import ops
from ir.dims import Poly
from ir.errors import UnsupportedError
from ir.interpret import evaluate_node
from ir.node import Node
from ir.types import Array, Type, bf16, f32
from lenetc.evaluation.cell import Context

if TYPE_CHECKING:
    from lenetc.tensors.tensor import Tensor


def looked_at(what: str, x: Tensor) -> Array:
    """The values of x, on which the shape of the result of the function `what` depends; those of bf16, which NumPy
    lacks, as f32.

    Raises UnsupportedError in a compiled function, unless they are made of constants there.
    """
    node = x.node
    if node.op is ops.const:
        constant: Array = node.attrs["value"].array
        return constant
    if Context.trace is not None:
        found = _of_constants(node)
        if found is not None:
            return found
        raise Context.trace.refused(
            UnsupportedError(
                f"{what}: the shape of the result depends on the values of {x.type_text()}, which are not known inside "
                "a compiled function; call it outside, or keep the shape: lenetc.where and masked_fill with a "
                "mask, topk with a fixed k"
            )
        )
    return (x.detach().to(f32) if x.dtype is bf16 else x.detach()).numpy()


def _of_constants(root: Node) -> Array | None:
    """The value of `root` where all that it is made of is known: a mask of eye or of arange. Else None."""
    values: dict[Node, Array] = {}
    stack = [root]
    while stack:
        node = stack[-1]
        if node.op is ops.input or not isinstance(node.type, Type):
            return None
        if any(isinstance(size, Poly) for size in node.shape):
            return None
        waiting = [operand for operand in node.inputs if operand not in values]
        if waiting:
            stack += waiting
            continue
        stack.pop()
        if node not in values:
            values[node] = evaluate_node(node, [values[operand] for operand in node.inputs], {})
    return values[root]
