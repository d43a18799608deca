"""What has become of the calls of one compiled function, for `explain()` and for warnings."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from lenetc.compiler.reads.entries import same
from lenetc.compiler.retrace import Reason, RetraceWarning, warn

if TYPE_CHECKING:
    from lenetc.compiler.program import Compilation
    from lenetc.compiler.specialization import Specialization

_OFTEN = 8  # programs after which a warning is due
_CAUSES = 5  # that are kept
_FIRST = "the first call with arguments of these types"
_KEPT = (
    "what the last call has left or returned is more than a run gives back: a tensor kept, a hook, an object"
)


class Story:
    """traces, programs: how many there were; reasons: why the last trace cannot stand for later calls; causes: why
    calls were traced, the latest last; is_kept: whether the last trace left or returned what a run cannot give."""

    def __init__(self) -> None:
        self.traces = 0
        self.programs = 0
        self.reasons: list[Reason] = []
        self.causes: list[str] = []
        self.is_kept = False
        self._has_warned = self._has_warned_of_programs = False
        self._seen: WeakSet[Compilation] = WeakSet()

    def compiled(self, compiled: Compilation) -> None:
        """A call needs this program."""
        if compiled not in self._seen:
            self._seen.add(compiled)
            self.programs += 1

    def missed(self, known: Sequence[Specialization], leaves: Sequence[Any]) -> None:
        """No run of `known`, programs of calls of the same signature, stands for a call with these arguments."""
        if not known:
            self._note(str(self.reasons[0]) if self.reasons else _KEPT if self.is_kept else _FIRST)
            return
        guard = known[-1].guard
        assert guard is not None
        changed = guard.changed()
        for position, value in guard.fixed:
            if not same(leaves[position], value):
                changed.append(f"a number among the arguments, {value!r}, whose value the function looked at")
        self._note(
            f"changed since: {', '.join(changed[:4])}"
            if changed
            else "an argument that is read in another way too"
        )

    def _note(self, cause: str) -> None:
        self.causes = [*self.causes[-_CAUSES + 1 :], cause]

    def text(self, name: str) -> str:
        """All of it, a line each."""
        lines = [f"{name}: traced {self.traces} times, {self.programs} programs"]
        lines += [f"  traced as: {cause}" for cause in self.causes]
        lines += [f"  traced at every call, as {reason}" for reason in self.reasons]
        return "\n".join(lines)

    def warn_of_reasons(self, name: str, is_first: bool) -> None:
        """Tell once that every call is traced. is_first: whether the last was the first since a run; what it changes,
        later ones may find so."""
        due = [reason for reason in self.reasons if not (is_first and reason.may_pass)]
        if due and not self._has_warned:
            self._has_warned = True
            warn(name, due)

    def warn_of_programs(self, name: str, function: Callable[..., Any]) -> None:
        """Tell once that more and more programs are compiled."""
        if self.programs < _OFTEN or self._has_warned_of_programs:
            return
        self._has_warned_of_programs = True
        code = getattr(inspect.unwrap(function), "__code__", None)
        cause = self.causes[-1] if self.causes else "see explain()"
        why = (
            "as its arguments have ever new shapes, dtypes or whole numbers: for ever new sizes there is "
            "compile(dynamic=True); a number that is a float is an input and compiles once"
            if cause == _FIRST
            else f"as a number or a flag that it reads keeps changing ({cause}): pass it as a float, which is an input "
            "and compiles once, or keep it in a tensor"
        )
        warnings.warn_explicit(
            f"{self.programs} programs have been compiled for {name}, {why}",
            RetraceWarning,
            code.co_filename if code else "<unknown>",
            code.co_firstlineno if code else 1,
        )
