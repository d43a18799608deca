"""The cut: a training step in two graphs, at the gradients that optimizers read, which joined are the step again.

    grad    (batch, state) -> (results, gradients, new buffers)
    apply   (gradients, optimizer state, hyperparameters) -> new state

Each is lowered by itself, and the step that is exported beside them is both, one after the other: the same operations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ir import ops
from ir.errors import LenetcError
from ir.node import Graph, Node, next_name
from ir.op import leaf
from lenetc.compiler.traces.naming import free_name
from passes.rewrite.driver import replaced


class CutError(LenetcError):
    """A step cannot be cut at the gradients."""


@dataclass(frozen=True)
class Halves:
    """gradients: by the state's name, the name that the gradient has as a result of `grad` and as an input of `apply`.
    handed_on: state that `grad` replaces and whose new value `apply` reads."""

    step: Graph
    grad: Graph
    apply: Graph
    gradients: dict[str, str]
    handed_on: frozenset[str]

    def joined(self, grad: Graph, apply: Graph) -> Graph:
        """The whole step of the two, lowered: `apply` of what `grad` gives."""
        results, fresh = dict(grad.results), dict(grad.updates)
        given = {apply.input_named(key): results[key] for key in self.gradients.values()}
        given |= {apply.input_named(state): fresh[state] for state in self.handed_on}
        leaves = {node: node for node in (*grad.inputs, *apply.inputs)}
        new = replaced((node for _, node in apply.updates), leaves | given)
        updates = fresh | {state: new[node] for state, node in apply.updates}
        kept = [(key, results[key]) for key, _ in self.step.results]
        return Graph.make(
            self.step.name,
            self.step.inputs,
            kept,
            [(state, updates[state]) for state, _ in self.step.updates],
        )


def cut(graph: Graph, gradients: Sequence[tuple[str, str]], of_updates: Collection[str]) -> Halves:
    """`graph`, a traced step, in two.

    gradients: pairs of a state and of the result that is the gradient which the step of its optimizer reads.
    of_updates: names of the state that is for updates alone: counters, averages. Raises CutError, naming the user's
    line, where no optimizer steps, where one state is updated twice, where a gradient depends on an earlier update, as
    when two networks are trained in turns, and where an update needs the batch otherwise than through gradients.
    """
    step = without(graph, [label for _, label in gradients])
    if not gradients:
        raise CutError("no optimizer steps in it")
    found = dict(graph.results)
    marks: dict[Node, str] = {}
    for state, label in gradients:
        if state in marks.values():
            raise CutError(
                f"{state} is updated twice, and the second update reads what the first has made of it"
            ).at(str(found[label].where))
        marks[found[label]] = state
    late: set[Node] = set()  # what depends on gradients that were read
    for node in graph.nodes():
        if any(x in late for x in node.inputs):
            if node in marks:
                raise CutError(
                    f"the gradient of {marks[node]} depends on an update that the same step makes before: "
                    "updates in turns are not one of all gradients"
                ).at(str(node.where))
            late.add(node)
        elif node in marks:
            late.add(node)
    taken = {node.attrs["name"] for node in graph.inputs} | {key for key, _ in graph.results}
    taken |= {next_name(state) for state, _ in graph.updates}
    names: dict[str, str] = {}
    for state, _ in gradients:
        names[state] = free_name(f"{state}.grad", taken)
        taken.add(names[state])
    is_late = {state: node in late or state in of_updates for state, node in graph.updates}
    early = [(state, node) for state, node in graph.updates if not is_late[state]]
    applied = [(state, node) for state, node in graph.updates if is_late[state]]
    stand_ins = {node: leaf(names[state], node.ty, "state") for node, state in marks.items()}
    by_name = {node.attrs["name"]: node for node in graph.inputs}
    computed = {node: by_name[state] for state, node in early if node.op not in (ops.input, ops.const)}
    needed = _below((node for _, node in applied), stand_ins.keys() | computed.keys())
    handed_on = {computed[node].attrs["name"] for node in computed.keys() & needed}
    for node in graph.inputs:
        name = node.attrs["name"]
        if node in needed and (node.attrs["kind"] == "input" or name in handed_on):
            reader = next(n for n in graph.nodes() if n in needed and node in n.inputs)
            raise CutError(
                f"an update needs {name} otherwise than through gradients, so that it cannot be applied without it"
            ).at(str(reader.where))
    leaves = {node: node for node in graph.inputs if node in needed or node.attrs["name"] in handed_on}
    new = replaced((node for _, node in applied), leaves | stand_ins | computed)
    apply = Graph.make(
        f"{graph.name}_apply",
        [*stand_ins.values(), *leaves],
        (),
        [(state, new[node]) for state, node in applied],
    )
    results = [*step.results, *((names[state], node) for node, state in marks.items())]
    used = _below((node for _, node in (*results, *early)), ())
    inputs = [node for node in graph.inputs if node in used or node.attrs["kind"] == "input"]
    grad = Graph.make(f"{graph.name}_grad", inputs, results, early)
    return Halves(step, grad, apply, names, frozenset(handed_on))


def without(graph: Graph, labels: Collection[str]) -> Graph:
    """`graph` without the results of these names."""
    results = [(key, node) for key, node in graph.results if key not in labels]
    return Graph.make(graph.name, graph.inputs, results, graph.updates)


def _below(roots: Iterable[Node], ends: Collection[Node]) -> set[Node]:
    """`roots` and what they need, down to `ends`."""
    seen = set(roots)
    stack = [*seen]
    while stack:
        node = stack.pop()
        for x in () if node in ends else node.inputs:
            if x not in seen:
                seen.add(x)
                stack.append(x)
    return seen
