"""Gradients of the body of a loop, in forms that leave the loop itself little to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ir import ops
from ir.dims import Dim
from ir.node import Node, topological
from passes.autodiff.table import window

_ELEMENTWISE = (ops.neg, ops.add, ops.sub, ops.mul)  # of which gradients of gates are made


def rebuilt(
    roots: Sequence[Node], new: dict[Node, Node], change: Callable[[Node], Node] = lambda node: node
) -> list[Node]:
    """`roots` with the keys of `new` replaced by their values, and `change` applied to all above; `new` grows."""
    stack = [(root, iter(root.inputs)) for root in reversed(roots)]
    while stack:
        node, operands = stack[-1]
        if node not in new:
            waiting = next((x for x in operands if x not in new), None)
            if waiting is not None:
                stack.append((waiting, iter(waiting.inputs)))
                continue
            inputs = tuple([new[x] for x in node.inputs])
            new[node] = change(
                node if inputs == node.inputs else node.op.over(inputs, node.attrs, node.where)
            )
        stack.pop()
    return [new[root] for root in roots]


def regrouped(found: Sequence[Node], carried: Iterable[Node]) -> list[Node]:
    """`found` in forms that leave the loop little to do.

    (d * x) * y, where only d waits for the step after, is d * (x * y). The derivatives of tanh and of sigmoid are
    taken from their results, as in PyTorch: the forms that are precise where these are near to 1 read the operand,
    which would have to be kept as well.
    """
    nodes = set(topological((), found))
    waits = set(carried)

    def piece_of(x: Node, starts: tuple[Dim, ...], shape: tuple[Dim, ...]) -> Node:
        """A window of x, of what x is made of if the loop has windows of that: so that x itself need not be kept."""
        if x.op in _ELEMENTWISE and all(y.shape in ((), x.shape) for y in x.inputs):
            pieces = [piece_of(y, starts, shape) if y.shape else y for y in x.inputs]
            if all(not y.shape or y in nodes or y.op in _ELEMENTWISE for y in pieces):
                return x.op(*pieces, **x.attrs)
        return window(x, starts, shape)

    def scaled(x: Node, factor: Node) -> Node | None:
        if x.op is ops.mul:
            for d, y in (x.inputs, x.inputs[::-1]):
                if d in waits and y not in waits and d.shape == x.shape:
                    return noted(d * (y * factor))
        if x.op is ops.concat and factor.shape == x.shape:
            axis = x.attrs["axis"]
            start: Dim = 0
            parts = []
            for part in x.inputs:
                starts = tuple(start if i == axis else 0 for i in range(x.rank))
                start = start + part.shape[axis]
                piece = scaled(part, piece_of(factor, starts, part.shape))
                if piece is None:
                    return None
                parts.append(piece)
            return noted(ops.concat(*parts, axis=axis))
        return None

    def noted(node: Node) -> Node:
        waits.add(node)
        return node

    def change(node: Node) -> Node:
        if node.op is ops.mul:
            for x, factor in (node.inputs, node.inputs[::-1]):
                if x in waits and factor not in waits and x.shape == node.shape:
                    return scaled(x, factor) or noted(node)
        if node.op is ops.with_gradient:
            y = node.inputs[1]
            if y.op is ops.sub and y.inputs[1].op is ops.mul and y.inputs[1].inputs[0].op is ops.tanh:
                return y
        if node.op is ops.sigmoid and node.inputs[0].op is ops.neg:
            same = ops.sigmoid(node.inputs[0].inputs[0])
            return 1.0 - same if same in nodes else node
        return noted(node) if any(x in waits for x in node.inputs) else node

    return rebuilt(found, {}, change)
