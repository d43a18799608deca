"""What every step of a Scan computes alike goes before it, and what can be done to the whole sum goes after it.

    scan: y = x @ f(w)          =>  h = f(w); scan: y = x @ h
    scan: s = s + g(z), g linear =>  scan: s = s + z; then g(s)

Tiles of a batch share the weights, which the strategies rearrange; and weight gradients are rearranged back from
the products that the strategies make.
"""

from __future__ import annotations

from collections import Counter

from ir import ops
from ir.dims import symbols
from ir.node import Graph, Node, building_at
from ir.op import OPS, leaf, scalar
from ir.types import TupleType
from passes.rewrite.driver import substitute
from passes.strategies.costs import ELEMENT, NODE
from passes.target import Target

_MOVES = (ops.reshape, ops.transpose, ops.neg, ops.sum)  # linear in their operand


def hoist(graph: Graph, target: Target) -> tuple[Graph, list[str]]:
    """`graph` with its scans relieved of what needs to be done once only. A note counts it."""
    moved: Counter[str] = Counter()
    found = _relieved(graph, moved)
    return found, [f"{what} x{count}" for what, count in sorted((+moved).items())]


def _relieved(graph: Graph, moved: Counter[str]) -> Graph:
    if not any(node.op is ops.scan for node in graph.nodes()):
        return graph
    new: dict[Node, Node] = {}
    results: dict[Node, list[Node]] = {}  # of each scan
    for node in graph.nodes():
        inputs = tuple(new[x] for x in node.inputs if x not in results)
        if node.op is ops.scan:
            with building_at(node.where):
                results[node] = _Loop(node, inputs, moved).rebuilt()
        elif node.op is ops.get and node.inputs[0] in results:
            new[node] = results[node.inputs[0]][node.attrs["index"]]
        elif inputs == node.inputs:
            new[node] = node
        else:
            with building_at(node.where):
                new[node] = OPS[node.op.name](*inputs, **node.attrs)
    return graph.with_outputs(new[node] for node in graph.outputs)


class _Loop:
    """A scan, with what its body computes sorted into before, inside and after."""

    def __init__(self, scan: Node, operands: tuple[Node, ...], moved: Counter[str]) -> None:
        self.attrs = scan.attrs
        self.operands = operands
        self.moved = moved
        self.body = _relieved(scan.attrs["body"], moved)
        self.carries: int = scan.attrs["carries"]
        self.own = self.carries + int(scan.attrs["sequences"])
        self.varying = set(self.body.inputs[: self.own])
        sized = symbols(self.body.inputs[self.carries].shape[0]) if scan.attrs["tile"] else set()
        for node in self.body.nodes():
            if any(x in self.varying for x in node.inputs) or _symbols(node) & sized:
                self.varying.add(node)
        self.readers = Counter(x for node in self.body.nodes() for x in node.inputs)
        self.readers.update(self.body.outputs)
        # Values in the graph around the scan, for those that the body computes alike in every step.
        self.outside = dict(zip(self.body.inputs[self.own :], operands[self.own :], strict=True))

    def rebuilt(self) -> list[Node]:
        """The results of the scan that takes its place."""
        carries = [*self.body.inputs[: self.carries]]
        starts = [*self.operands[: self.carries]]
        outputs = [*self.body.outputs]
        chains = [self._chain(i) for i in range(self.carries)]
        for i, chain in enumerate(chains):
            if chain:
                kept = _operand(chain[0], self.varying)
                carries[i] = leaf(f"sum_{i}", kept.ty)
                starts[i] = ops.broadcast_to(scalar(0, kept.dtype), shape=kept.shape)
                with building_at(outputs[i].where):
                    outputs[i] = carries[i] + kept
                self.varying.update((carries[i], outputs[i]))
                self.moved["sink"] += len(chain)
        alike = self._read_alike(outputs)
        self.moved["hoist"] += sum(node not in self.outside for node in alike)
        leaves = {x: x for x in (*carries, *self.body.inputs[self.carries : self.own])}
        leaves.update((node, leaf(f"alike_{i}", node.ty)) for i, node in enumerate(alike))
        body = substitute(self.body.name, [(f"y{i}", x) for i, x in enumerate(outputs)], leaves)
        run = ops.scan(
            *starts,
            *self.operands[self.carries : self.own],
            *(self._around(node) for node in alike),
            **{**self.attrs, "body": body},
        )
        results = [ops.get(run, index=i) for i in range(len(outputs))]
        for i, chain in enumerate(chains):
            for node in chain:
                varying = _operand(node, self.varying)
                operands = [results[i] if x is varying else self._around(x) for x in node.inputs]
                with building_at(node.where):
                    results[i] = OPS[node.op.name](*operands, **node.attrs)
            if chain:
                results[i] = self.operands[i] + results[i]
        return results

    def _chain(self, i: int) -> list[Node]:
        """What is done to a term of sum number `i` and may be done to the sum, the last operation last."""
        total, carry = self.body.outputs[i], self.body.inputs[i]
        if total.op is not ops.add or self.readers[total] > 1 or self.readers[carry] > 1:
            return []
        terms = [x for x in total.inputs if x is not carry]
        if len(terms) != 1 or terms[0].type != carry.type or not terms[0].dtype.is_float:
            return []
        chain: list[Node] = []
        node = terms[0]
        while self.readers[node] == 1 and self._is_linear(node):
            chain.insert(0, node)
            node = _operand(node, self.varying)
        while chain and not self._pays(_operand(chain[0], self.varying), total, len(chain)):
            chain.pop(0)
        return chain

    def _pays(self, kept: Node, total: Node, operations: int) -> bool:
        """Whether adding up `kept` costs less than so many operations in each step."""
        if not (kept.ty.is_static and kept in self.varying):
            return False
        return (int(kept.ty.size) - int(total.ty.size)) * ELEMENT < operations * NODE

    def _is_linear(self, node: Node) -> bool:
        """In the one operand that varies."""
        varying = [x for x in node.inputs if x in self.varying]
        if len(varying) != 1 or varying[0].op is ops.input:
            return False
        return (
            node.op in _MOVES
            or node.op is ops.matmul
            or (node.op is ops.mul and varying[0].type == node.type)
        )

    def _read_alike(self, outputs: list[Node]) -> list[Node]:
        """The nodes that do not vary and that what does vary reads, or that are outputs."""
        found: dict[Node, None] = {}
        stack, seen = [*outputs], set(outputs)
        while stack:
            node = stack.pop()
            if node not in self.varying:
                if node.op is not ops.const:
                    found[node] = None
                continue
            for x in node.inputs:
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
        return [*found]

    def _around(self, node: Node) -> Node:
        """`node`, which does not vary, in the graph around the scan."""
        stack = [node]
        while stack:
            x = stack[-1]
            waiting = [y for y in x.inputs if y not in self.outside]
            if x not in self.outside and waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if x not in self.outside:
                with building_at(x.where):
                    operands = [self.outside[y] for y in x.inputs]
                    self.outside[x] = OPS[x.op.name](*operands, **x.attrs) if operands else x
        return self.outside[node]


def _symbols(node: Node) -> set[str]:
    types = node.type.items if isinstance(node.type, TupleType) else (node.type,)
    return {name for t in types for dim in t.shape for name in symbols(dim)}


def _operand(node: Node, varying: set[Node]) -> Node:
    """The one operand that varies."""
    return next(x for x in node.inputs if x in varying)
