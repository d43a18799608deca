"""Control flow: If, Loop, Scan and SequenceMap. Their bodies see the values around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import lenetc.operations.elementwise as E
from ir.dims import Dim, Poly
from ir.errors import LenetcError, ShapeError
from lenetc.evaluation.cell import Context as Tracing
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.operators.flow.scanning import ScanError, places
from lenetc.importer.operators.flow.steps import Stepped, is_same, repeated, scanned, stepped, tensors
from lenetc.importer.records import OnnxGraph
from lenetc.importer.registry import operator
from lenetc.importer.values import Host, Value, numbers, to_host, to_tensor
from lenetc.operations.shaping import movedim
from lenetc.tensors.tensor import Tensor

_TRUE, _FALSE = np.asarray(True), np.asarray(False)
_UNLIMITED = 2**31  # exporters write the largest number for a loop that only its condition ends


class ConditionError(ScanError):
    """Whether there is another step depends on what the last one computed."""


class _Body:
    """A body with the values around it. count: its inputs and outputs, at least."""

    def __init__(self, graph: OnnxGraph, context: Any, inputs: int, outputs: int) -> None:
        if len(graph.inputs) != inputs or len(graph.outputs) < outputs:
            raise OnnxOperatorError(
                f"the body {graph.name!r} takes {len(graph.inputs)} values and gives {len(graph.outputs)}; it is "
                f"given {inputs}, and {outputs} or more are needed of it"
            )
        self.graph, self.context = graph, context
        self.around = {name: context.scope[name] for name in sorted(graph.seen)}

    def numbers(self, limit: Dim) -> list[Tensor]:
        """The first input as a sequence, 0 to `limit`, if the body reads it."""
        return [places(limit)] if self.graph.inputs[0].name in self.graph.needed else []

    def __call__(self, inputs: Sequence[Value], around: Mapping[str, Value] | None = None) -> list[Value]:
        context = replace(self.context, scope=self.around if around is None else around)
        found: list[Value] = context.run(self.graph, list(inputs))
        return found


def _truth(value: Value) -> bool | None:
    """A condition as far as it is known: None where a program computes it, of which nothing can be seen yet."""
    if isinstance(value, Tensor) and Tracing.trace is not None:
        return None
    return bool(to_host(value).reshape(()))


def _chosen(condition: Tensor, a: Value, b: Value) -> Value:
    """`a` where the condition is true, else `b`. Raises ShapeError where they are of several types."""
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [_chosen(condition, x, y) for x, y in zip(a, b, strict=True)]
    if is_same(a, b):
        return a
    if a is None or b is None or isinstance(a, list) or isinstance(b, list):
        raise ShapeError(
            "how long a sequence is, or whether an optional value is there, depends on values that a program computes"
        )
    x, y = to_tensor(a), to_tensor(b)
    if x.shape != y.shape or x.dtype is not y.dtype:
        raise ShapeError(
            f"whether this is {x.type_text()} or {y.type_text()} depends on values that a program computes"
        )
    return E.where(condition.reshape(()), x, y)


@operator
def If(
    condition: Value, /, *, then_branch: OnnxGraph, else_branch: OnnxGraph, context: Any
) -> tuple[Value, ...]:
    """The one branch where the condition is known; else both, and of each output the one that is right."""
    count = max(len(then_branch.outputs), len(else_branch.outputs))
    then, other = (_Body(graph, context, 0, count) for graph in (then_branch, else_branch))
    truth = _truth(condition)
    if truth is not None:
        return tuple((then if truth else other)([]))
    values = list(tensors([*then.around.values(), *other.around.values()]))
    before = [value.node for value in values]
    both = zip(then([]), other([]), strict=True)
    if any(value.node is not node for value, node in zip(values, before, strict=True)):
        raise LenetcError(
            "a branch of this If changes statistics of the module, and a program computes whether it is taken: "
            "use eval()"
        )
    return tuple(_chosen(to_tensor(condition), a, b) for a, b in both)


@operator
def Loop(
    trips: Value = None, condition: Value = None, /, *carried: Value, body: OnnxGraph, context: Any
) -> tuple[Value, ...]:
    """One scan where all steps are alike, else step by step; what ends early by a computed condition is run to the
    end in programs, and keeps what it was when it ended."""
    states = len(carried)
    run = _Body(body, context, 2 + states, 1 + states)
    start = _TRUE if condition is None else condition
    limit = _limit(trips)
    if _truth(start) is False:
        limit = 0
    if limit is not None:
        try:
            try:
                return _alike(run, start, carried, limit)
            except ConditionError:
                if Tracing.trace is not None:
                    return _masked(run, start, carried, limit)
        except LenetcError as error:
            if not isinstance(limit, int):
                raise LenetcError(
                    f"this Loop runs {limit} times, so its steps have to be alike: {error}"
                ) from None
            if limit == 0:
                raise
    assert limit is None or isinstance(limit, int)
    return _one_by_one(run, start, carried, limit)


def _limit(trips: Value) -> Dim | None:
    """How many steps there are at most: None where nothing limits them."""
    if trips is None:
        return None
    if isinstance(trips, Tensor) and Tracing.trace is not None:
        raise LenetcError(
            "how often this Loop runs at most is computed by the program; it has to be a number"
        )
    (most,) = numbers(to_host(trips))
    if isinstance(most, Poly):
        return most
    return None if most >= _UNLIMITED else max(int(most), 0)


def _alike(run: _Body, start: Value, carried: Sequence[Value], limit: Dim) -> tuple[Value, ...]:
    """All steps at once, of a loop that its trip count ends."""

    def step(state: list[Value], items: list[Value], around: Mapping[str, Value]) -> Any:
        goes_on, *found = run([*(items or [None]), _TRUE, *state], around)
        if isinstance(goes_on, Tensor) or not goes_on:
            raise ConditionError("its condition is computed in each step")
        return found[: len(state)], found[len(state) :]

    if _truth(start) is None:
        raise ConditionError("its condition is computed")
    left, results = scanned(step, carried, run.numbers(limit), run.around, limit)
    return *left, *results


def _masked(run: _Body, start: Value, carried: Sequence[Value], limit: Dim) -> tuple[Value, ...]:
    """All steps at once; from that on whose condition is false the state stays as it is."""
    first = {f" {k}": value for k, value in enumerate(carried)}

    def step(state: list[Value], items: list[Value], around: Mapping[str, Value]) -> Any:
        active, *old = state
        active = to_tensor(active)
        # Steps that do not count start from the first state again: what these make of the last one may have no
        # gradient, and 0 times infinity is none either.
        safe = [_chosen(active, value, around[f" {k}"]) for k, value in enumerate(old)]
        goes_on, *found = run([*(items or [None]), _TRUE, *safe], around)
        if len(found) > len(old):
            raise _rows()
        left = [_chosen(active, a, b) for a, b in zip(found, old, strict=True)]
        return [E.logical_and(active, to_tensor(goes_on).reshape(())), *left], []

    state = [to_tensor(start).reshape(()), *carried]
    (_, *left), _ = scanned(step, state, run.numbers(limit), {**run.around, **first}, limit)
    return tuple(left)


def _rows() -> LenetcError:
    return ShapeError(
        "how many rows a Loop's stacked outputs have depends on values that the program computes; without "
        "lenetc.compile it can be run"
    )


def _one_by_one(run: _Body, start: Value, carried: Sequence[Value], limit: int | None) -> tuple[Value, ...]:
    """Steps whose number and condition are looked at, one after the other."""

    def step(state: list[Value], items: list[Value], around: Mapping[str, Value]) -> Any:
        index, active, *old = state
        goes_on, *found = run([index, _TRUE, *old], around)
        left, results = found[: len(old)], found[len(old) :]
        if isinstance(active, Tensor):
            if results:
                raise _rows()
            left = [_chosen(active, a, b) for a, b in zip(left, old, strict=True)]
        return [np.asarray(to_host(index) + 1), _both(active, goes_on), *left], results

    def goes_on(state: list[Value]) -> bool:
        if limit is None and isinstance(state[1], Tensor):
            raise LenetcError(
                "whether this Loop goes on is computed by the program, and nothing limits its steps: it needs a trip "
                "count M; without lenetc.compile it can be run"
            )
        return isinstance(state[1], Tensor) or bool(state[1])

    known = _truth(start)
    active = start if known is None else np.asarray(known)
    state = [np.asarray(0), active, *carried]
    (_, _, *left), results = stepped(step, state, [], run.around, limit, goes_on)
    return *left, *results


def _both(active: Value, goes_on: Value) -> Value:
    """Whether a step comes after one that counts if `active`."""
    known = _truth(goes_on)
    if known is not None:
        return active if known else _FALSE
    new = to_tensor(goes_on).reshape(())
    return E.logical_and(active, new) if isinstance(active, Tensor) else new


@operator
def Scan(
    *xs: Value,
    body: OnnxGraph,
    num_scan_inputs: int,
    directions: Sequence[int] = (),
    scan_input_axes: Sequence[int] = (),
    scan_input_directions: Sequence[int] = (),
    scan_output_axes: Sequence[int] = (),
    scan_output_directions: Sequence[int] = (),
    opset: int,
    context: Any,
) -> tuple[Value, ...]:
    """Before opset 9 of each element of a batch, with a length of its own."""
    lengths = None
    if opset < 9:
        lengths, *rest = xs
        xs = tuple(rest)
    states = len(xs) - num_scan_inputs
    run = _Body(body, context, len(xs), states)
    if opset < 9:
        return _batched(run, lengths, xs, states, directions)
    turns = zip(xs[states:], *_padded(num_scan_inputs, scan_input_axes, scan_input_directions), strict=True)
    sequences = [_reversed(_moved(x, axis, 0), turned) for x, axis, turned in turns]
    left, results = _scan(run, xs[:states], sequences, run.around)
    turns = zip(results, *_padded(len(results), scan_output_axes, scan_output_directions), strict=True)
    return *left, *(_moved(_reversed(x, turned), 0, axis) for x, axis, turned in turns)


def _padded(count: int, *given: Sequence[int]) -> list[Sequence[int]]:
    """Attributes with an entry for each input or output: 0 unless they are given."""
    if wrong := [values for values in given if values and len(values) != count]:
        raise OnnxOperatorError(f"one entry for each of {count} values is needed, not {list(wrong[0])}")
    return [values or [0] * count for values in given]


def _length(sequences: Sequence[Host | Tensor]) -> Dim:
    if not sequences or len({x.shape[:1] for x in sequences}) != 1 or not sequences[0].ndim:
        raise ShapeError(
            f"Scan needs sequences of one length; those given are {', '.join(str([*x.shape]) for x in sequences)}"
        )
    length: Dim = sequences[0].shape[0]
    return length


def _scan(
    run: _Body,
    states: Sequence[Value],
    sequences: Sequence[Host | Tensor],
    around: Mapping[str, Value],
    count: Tensor | None = None,
) -> Stepped:
    """All steps along the first axes; those from `count` on leave everything as it is and give zeros."""
    size = len(states)

    def step(state: list[Value], items: list[Value], around: Mapping[str, Value]) -> Any:
        if count is None:
            found = run([*state, *items], around)
            return found[:size], found[size:]
        index, *items = items
        is_within = E.lt(to_tensor(index), to_tensor(around[" count"]))
        found = run([*state, *items], around)
        left = [_chosen(is_within, a, b) for a, b in zip(found, state, strict=False)]
        return left, [E.where(is_within, to_tensor(x), to_tensor(x) * 0) for x in found[size:]]

    length = _length(sequences)
    if count is None:
        return repeated(step, states, sequences, around, length)
    return repeated(step, states, [places(length), *sequences], {**around, " count": count}, length)


def _batched(
    run: _Body, lengths: Value, xs: Sequence[Value], states: int, directions: Sequence[int]
) -> tuple[Value, ...]:
    (turned,) = _padded(len(xs) - states, directions)
    inputs = [to_tensor(x) for x in xs]

    def element(_: list[Value], items: list[Value], around: Mapping[str, Value]) -> Any:
        count = None
        if lengths is not None:
            count, *items = items
        of = None if count is None else to_tensor(count)
        sequences = [_reversed(to_tensor(x), t, of) for x, t in zip(items[states:], turned, strict=True)]
        left, results = _scan(run, items[:states], sequences, around, of)
        return [], [*left, *results]

    given = [*([] if lengths is None else [to_tensor(lengths)]), *inputs]
    return tuple(repeated(element, [], given, run.around, _length(given)).results)


def _moved(x: Value, source: int, destination: int) -> Tensor | Host:
    if isinstance(x, np.ndarray):
        return np.moveaxis(x, source, destination)
    return movedim(to_tensor(x), source, destination)


def _reversed(x: Tensor | Host, is_reversed: int, count: Tensor | None = None) -> Tensor | Host:
    """`x` from its end, which is where `count` says if it is given."""
    if not is_reversed:
        return x
    if count is not None and isinstance(x, Tensor):
        return x.index_select(0, (count - 1 - places(x.shape[0])).clamp(0))
    return x[::-1] if isinstance(x, np.ndarray) else x.flip(0)


@operator
def SequenceMap(sequence: Value, /, *more: Value, body: OnnxGraph, context: Any) -> tuple[Value, ...]:
    """`body` of each element; of further inputs the element at its place if they are sequences."""
    if not isinstance(sequence, list):
        raise OnnxOperatorError("its first input has to be a sequence")
    run = _Body(body, context, 1 + len(more), len(body.outputs))
    rows = [
        run([item, *(other[k] if isinstance(other, list) else other for other in more)])
        for k, item in enumerate(sequence)
    ]
    return tuple([row[i] for row in rows] for i in range(len(body.outputs)))
