"""The gradient of `scan`: a second scan, the other way, of the body's gradient (as of jax.lax.scan).

    forward   c[t+1], y[t] = body(c[t], x[t], w)         run again by a scan that also stacks c[0], c[1], ...
    backward  dc[t], dx[t], dw += body's vjp at (c[t], x[t], w) of (dc[t+1], dy[t])

dc and the sum dw are its carries, dx its items. It is made of ops that have gradients, so it has one too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ir import ops
from ir.dims import Dim, linear, symbols
from ir.node import Graph, Node, topological
from ir.op import leaf
from ir.types import TupleType, Type
from passes.autodiff.registry import Gradient

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
    stacked = range(carries, carries + sequences)  # positions among the operands
    rest = range(carries + sequences, len(operands))
    taken = {str(node.attrs["name"]) for node in body.inputs}
    cotangents = {
        i: _fresh(f"{key}_grad", node.ty, taken)
        for i, (key, node) in enumerate(_results(body))
        if node.dtype.is_float
    }
    moving, found = _differentiate(
        gradients, body, cotangents, [i for i, gradient in enumerate(g) if gradient is not None], carries
    )

    # Its carries: the gradients of the `moving` carries, then the sums for the loop-invariant operands.
    summed = [i for i in rest if found[i] is not None]
    sums = {i: _fresh(f"{body.inputs[i].attrs['name']}_sum", body.inputs[i].ty, taken) for i in summed}
    state = [
        (cotangents[i], g[i] or _zeros(operands[i].ty), found[i] or _zeros(operands[i].ty)) for i in moving
    ]
    state += [(sums[i], _zeros(operands[i].ty), sums[i] + found[i]) for i in summed]  # type: ignore[operator]
    items = [i for i in stacked if found[i] is not None]
    made = [new for _, _, new in state] + [found[i] for i in items]

    # Its sequences: the gradients of the stacked results, and those values of each step that it reads again.
    read = _needed(body.inputs, [node for node in made if node is not None])
    saved = _saved(operands, body, read, carries, sequences, length, reverse)
    received = [i for i, gradient in enumerate(g) if i >= carries and gradient is not None]
    steps = [(cotangents[i], g[i]) for i in received]
    steps += [
        (body.inputs[i], saved[i] if i < carries else operands[i])
        for i in (*range(carries), *stacked)
        if i in read
    ]
    invariant = [(body.inputs[i], operands[i]) for i in rest if i in read]

    results = [(f"d{number}", node) for number, node in enumerate(made) if node is not None]
    inputs = [*(node for node, _, _ in state), *(node for node, _ in steps), *(node for node, _ in invariant)]
    back = ops.scan(
        *(start for _, start, _ in state),
        *(value for _, value in steps if value is not None),
        *(value for _, value in invariant),
        body=Graph.make(f"{body.name}_grad", inputs, results),
        carries=len(state),
        sequences=len(steps),
        length=length,
        reverse=not reverse,
    )
    position = {operand: number for number, operand in enumerate((*moving, *summed, *items))}
    return tuple(ops.get(back, index=position[i]) if i in position else None for i in range(len(operands)))


def _results(body: Graph) -> tuple[tuple[str, Node], ...]:
    return body.results + body.updates


def _fresh(name: str, type: Type, taken: set[str]) -> Node:
    """A new leaf for a body whose inputs are called `taken`."""
    name = "".join(c if c.isalnum() else "_" for c in name)
    name = name if name.isidentifier() else f"_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    return leaf(name, type)


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


def _needed(inputs: Sequence[Node], outputs: Iterable[Node]) -> set[int]:
    """Positions of the `inputs` that `outputs` read, and of those that tell the sizes of symbols in them."""
    below = set(topological((), outputs))
    read = {i for i, node in enumerate(inputs) if node in below}
    types = [
        t for node in below for t in (node.type.items if isinstance(node.type, TupleType) else (node.type,))
    ]
    unknown = {name for t in types for dim in t.shape for name in symbols(dim)}
    for i in sorted(range(len(inputs)), key=lambda i: i not in read):
        told = {solved[0] for dim in inputs[i].shape if (solved := linear(dim))}
        if told & unknown:
            unknown -= told
            read.add(i)
    return read


def _saved(
    operands: Sequence[Node],
    body: Graph,
    read: set[int],
    carries: int,
    sequences: int,
    length: Dim,
    reverse: bool,
) -> dict[int, Node]:
    """For each carry in `read`, its values before each step, stacked to [length, ...]."""
    results = list(_results(body))
    position: dict[int, int] = {}
    for i in (i for i in range(carries) if i in read):
        carry = body.inputs[i]
        items = [node for _, node in results[carries:]]
        position[i] = carries + (items.index(carry) if carry in items else len(items))
        if carry not in items:
            results.append((f"{carry.attrs['name']}_before", carry))
    if len(results) > len(body.outputs):
        body = Graph.make(f"{body.name}_saving", body.inputs, results)
    again = ops.scan(
        *operands, body=body, carries=carries, sequences=sequences, length=length, reverse=reverse
    )
    return {i: ops.get(again, index=index) for i, index in position.items()}
