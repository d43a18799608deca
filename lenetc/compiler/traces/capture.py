"""Trace a function."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ir.errors import LenetcError
from ir.types import Type
from lenetc.compiler.arrays import TracedArray, tensor_in
from lenetc.compiler.arrays.kinds import refuse_comparison
from lenetc.compiler.reads.observed import Observed, observing
from lenetc.compiler.structure import Arguments, flatten, modes, rebuild
from lenetc.compiler.traces.arguments import free_arrays, free_scalars, give_back, prepared, put_back
from lenetc.compiler.traces.outcome import outcome
from lenetc.compiler.traces.records import Capture
from lenetc.evaluation.cell import Counts, unlocked
from lenetc.evaluation.tracing import Exporting, Trace, is_ours_or_pythons, traced_leaves, tracing

if TYPE_CHECKING:
    pass


def capture(
    function: Callable[..., Any],
    arguments: Arguments,
    values: dict[str, Any],
    types: Mapping[str, Type],
    observes: bool = True,
    is_input: Callable[[Any], bool] = lambda number: True,
    keeps: bool = False,
    again: bool = False,
    exporting: Exporting | None = None,
    returns_gradients: bool = False,
) -> Capture:
    """Trace `function` called with `values`, whose arrays are replaced by inputs of `types`.

    observes: whether to note what ran. is_input: whether a number becomes an input, by a stand-in.
    keeps: whether buffers that are assigned anew are state that the program replaces; for a call they are new tensors.
    again: whether the same trace is expected soon, so that its nodes are kept for it. exporting: where to note what
    files that are cut out of the graph need; the gradients that optimizers' steps read become results.
    returns_gradients: whether gradients that optimizers use up come out too.
    What the function raises is raised, and tensors are as they were; but an exception of the user's own comes as
    `Capture.error`, with the graph of what had been done before it.
    """
    Counts.evaluate_pending()
    trace, observed = Trace(), Observed()
    trace.exporting = exporting
    error: BaseException | None = None
    result: Any = None
    before = modes()
    with tracing(trace):
        traced = prepared(values, arguments, types, trace, is_input)
        traced_leaves.update(traced.inputs.values())
        try:
            try:
                with unlocked(), observing(observed) if observes else nullcontext():
                    result = arguments.call(function, traced.values)
            except LenetcError:
                raise
            except Exception as raised:
                if trace.refusal is not None:
                    raise trace.refusal from raised
                error = raised
            if trace.refusal is not None:
                raise trace.refusal
            give_back(traced, trace)
            if trace.arrays:
                result = _unwrapped(result)
                free_arrays(traced, trace, error is None)
                refuse_comparison(code for code, _ in observed.ran)
            if modes() != before:
                trace.effect("it leaves a mode changed: of gradients, dtypes, precision, devices or threads")
            captured = outcome(
                function, arguments.name, trace, traced, result, error, keeps, again, returns_gradients
            )
        except BaseException as raised:
            put_back(traced)
            trace.undo()
            if isinstance(raised, LenetcError):
                raised.at(_users_line(raised))
            if isinstance(raised, LenetcError) and not getattr(raised, "__notes__", None):
                raised.add_note(
                    "Tensors, gradients, optimizer state and random counters are as they were before the call; what "
                    "Python did before this line has happened."
                )
            raise
    free_scalars(captured, traced)
    captured.observed = observed if observes else None
    captured.undo, captured.undo_gradients = trace.undo, trace.undo_gradients
    return captured


def _unwrapped(result: Any) -> Any:
    """`result` with tensors for arrays."""
    leaves = [leaf for _, leaf in flatten(result, "")]
    if not any(type(leaf) is TracedArray for leaf in leaves):
        return result
    return rebuild(result, iter([*map(tensor_in, leaves)]))


def _users_line(error: BaseException) -> str:
    """The innermost line of the user's that an error came through: "" where there is none."""
    passed = traceback.walk_tb(error.__traceback__)
    files = [(frame.f_code.co_filename, line) for frame, line in passed]
    found = [f"{file}:{line}" for file, line in files if not is_ours_or_pythons(file)]
    return found[-1] if found else ""
