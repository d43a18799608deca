"""The parts of a scan's gradient: what is done before the loop for all steps at once, in the loop, and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ir import ops
from ir.dims import Dim, linear, symbols
from ir.node import Graph, Node, topological
from ir.op import leaf
from ir.types import TupleType, Type
from passes.autodiff.regroup import rebuilt
from passes.autodiff.steps import is_batched, over_steps
from passes.autodiff.table import window

State: TypeAlias = (
    "Sequence[tuple[Node, Node, Node]]"  # carries of the loop, with their first and their new values
)
_LINEAR = (ops.neg, ops.add, ops.sub, ops.reshape, ops.transpose, ops.broadcast_to)


def results_of(body: Graph) -> tuple[tuple[str, Node], ...]:
    return body.results + body.updates


def fresh(name: str, type: Type, taken: set[str]) -> Node:
    """A new leaf for a body whose inputs are called `taken`."""
    name = "".join(c if c.isalnum() else "_" for c in name)
    name = name if name.isidentifier() else f"_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    return leaf(name, type)


class Forward:
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
        results = list(results_of(self.body))
        for node in self.items:
            if node not in [item for _, item in results[self.carries :]]:
                results.append((f"kept_{len(results)}", node))
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


class Steps:
    """The gradients of a body's inputs, sorted into what is done before, in and after the loop.

    known: for each leaf that stands for the gradient of an item, that gradient over all steps. carried: the leaves
    that stand for the gradients of carries.
    """

    def __init__(
        self,
        forward: Forward,
        known: Mapping[Node, Node],
        carried: Sequence[Node],
        found: Sequence[Node],
        taken: set[str],
    ) -> None:
        self.forward, self.taken, self.length = forward, taken, forward.length
        self.order = list(topological((), found))
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
                self.stacks[node] = rebuilt([node], self.outside)[0]
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
        outputs = rebuilt(made, dict(inner))
        alike = self._read(outputs, carried, inner)
        values = {x: x for x in self.given}
        sequences = [self.stacked(x) for x in inner]
        values.update(self.forward.run())
        sequences = rebuilt(sequences, values)
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
        return last, rebuilt(later, values)

    def _enter(self, node: Node, inner: dict[Node, Node]) -> None:
        if node not in inner:
            is_leaf = node.op is ops.input
            inner[node] = node if is_leaf else fresh(f"{node.op.name}_of_step", node.ty, self.taken)

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
