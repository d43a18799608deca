"""Many steps as one operation: the program is as long for a thousand of them as it is for two."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ir import ops
from ir.dims import Dim
from ir.errors import LenetcError
from ir.node import Graph, Node
from ir.op import leaf
from ir.types import Type, i64
from lenetc.evaluation.cell import Context
from lenetc.evaluation.ranges import Probabilities, Range, misses
from lenetc.evaluation.tracing import Trace, tracing
from lenetc.operations.creation import zeros
from lenetc.tensors.tensor import Tensor, apply

# From what the step before left, one slice of each sequence and what all steps read, to what is left, and results.
Step = Callable[[list[Tensor], list[Tensor], list[Tensor]], tuple[Sequence[Tensor], Sequence[Tensor]]]


class ScanError(LenetcError):
    """These steps are not one after the other the same."""


def scan(
    step: Step,
    carried: Sequence[Tensor],
    sequences: Sequence[Tensor],
    rest: Sequence[Tensor],
    length: Dim,
    *,
    reverse: bool = False,
) -> tuple[list[Tensor], list[Tensor]]:
    """What `length` steps leave, and their results stacked [length, ...], as of `ir.ops.scan`.

    step must read no other tensors than it is given. Raises ScanError where it does, where it changes one, and where
    it leaves something of another type than it was given; ValueDependentError where it looks at values.
    """
    operands = [*carried, *sequences, *rest]
    kinds = [("carried", x._cell.type) for x in carried]
    kinds += [("item", x._cell.type.with_shape(x.shape[1:])) for x in sequences]
    kinds += [("given", x._cell.type) for x in rest]
    leaves = [leaf(f"{kind}{i}", type) for i, (kind, type) in enumerate(kinds)]
    trace = Trace()
    with tracing(trace):
        inner = [Tensor._from_node(node) for node in leaves]
        count, stop = len(carried), len(carried) + len(sequences)
        left, items = step(inner[:count], inner[count:stop], inner[stop:])
        made = [_alike(new, old._cell.type) for new, old in zip(left, carried, strict=True)]
        made += [item.node for item in items]
        if (
            trace.captured
            or trace.current
            or any(x.node is not n for x, n in zip(inner, leaves, strict=True))
        ):
            raise ScanError("a step changes values of the module, or draws random numbers")
        checks = [(misses(node, wanted), wanted) for node, wanted in trace.ranges] + trace.checks
    if isinstance(length, int) and length == 0:
        return list(carried), [zeros(0, *node.shape, dtype=node.dtype) for node in made[count:]]
    made += [node for node, _ in checks]
    body = Graph.make("steps", leaves, [(f"result{i}", node) for i, node in enumerate(made)])

    def build(*nodes: Node, index: int) -> Node:
        run = ops.scan(
            *nodes, body=body, carries=count, sequences=len(sequences), length=length, reverse=reverse
        )
        return ops.get(run, index=index)

    results = [
        apply("ScanBackward0", lambda *nodes, i=i: build(*nodes, index=i), *operands)
        for i in range(len(made))
    ]
    stop = len(results) - len(checks)
    for misses_of, (_, wanted) in zip(results[stop:], checks, strict=True):
        _check(misses_of.sum(), wanted)
    return results[:count], results[count:stop]


def places(length: Dim) -> Tensor:
    """The numbers of the steps, i64[length]: an operation, where `arange` makes a table of a length that is known."""
    return Tensor._from_node(ops.iota(size=length, dtype=i64))


def _alike(new: Tensor, wanted: Type) -> Node:
    """`new` as it has to be carried on: `autocast` alone makes other dtypes of it."""
    if new.shape != wanted.shape:
        raise ScanError(f"what is carried from step to step is {wanted} first and {new.type_text()} then")
    return (new if new.dtype is wanted.dtype else new.to(wanted.dtype)).node


def _check(count: Tensor, wanted: Range | Probabilities) -> None:
    """Refuse values that are not allowed, of which there are `count`."""
    if Context.trace is not None:
        Context.trace.checks.append((count.node, wanted))
    elif count.item():
        wanted.refuse()
