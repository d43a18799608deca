"""The gradient of `scan`: a second scan, the other way, of what each step needs from the step after it.

    forward   c[t+1], y[t] = body(c[t], x[t], w)         which also stacks the values that are needed again
    before    what the gradient makes of those values alone, for all steps at once
    backward  dc[t] = body's vjp of (dc[t+1], dy[t])      and nothing else
    after     dx, and the sum of dw over the steps, which for a product is one product over all rows of all steps

It is made of ops that have gradients, so it has one too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ir import ops
from ir.dims import Dim, linear, symbols
from ir.node import Graph, Node, topological
from ir.op import leaf
from ir.types import TupleType, Type
from passes.autodiff.registry import Gradient
from passes.autodiff.steps import is_batched, over_steps
from passes.autodiff.table import window

# Differentiates a body: from pairs (output, cotangent) and nodes to the gradients of these.
Gradients = Callable[[Sequence[tuple[Node, Node]], Sequence[Node]], list[Gradient]]
_LINEAR = (ops.neg, ops.add, ops.sub, ops.reshape, ops.transpose, ops.broadcast_to)
State = Sequence[tuple[Node, Node, Node]]  # carries of the loop, with their first and their new values


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
        i: _fresh(f"{key}_grad", node.ty, taken)
        for i, (key, node) in enumerate(_results(body))
        if node.dtype.is_float
    }
    received = [i for i, gradient in enumerate(g) if gradient is not None]
    moving, found = _differentiate(gradients, body, cotangents, received, carries)
    found = _regrouped(found, [cotangents[i] for i in moving])
    forward = _Forward(operands, body, carries, sequences, length, reverse)
    known = {cotangents[i]: g[i] for i in received if i >= carries}
    steps = _Steps(forward, known, [cotangents[i] for i in moving], found, taken)

    rest = range(carries + sequences, len(operands))
    added = [i for i in rest if found[i] is not None and not steps.sums_up(found[i])]
    state = [
        (cotangents[i], g[i] or _zeros(operands[i].ty), found[i] or _zeros(operands[i].ty)) for i in moving
    ]
    for i in added:
        total = _fresh(f"{body.inputs[i].attrs['name']}_sum", operands[i].ty, taken)
        state.append((total, _zeros(total.ty), total + found[i]))
    steps.loop_over(state)
    later = {i: steps.stacked(found[i]) for i in range(carries, rest.start) if found[i] is not None}
    later |= {i: steps.total(found[i]) for i in rest if found[i] is not None and i not in added}
    last, later_values = steps.run(state, [*later.values()])
    results = dict(zip((*moving, *added, *later), (*last, *later_values), strict=True))
    return tuple(results.get(i) for i in range(len(operands)))


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


def _rebuilt(
    roots: Sequence[Gradient], new: dict[Node, Node], change: Callable[[Node], Node] = lambda node: node
) -> list[Gradient]:
    """`roots` with the keys of `new` replaced by their values, and `change` applied to all above; `new` grows."""
    stack = [(root, iter(root.inputs)) for root in roots if root is not None]
    stack.reverse()
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
    return [None if root is None else new[root] for root in roots]


def _regrouped(found: Sequence[Gradient], carried: Iterable[Node]) -> list[Gradient]:
    """`found` in forms that leave the loop little to do.

    (d * x) * y, where only d waits for the step after, is d * (x * y). The derivatives of tanh and of sigmoid are
    taken from their results, as in PyTorch: the forms that are precise where these are near to 1 read the operand,
    which would have to be kept as well.
    """
    nodes = set(topological((), [node for node in found if node is not None]))
    waits = set(carried)

    def scaled(x: Node, factor: Node) -> Node | None:
        if x.op is ops.mul:
            for d, y in (x.inputs, x.inputs[::-1]):
                if d in waits and y not in waits and d.shape == x.shape:
                    return noted(d * (y * factor))
        if x.op is ops.concat and factor.shape == x.shape:
            axis, start, parts = x.attrs["axis"], 0, []
            for part in x.inputs:
                starts = tuple(start if i == axis else 0 for i in range(x.rank))
                start = start + part.shape[axis]
                parts.append(scaled(part, window(factor, starts, part.shape)))
            if all(part is not None for part in parts):
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

    return _rebuilt(found, {}, change)


class _Forward:
    """The scan itself, run again with the values of each step that are asked for stacked as well."""

    def __init__(
        self, operands: Sequence[Node], body: Graph, carries: int, sequences: int, length: Dim, reverse: bool
    ) -> None:
        self.operands, self.body = operands, body
        self.how: dict[str, Any] = {
            "carries": carries,
            "sequences": sequences,
            "length": length,
            "reverse": reverse,
        }
        self.length, self.carries = length, carries
        self.varying, self.alike = body.inputs[: carries + sequences], body.inputs[carries + sequences :]
        self.made = set(body.nodes())
        self.items: dict[Node, Node] = {}  # values of a step, and what stands for them stacked

    def stacked(self, node: Node) -> Node:
        """What stands for the values of `node` in all steps, [length, *], until they are there."""
        if node in self.varying:
            i = self.varying.index(node)
            if i >= self.carries:
                return self.operands[i]
            if self.body.outputs[i] in self.body.outputs[self.carries :]:
                return self._before(i)
        if node not in self.items:
            self.items[node] = _standing_for(node, len(self.items), self.length)
        return self.items[node]

    def _before(self, i: int) -> Node:
        """A carry before each step: its first value, and those after every step but the last, which are an item."""
        first = ops.reshape(self.operands[i], shape=(1, *self.operands[i].shape))
        if self.length == 1:
            return first
        stack, reverse = self.stacked(self.body.outputs[i]), int(self.how["reverse"])
        kept = window(stack, (reverse, *(0 for _ in first.shape[1:])), (self.length - 1, *first.shape[1:]))
        return ops.concat(*((kept, first) if reverse else (first, kept)), axis=0)

    def run(self) -> dict[Node, Node]:
        """The stacked values, for what stands for them."""
        results = list(_results(self.body))
        for number, node in enumerate(self.items):
            if node not in [item for _, item in results[self.carries :]]:
                results.append((f"kept_{number}", node))
        body = self.body
        if len(results) > len(body.outputs):
            body = Graph.make(f"{body.name}_saving", body.inputs, results)
        items = [item for _, item in results[self.carries :]]
        again = ops.scan(*self.operands, body=body, **self.how)
        return {
            stand_in: ops.get(again, index=self.carries + items.index(node))
            for node, stand_in in self.items.items()
        }


def _standing_for(node: Node, number: int, length: Dim, what: str = "kept") -> Node:
    """A leaf in the place of the values of `node` in all steps, until the scan that stacks them is made."""
    return leaf(f"_{what}_{number}_of_every_step", Type(node.dtype, (length, *node.shape)))


class _Steps:
    """The gradients of a body's inputs, sorted into what is done before, in and after the loop.

    known: for each leaf that stands for the gradient of an item, that gradient over all steps. carried: the leaves
    that stand for the gradients of carries.
    """

    def __init__(
        self,
        forward: _Forward,
        known: Mapping[Node, Node],
        carried: Sequence[Node],
        found: Sequence[Gradient],
        taken: set[str],
    ) -> None:
        self.forward, self.taken, self.length = forward, taken, forward.length
        self.order = list(topological((), [node for node in found if node is not None]))
        self.varies: set[Node] = {*forward.varying, *known, *carried}  # from step to step
        self.loops: set[Node] = set(carried)  # what waits for the step after
        sent = set(known)  # what depends on gradients of items
        for node in self.order:
            below = set(node.inputs)
            if below & self.varies:
                self.varies.add(node)
            if below & sent:
                sent.add(node)
            if below & self.loops or (node in sent and node.inputs and not is_batched(node)):
                self.loops.add(node)
        self.core: set[Node] = set()  # what is done in the loop
        self.items: dict[Node, Node] = {}  # values of the loop, and what stands for them stacked
        self.given = (*forward.operands, *known.values())
        self.outside = dict(zip(forward.body.inputs, forward.operands, strict=True))
        self.stacks: dict[Node, Node] = dict(known)
        self.totals: dict[Node, Node] = {}

    def loop_over(self, state: State) -> None:
        """Say what the loop is for."""
        for carry, _, new in state:
            if carry not in self.loops:  # a sum, which nothing of the body knows
                self.varies.update((carry, new))
                self.loops.update((carry, new))
                self.order.append(new)
            self.core.add(carry)
        self.core.update(new for _, _, new in state if new in self.loops)
        for node in reversed(self.order):
            if node in self.loops and node.inputs and (node in self.core or not is_batched(node)):
                self.core.add(node)
                self.core.update(x for x in node.inputs if x in self.loops)

    def stacked(self, root: Node) -> Node:
        """The values of `root` in all steps, [length, *], outside of the loop; as they are where they do not vary."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node in self.stacks:
                stack.pop()
            elif node not in self.varies:
                self.stacks[node] = _rebuilt([node], self.outside)[0]
            elif node in self.core:
                self.items[node] = self.stacks[node] = _standing_for(
                    node, len(self.items), self.length, "looped"
                )
            elif node in self.forward.made or not is_batched(node):
                self.stacks[node] = self.forward.stacked(node)
            elif waiting := [x for x in node.inputs if x not in self.stacks]:
                stack.extend(waiting)
            else:
                operands = [self.stacks[x] for x in node.inputs]
                flags = [x in self.varies for x in node.inputs]
                self.stacks[node] = over_steps(node, operands, flags, self.length)
        return self.stacks[root]

    def sums_up(self, node: Node) -> bool:
        """Whether `total` takes nothing that is larger than what the steps have."""
        if node not in self.varies or node.op is ops.sum:
            return True
        if node.op in _LINEAR:
            return all(self.sums_up(x) for x in node.inputs)
        if node.op is ops.matmul:
            return node.rank == 2
        return is_batched(node) and any(x.shape == node.shape for x in node.inputs)

    def total(self, node: Node) -> Node:
        """The sum of `node` over all steps."""
        if node not in self.totals:
            self.totals[node] = self._total(node)
        return self.totals[node]

    def _total(self, node: Node) -> Node:
        if node not in self.varies:
            value = self.stacked(node)
            return ops.sum(ops.broadcast_to(value, shape=(self.length, *value.shape)), axes=(0,))
        if node.op in _LINEAR:
            return node.op(*(self.total(x) for x in node.inputs), **node.attrs)
        if node.op is ops.matmul and not all(x in self.varies for x in node.inputs):
            x, y = (self.total(x) if x in self.varies else self.stacked(x) for x in node.inputs)
            return x @ y
        if node.op is ops.matmul:
            x, y = node.inputs
            turned = x.inputs[0] if x.op is ops.transpose else ops.transpose(x, perm=(1, 0))
            if turned is not x:
                self.varies.add(turned)
            return ops.transpose(self._rows(turned), perm=(1, 0)) @ self._rows(y)
        if node.op is ops.sum and node.attrs["axes"] == (0,) and not node.attrs["keepdims"]:
            return ops.sum(self._rows(node.inputs[0]), axes=(0,))
        return ops.sum(self.stacked(node), axes=(0,))

    def _rows(self, node: Node) -> Node:
        """The rows of `node` of all steps, one below the other."""
        return ops.reshape(self.stacked(node), shape=(self.length * node.shape[0], *node.shape[1:]))

    def run(self, state: State, later: Sequence[Node]) -> tuple[list[Node], list[Node]]:
        """The last values of the state, and `later`, which was made of what stands for stacked values."""
        made = [*(new for _, _, new in state), *self.items]
        carried = [carry for carry, _, _ in state]
        inner: dict[Node, Node] = {}  # what comes to the loop from outside, and its leaf there
        for node in self.order:
            for x in node.inputs if node in self.core else ():
                if x in self.varies and x not in self.core:
                    self._enter(x, inner)
        for node in made:
            if node in self.varies and node not in self.core:
                self._enter(node, inner)
        outputs = [node for node in _rebuilt(made, dict(inner)) if node is not None]
        alike = self._read(outputs, carried, inner)
        values = {x: x for x in self.given}
        sequences = [self.stacked(x) for x in inner]
        values.update(self.forward.run())
        sequences = [x for x in _rebuilt(sequences, values) if x is not None]
        last: list[Node] = []
        if made:
            back = ops.scan(
                *(start for _, start, _ in state),
                *sequences,
                *(self.outside[x] for x in alike),
                body=Graph.make(
                    f"{self.forward.body.name}_grad",
                    [*carried, *inner.values(), *alike],
                    [(f"d{i}", node) for i, node in enumerate(outputs)],
                ),
                carries=len(state),
                sequences=len(inner),
                length=self.length,
                reverse=not self.forward.how["reverse"],
            )
            gets = [ops.get(back, index=i) for i in range(len(outputs))]
            last = gets[: len(state)]
            values.update(zip(self.items.values(), gets[len(state) :], strict=True))
        return last, [x for x in _rebuilt(later, values) if x is not None]

    def _enter(self, node: Node, inner: dict[Node, Node]) -> None:
        if node not in inner:
            is_leaf = node.op is ops.input
            inner[node] = node if is_leaf else _fresh(f"{node.op.name}_of_step", node.ty, self.taken)

    def _read(self, outputs: Sequence[Node], carried: Sequence[Node], inner: dict[Node, Node]) -> list[Node]:
        """Those of the values that do not vary that `outputs` read, or that tell the sizes of symbols in them.

        Where only values that vary tell them, they are put into `inner`.
        """
        below = set(topological((), outputs))
        read = [x for x in self.forward.alike if x in below]
        types = [
            t
            for node in below
            for t in (node.type.items if isinstance(node.type, TupleType) else (node.type,))
        ]
        unknown = {name for t in types for dim in t.shape for name in symbols(dim)}
        for x in (*carried, *inner.values(), *read, *self.forward.alike, *self.forward.varying):
            told = {solved[0] for dim in x.shape if (solved := linear(dim))}
            if told & unknown and x not in carried and x not in read and x not in inner.values():
                if x in self.forward.alike:
                    read.append(x)
                else:
                    self._enter(x, inner)
            unknown -= told
        return read
