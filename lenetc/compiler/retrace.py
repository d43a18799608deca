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

if TYPE_CHECKING:
    from lenetc.compiler.specialization import Specialization


class RetraceWarning(UserWarning):
    """A compiled function is traced at every call, which costs milliseconds; its programs are compiled once."""


@dataclass(frozen=True)
class Reason:
    """what: a sentence's part, e.g. "it changes losses"; the line where that happens; way: what to do about it."""

    what: str
    file: str
    line: int
    way: str

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

    def add(what: str, name: str, way: str) -> None:
        file, line = _place(codes, name)
        found.setdefault(what, Reason(what, file, line, way))

    for call in observed.changed:
        if id(call.owner) in followed.containers:
            path = followed.containers[id(call.owner)]
            what = f"it changes {path}, which it reads"
            found.setdefault(what, Reason(what, call.code.co_filename, call.line, _KEEP))
    for entry in changed:
        add(f"it changes {entry.path}, which it reads", entry.name, _KEEP)
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
    told = {what: Reason(what, where.file, where.line, _OUTSIDE) for what, where in effects}
    return list({**told, **found}.values())


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
