"""The gradient of `scan`: a second scan, the other way, of what each step needs from the step after it.

    forward   c[t+1], y[t] = body(c[t], x[t], w)         which also stacks the values that are needed again
    before    what the gradient makes of those values alone, for all steps at once
    backward  dc[t] = body's vjp of (dc[t+1], dy[t])      and nothing else
    after     dx, and the sum of dw over the steps, which for a product is one product over all rows of all steps

It is made of ops that have gradients, so it has one too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ir import ops
from ir.dims import Dim
from ir.node import Graph, Node
from ir.types import Type
from passes.autodiff.fission import Forward, Steps, fresh, results_of
from passes.autodiff.registry import Gradient
from passes.autodiff.regroup import regrouped

# Differentiates a body: from pairs (output, cotangent) and nodes to the gradients of these.
Gradients = Callable[[Sequence[tuple[Node, Node]], Sequence[Node]], list[Gradient]]


def gradient(
    gradients: Gradients,
    g: Sequence[Gradient],
    out: Sequence[Node],
    *operands: Node,
    body: Graph,
    carries: int,
    sequences: int,
    length: Dim,
    reverse: bool,
) -> tuple[Gradient, ...]:
    """Gradients of a scan's operands, given those of its results; `gradients` is the driver's."""
    taken = {str(node.attrs["name"]) for node in body.inputs}
    cotangents = {
        i: fresh(f"{key}_grad", node.ty, taken)
        for i, (key, node) in enumerate(results_of(body))
        if node.dtype.is_float
    }
    received = [i for i, gradient in enumerate(g) if gradient is not None]
    moving, found = _differentiate(gradients, body, cotangents, received, carries)
    waiting = [cotangents[i] for i in moving]
    reached = {i: node for i, node in enumerate(found) if node is not None}
    reached = dict(zip(reached, regrouped([*reached.values()], waiting), strict=True))
    known = {cotangents[i]: sent for i, sent in enumerate(g) if i >= carries and sent is not None}
    forward = Forward(operands, body, carries, sequences, length, reverse)
    steps = Steps(forward, known, waiting, list(reached.values()), taken)

    rest = carries + sequences
    added = [i for i, node in reached.items() if i >= rest and not steps.sums_up(node)]
    state = [
        (cotangents[i], g[i] or _zeros(operands[i].ty), reached.get(i) or _zeros(operands[i].ty))
        for i in moving
    ]
    for i in added:
        total = fresh(f"{body.inputs[i].attrs['name']}_sum", operands[i].ty, taken)
        state.append((total, _zeros(total.ty), total + reached[i]))
    steps.loop_over(state)
    later = {i: steps.stacked(node) for i, node in reached.items() if carries <= i < rest}
    later |= {i: steps.total(node) for i, node in reached.items() if i >= rest and i not in added}
    last, values = steps.run(state, [*later.values()])
    results = dict(zip((*moving, *added, *later), (*last, *values), strict=True))
    return tuple(results.get(i) for i in range(len(operands)))


def _differentiate(
    gradients: Gradients, body: Graph, cotangents: dict[int, Node], received: list[int], carries: int
) -> tuple[list[int], list[Gradient]]:
    """The carries that a gradient reaches at some step, and then the gradients of the body's inputs."""
    outputs = body.outputs
    wrt = [node for node in body.inputs if node.dtype.is_float]
    moving = {i for i in received if i < carries}
    while True:
        sources = sorted(moving.union(received))
        of = dict(zip(wrt, gradients([(outputs[i], cotangents[i]) for i in sources], wrt), strict=True))
        found = [of.get(node) for node in body.inputs]
        reached = moving.union(i for i in range(carries) if found[i] is not None)
        if reached == moving:
            return sorted(moving), found
        moving = reached


def _zeros(type: Type) -> Node:
    return ops.broadcast_to(ops.scalar(0, type.dtype), shape=type.shape)
