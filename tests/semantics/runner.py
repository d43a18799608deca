"""Runs cases three ways in forked children: by PyTorch eager, which is the truth, by lenetc lazily, and compiled.
And a fourth, which shows whether the case can tell: by PyTorch with results that are never computed again.

One child runs many cases one after the other, which is quick. A case that is not the same there is run again in a
child of its own, so that what counts never depends on another case.
"""

from __future__ import annotations

import gc
import json
import os
import random
import re
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.semantics.case import Case, close, plain, shown

WAYS = ("truth", "compiled", "lazy", "frozen")
LIMIT = 20.0  # seconds that a case may take
STATUSES = ("same", "refusal", "silent", "crash", "truth")


@dataclass(frozen=True)
class Verdict:
    """What became of a case. got, want, uncompiled: plain values, or the text of an error.

    status: `same`; `refusal`, a LenetcError; `silent`, another value; `crash`, another exception, a signal or a
    timeout; `truth`, PyTorch itself fails, so that the case is wrong. lazily: the same for lenetc uncompiled. tells:
    whether the value is another one where results are never computed again.
    """

    case: str
    status: str
    lazily: str
    want: Any
    got: Any
    uncompiled: Any
    tells: bool
    seconds: float

    def problem(self, case: Case) -> str:
        """Why this is not what the case declares; empty if it is."""
        if case.place and not self.tells:
            return "cannot tell a stale function from a good one"
        if self.status == "refusal" and case.refused:
            missing = [
                word for word in case.refused if not re.search(rf"\b{re.escape(word)}\b", said(self.got))
            ]
            return f"the refusal does not name {', '.join(missing)}" if missing else ""
        if self.status == "same" and case.refused:
            return "is documented to be refused, and is the same as PyTorch"
        if self.status != "same":
            return self.status
        if case.lazily and self.lazily == "same":
            return "is documented to differ uncompiled, and is the same as PyTorch"
        return "" if case.lazily or self.lazily in ("same", "refusal") else f"uncompiled it is {self.lazily}"

    def text(self, case: Case, cut: int = 10**6) -> str:
        """What was got, and what was to be had."""
        lines = [f"got  {shown(self.got)}"]
        if self.status != "refusal":
            lines.append(f"want {shown(self.want)}")
        if self.lazily not in ("same", "refusal"):
            lines.append(f"uncompiled {shown(self.uncompiled)}")
        return "\n".join(f"    {' | '.join(line.split(chr(10)))[:cut]}" for line in lines)


def said(text: str) -> str:
    """An error's text without the user's line, which shows every name that stands there."""
    return re.sub(r"\n  at .*", "", text)


class Child:
    """A forked process that runs cases when asked to."""

    def __init__(self, cases: dict[str, Case]) -> None:
        request, self.asking = os.pipe()
        self.answers, answering = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.asking), os.close(self.answers)
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 1), os.dup2(null, 2)
                with os.fdopen(request) as requests, os.fdopen(answering, "w") as file:
                    _serve(cases, requests, file)
            finally:
                os._exit(1)
        os.close(request), os.close(answering)
        self.data = b""
        self.end = 0.0
        self.alive = True

    def ask(self, case: Case) -> None:
        self.data = b""
        self.end = time.monotonic() + LIMIT
        os.write(self.asking, f"{case.name}\n".encode())

    def answer(self) -> dict[str, Any] | None:
        """What was answered until now, if that is all: of the ways that ended, in order, and then of its death."""
        if select.select([self.answers], [], [], 0)[0]:
            block = os.read(self.answers, 1 << 16)
            self.data += block
            if not block:
                return self._found() | {"": f"ended with status {self.close()}"}
        if self.data.endswith(b"\n\n"):
            return self._found()
        if time.monotonic() > self.end:
            self.close()
            return self._found() | {"": f"timeout after {LIMIT:.0f} s"}
        return None

    def _found(self) -> dict[str, Any]:
        return dict(json.loads(line) for line in self.data.split(b"\n") if line)

    def close(self) -> int:
        self.alive = False
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.asking), os.close(self.answers)
        return os.waitpid(self.pid, 0)[1]


def _serve(cases: dict[str, Case], requests: Any, file: Any) -> None:
    warnings.simplefilter("ignore")
    for number, line in enumerate(requests):
        if number % 50 == 0:
            # What was imported, and what earlier cases keep, is not looked through at every collection.
            gc.collect(), gc.freeze()
        for way in WAYS:
            file.write(json.dumps([way, _run(cases[line.strip()], way)]) + "\n")
            file.flush()
        file.write("\n")
        file.flush()


def _run(case: Case, way: str) -> list[Any]:
    """[kind, plain value or text], kind being value, refusal or error."""
    import torch

    import lenetc
    from ir.errors import LenetcError

    library = lenetc if way in ("compiled", "lazy") else torch
    compile = {"compiled": lenetc.compile, "frozen": _frozen}.get(way, lambda function: function)
    _reset(torch, lenetc)

    try:
        return ["value", plain(case.run(library, compile))]
    except LenetcError as error:
        # What the runtime says is no clear refusal.
        kind = "error" if "ONNX Runtime failed" in str(error) else "refusal"
        return [kind, f"{type(error).__name__}: {error}"]
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return [
            "error",
            f"{type(error).__name__}: {error} [{os.path.basename(place.filename)}:{place.lineno}]",
        ]


def _frozen(function: Any) -> Any:
    """The worst of compilers: what the first call with so many arguments gave is given for ever."""
    first: dict[Any, Any] = {}

    def replay(*args: Any, **kwargs: Any) -> Any:
        key = len(args), *kwargs
        if key not in first:
            first[key] = function(*args, **kwargs)
        return first[key]

    return replay


_ENVIRONMENT, _FOLDER, _ARGUMENTS, _DEPTH = (
    dict(os.environ),
    os.getcwd(),
    list(sys.argv),
    sys.getrecursionlimit(),
)


def _reset(torch: Any, lenetc: Any) -> None:
    """What a case may have changed for the next."""
    from tests.semantics import another

    random.seed(0), np.random.seed(0), lenetc.manual_seed(0)
    torch.default_generator.manual_seed(0)  # manual_seed notes the stack, for each device that is not there
    for library in (torch, lenetc):
        library.set_grad_enabled(True)
    os.environ.clear()
    os.environ.update(_ENVIRONMENT)
    os.chdir(_FOLDER)
    sys.argv[:] = _ARGUMENTS
    sys.setrecursionlimit(_DEPTH)
    sys.setprofile(None)
    another.reset()


def _verdict(case: Case, found: dict[str, Any], seconds: float) -> Verdict:
    died = ["error", found.get("", "")]
    truth, compiled, lazy, frozen = (found.get(way, died) for way in WAYS)
    status, lazily, tells = _status(truth, compiled), _status(truth, lazy), _status(truth, frozen) != "same"
    return Verdict(case.name, status, lazily, truth[1], compiled[1], lazy[1], tells, seconds)


def _status(truth: list[Any], found: list[Any]) -> str:
    if truth[0] != "value":
        return "truth"
    if found[0] == "value":
        return "same" if close(truth[1], found[1]) else "silent"
    return "refusal" if found[0] == "refusal" else "crash"


class Pool:
    """Children that run cases, `jobs` at a time."""

    def __init__(self, cases: Iterable[Case], jobs: int) -> None:
        import torch
        import torch._dynamo  # which PyTorch's optimizers import in every child otherwise

        import lenetc

        torch.set_num_threads(1)
        lenetc.set_num_threads(1)
        self.cases = {case.name: case for case in cases}
        self.jobs = jobs
        self.children: list[Child] = []

    def verdicts(self, cases: Iterable[Case]) -> Iterator[Verdict]:
        """The verdict of each, as they come."""
        waiting = [(case, False) for case in cases][::-1]
        busy: dict[Child, tuple[Case, bool, float]] = {}
        while waiting or busy:
            while waiting and len(busy) < self.jobs:
                case, alone = waiting.pop()
                child = self.children.pop() if self.children and not alone else Child(self.cases)
                child.ask(case)
                busy[child] = case, alone, time.monotonic()
            select.select([child.answers for child in busy], [], [], 1.0)
            for child, (case, alone, start) in list(busy.items()):
                found = child.answer()
                if found is None:
                    continue
                del busy[child]
                verdict = _verdict(case, found, time.monotonic() - start)
                if child.alive and alone:
                    child.close()
                elif child.alive:
                    self.children.append(child)
                if alone or not verdict.problem(case):
                    yield verdict
                else:
                    waiting.append((case, True))

    def close(self) -> None:
        for child in self.children:
            child.close()
        self.children.clear()
