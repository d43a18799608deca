"""Why a function has to be traced at every call, for people: what it is, where, and the way out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import TYPE_CHECKING, Any

from lenetc.compiler.reads.entries import Entry
from lenetc.compiler.reads.follow import Followed
from lenetc.compiler.reads.names import line_of
from lenetc.compiler.reads.observed import Observed
from lenetc.compiler.traces.records import Capture
from lenetc.evaluation.random import MAKES_WEIGHTS

if TYPE_CHECKING:
    from lenetc.compiler.specialization import Specialization


class RetraceWarning(UserWarning):
    """A compiled function is traced at every call, which costs milliseconds; its programs are compiled once."""


@dataclass(frozen=True)
class Reason:
    """what: a sentence's part, e.g. "it changes losses"; the line where that happens; way: what to do about it.
    may_pass: whether it may be a matter of the first call, which makes what later ones find: a layer, a mode."""

    what: str
    file: str
    line: int
    way: str
    may_pass: bool = False

    def __str__(self) -> str:
        return f"{self.what} ({self.file}:{self.line}); {self.way}"


@dataclass
class Attempt:
    """A trace of a call. reasons: why a run cannot stand for it; sure: those of them that no later trace may find
    otherwise, as what is read was not only taken to be; is_followed: whether all was followed that ran."""

    captured: Capture
    reasons: list[Reason] = field(default_factory=list)
    sure: list[Reason] = field(default_factory=list)
    is_followed: bool = False
    specialization: Specialization | None = None  # the program of an earlier trace that stands for it


_KEEP = "keep it in a tensor, pass it as an argument, or do it outside of the function"
_PASS = "pass what it gives as an argument, or keep it in a tensor"
_OUTSIDE = "do it outside of the function"
_MODES = ("training", "requires_grad")  # which most functions that set them leave as they were left before


def reasons_of(
    changed: Iterable[Entry],
    opaque: Sequence[tuple[str, Any]],
    observed: Observed,
    followed: Followed,
    effects: Sequence[tuple[str, Any]],
    home: CodeType | None,
) -> list[Reason]:
    """What keeps a run from standing for a call: what the function changed of what it reads, what it reads that cannot
    be followed, calls with effects, what this package did once."""
    codes = [*([home] if home is not None else []), *(code for code, _ in observed.ran)]
    found: dict[str, Reason] = {}

    def add(what: str, name: str, way: str, may_pass: bool = False) -> None:
        file, line = _place(codes, name)
        found.setdefault(what, Reason(what, file, line, way, may_pass))

    for call in observed.changed:
        if id(call.owner) in followed.containers:
            path = followed.containers[id(call.owner)]
            what = f"it changes {path}, which it reads"
            found.setdefault(what, Reason(what, call.code.co_filename, call.line, _KEEP))
    for entry in changed:
        path, name = entry.change()
        add(f"it changes {path}, which it reads", name, _KEEP, entry.is_filled() or name in _MODES)
    for call in observed.effects:
        of = (
            ""
            if call.owner is None or isinstance(call.owner, type(warnings))
            else f" of a {type(call.owner).__name__}"
        )
        what = f"it calls {call.name}{of}, whose effects and result may differ at every call"
        found.setdefault(what, Reason(what, call.code.co_filename, call.line, _OUTSIDE))
    for path, value in opaque:
        kind = "more objects than can be followed" if value is None else f"{_article(type(value).__name__)}"
        add(
            f"it reads {path}, {kind} whose changes cannot be seen",
            path.rpartition(".")[2].partition("[")[0],
            _PASS,
        )
    told = {
        what: Reason(what, where.file, where.line, _OUTSIDE, what == MAKES_WEIGHTS) for what, where in effects
    }
    return list({**told, **found}.values())


def lasting(
    changed: Iterable[Entry], opaque: Iterable[tuple[str, Any]], after: Followed
) -> tuple[list[Entry], list[tuple[str, Any]]]:
    """Of what was found by taking code to run, or by not knowing code that did, what is found `after` the trace too."""
    entries = {(type(entry), entry.key()) for entry in after.every()}
    met = {id(value) for _, value in after.opaque}
    return (
        [entry for entry in changed if (type(entry), entry.key()) in entries],
        [(path, value) for path, value in opaque if id(value) in met],
    )


def _article(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def _place(codes: Sequence[CodeType], name: str) -> tuple[str, int]:
    for code in codes:
        line = line_of(code, name)
        if line is not None:
            return code.co_filename, line
    return (codes[0].co_filename, codes[0].co_firstlineno) if codes else ("", 0)


def warn(function: str, reasons: Sequence[Reason]) -> None:
    """Tell once that `function` is traced at every call, and why."""
    first = reasons[0]
    listed = "; and ".join(map(str, reasons[:4]))
    warnings.warn_explicit(
        f"the compiled function {function} is traced at every call, as {listed}. Its programs are compiled once "
        "all the same",
        RetraceWarning,
        first.file or "<unknown>",
        first.line or 1,
    )
