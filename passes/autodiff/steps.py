"""All steps of a loop at once: an operation over values with a leading axis, one slice for each step.

The gradient of a scan computes so what does not wait for the step before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ir import ops
from ir.dims import Dim
from ir.node import Node

# From the node of one step, its operands over all steps (those that are alike in all steps: as they are), whether
# each is stacked, and the number of steps, to the node over all steps.
_Rule = Callable[[Node, Sequence[Node], Sequence[bool], Dim], Node]


def _elementwise(node: Node, xs: Sequence[Node], stacked: Sequence[bool], steps: Dim) -> Node:
    operands = [
        _aligned(x, node.rank) if is_stacked else x for x, is_stacked in zip(xs, stacked, strict=True)
    ]
    return node.op(*operands, **node.attrs)


def _aligned(x: Node, rank: int) -> Node:
    """x[T,*] with axes of size 1 behind the first, so that a slice has `rank` axes."""
    missing = rank + 1 - x.rank
    return ops.reshape(x, shape=(x.shape[0], *((1,) * missing), *x.shape[1:])) if missing else x


def _matmul(node: Node, xs: Sequence[Node], stacked: Sequence[bool], steps: Dim) -> Node:
    x, y = xs
    if stacked[0] and not stacked[1] and x.rank == 3 and y.rank == 2:  # one product of all rows
        _, rows, inner = x.shape
        return ops.reshape(ops.reshape(x, shape=(steps * rows, inner)) @ y, shape=(steps, *node.shape))
    x, y = (_aligned(v, node.rank) if is_stacked else v for v, is_stacked in zip(xs, stacked, strict=True))
    return x @ y


def _axes(**changed: Callable[[Any, Dim], Any]) -> _Rule:
    """The same operation, with attributes that tell axes or sizes changed for the one in front."""

    def rule(node: Node, xs: Sequence[Node], stacked: Sequence[bool], steps: Dim) -> Node:
        attrs = {**node.attrs, **{key: change(node.attrs[key], steps) for key, change in changed.items()}}
        return node.op(
            *(_spread(x, is_stacked, steps) for x, is_stacked in zip(xs, stacked, strict=True)), **attrs
        )

    return rule


def _spread(x: Node, is_stacked: bool, steps: Dim) -> Node:
    return x if is_stacked else ops.broadcast_to(x, shape=(steps, *x.shape))


def _broadcast_to(node: Node, xs: Sequence[Node], stacked: Sequence[bool], steps: Dim) -> Node:
    return ops.broadcast_to(_aligned(xs[0], node.rank), shape=(steps, *node.shape))


def _next(axis: Any, steps: Dim) -> Any:
    return tuple(a + 1 for a in axis) if isinstance(axis, tuple) else axis + 1


def _after(first: Any) -> Callable[[Any, Dim], Any]:
    return lambda rest, steps: (first, *rest)


_ELEMENTWISE = (
    "neg abs sign exp log sqrt sin cos tanh sigmoid relu relu_grad softplus erf floor add sub mul div pow maximum "
    "minimum is_nan equal less greater logical_not logical_and logical_or where cast stop_gradient"
)
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(_ELEMENTWISE.split(), _elementwise),
    "with_gradient": _axes(),  # which wants two of one shape
    "matmul": _matmul,
    "broadcast_to": _broadcast_to,
    "reshape": _axes(shape=lambda shape, steps: (steps, *shape)),
    "transpose": _axes(perm=lambda perm, steps: (0, *_next(perm, steps))),
    "slice": _axes(starts=_after(0), stops=lambda stops, steps: (steps, *stops), steps=_after(1)),
    "pad": _axes(low=_after(0), high=_after(0)),
    "concat": _axes(axis=_next),
    "sum": _axes(axes=_next),
    "reduce_max": _axes(axes=_next),
    "reverse": _axes(axes=_next),
    "softmax": _axes(axis=_next),
    "log_softmax": _axes(axis=_next),
}


def is_batched(node: Node) -> bool:
    """Whether `over_steps` can be asked for `node`."""
    return node.op.name in _RULES


def over_steps(node: Node, operands: Sequence[Node], stacked: Sequence[bool], steps: Dim) -> Node:
    """The values of `node` in all steps, [steps, *], of the values of its operands."""
    return _RULES[node.op.name](node, operands, stacked, steps)
