"""What ran during a trace: the user's code objects, and calls of C functions that may do more than compute a value.

Python tells both by `sys.setprofile`. What a C function does cannot be followed: but for those known to be pure, a
call counts as an effect, which has to happen at every call.
"""

from __future__ import annotations

import gc
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import numpy as np

from lenetc.compiler.reads.calls import BLIND, BY_OBJECT, CHANGE, EFFECT, kind_of_call
from lenetc.compiler.reads.entries import ABSENT
from lenetc.compiler.reads.kinds import part_of
from lenetc.compiler.reads.names import names_of
from lenetc.evaluation.tracing import is_ours

# Modules of Python's library that add nothing to what their callers do.
_TRUSTED = (
    "contextlib.py",
    "functools.py",
    "enum.py",
    "abc.py",
    "typing.py",
    "dataclasses.py",
    "operator.py",
)
_LIBRARY = sysconfig.get_paths()["stdlib"] + os.sep
_TRUSTED_FILES = (
    *(_LIBRARY + name for name in _TRUSTED),
    _LIBRARY + "collections" + os.sep,
    _LIBRARY + "importlib" + os.sep,
    *(
        "<frozen abc>",
        "<frozen _collections_abc>",
        "<frozen importlib",
        "<frozen codecs>",
        "<__array_function__",
    ),
)
# Code that reads what is set for the process: NumPy's settings, which modules there are.
_SETTINGS = {
    "arrayprint.py": "settings of NumPy's",
    "_ufunc_config.py": "settings of NumPy's",
    "printoptions.py": "settings of NumPy's",
    os.path.join("importlib", "__init__.py"): "what is imported",
    os.path.join("importlib", "util.py"): "what can be imported",
}
_PACKAGES = ("lenetc", "passes", "ir")
# What this package itself calls.
_OF_OURS = re.compile(r"site-packages[\\/](onnxruntime|onnx|networkx|ml_dtypes|safetensors|google)[\\/]")
_NUMPY = os.path.dirname(np.__file__) + os.sep

# What of the code of a file is noted: nothing, its functions and its calls, that it was called.
_PASSED_OVER, _FOLLOWED, _IS_SETTING = range(3)


class Effect:
    """A call of a C function that may do more than compute: its name, and where it stands."""

    __slots__ = ("code", "line", "name", "owner")

    def __init__(self, name: str, owner: Any, frame: FrameType) -> None:
        self.name, self.owner = name, owner
        self.code, self.line = frame.f_code, frame.f_lineno


class Observed:
    """codes: the user's code objects that ran. effects: calls of C functions that are not known to be pure; changed:
    calls of methods that change a container or an array, which count where it was there before. looked: whether a C
    function was called that may have looked at the value of a number. asked: by number, the objects that were asked for
    attributes whose names no code shows; asked_any: whether there were others that are not known."""

    def __init__(self) -> None:
        # With its globals, by identity: comparing code objects compares all of their parts.
        self._ran: dict[int, tuple[CodeType, dict[str, Any]]] = {}
        self.effects: list[Effect] = []
        self.changed: list[Effect] = []
        self.looked = self.asked_any = False
        self.asked: dict[int, Any] = {}
        self._files: dict[str, int] = {}

    @property
    def ran(self) -> list[tuple[CodeType, dict[str, Any]]]:
        """Code objects, each with its globals."""
        return list(self._ran.values())

    def is_followed(self, file: str) -> bool:
        """Whether code of `file` is the user's: neither of this package, nor of what is trusted."""
        return self._kind_of(file) == _FOLLOWED

    def _kind_of(self, file: str) -> int:
        kind = self._files.get(file)
        if kind is None:
            is_trusted = is_ours(file) or file.startswith((*_TRUSTED_FILES, _NUMPY))
            kind = _FOLLOWED
            if is_trusted:
                kind = _IS_SETTING if file.endswith(tuple(_SETTINGS)) else _PASSED_OVER
            self._files[file] = kind
        return kind

    def _is_users(self, frame: FrameType | None) -> bool:
        """Whether `frame` is of the user's code, or of Python's library on its behalf rather than on ours."""
        while frame is not None:
            file = frame.f_code.co_filename
            if not self.is_followed(file):
                return False
            if file.startswith("<"):  # made by exec, as what dataclasses define is
                name = str(frame.f_globals.get("__name__", ""))
                return not name.startswith("namedtuple_") and name.partition(".")[0] not in _PACKAGES
            if not (file.startswith(_LIBRARY) and "site-packages" not in file) and not _OF_OURS.search(file):
                return True
            frame = frame.f_back
        return True

    def _users(self, frame: FrameType) -> FrameType:
        """The innermost frame of the user's on whose behalf `frame` runs."""
        found: FrameType | None = frame
        while found is not None and not (
            self.is_followed(found.f_code.co_filename) and self._is_users(found)
        ):
            found = found.f_back
        return found or frame

    def hook(self) -> Callable[[FrameType, str, Any], None]:
        """What Python calls at every call and return; nearly all are of this package's code, or of returns."""
        files, ran = self._files, self._ran

        def observe(frame: FrameType, event: str, arg: Any) -> None:
            code = frame.f_code
            kind = files.get(code.co_filename)
            if arg is open and event == "c_call":  # a file, whoever opens it
                self._called(self._users(frame), arg)
            if kind == _PASSED_OVER or event == "return" or event == "c_return":
                return
            if kind is None:
                kind = self._kind_of(code.co_filename)
            if event == "call":
                if kind == _IS_SETTING and frame.f_back and self._is_users(frame.f_back):
                    of = next(what for end, what in _SETTINGS.items() if code.co_filename.endswith(end))
                    self.effects.append(Effect(f"{code.co_name}, which depends on {of}", None, frame.f_back))
                elif kind == _FOLLOWED and id(code) not in ran and self._is_users(frame):
                    ran[id(code)] = code, frame.f_globals
            elif event == "c_call" and kind == _FOLLOWED and arg is not open and self._is_users(frame):
                self._called(frame, arg)

        return observe

    def _asks(self, frame: FrameType) -> None:
        """getattr or hasattr is called."""
        path = names_of(frame.f_code).gets.get(frame.f_lasti)
        if path == ():
            return
        value = ABSENT
        if path is not None:
            value = frame.f_locals.get(path[0], frame.f_globals.get(path[0], ABSENT))
            for name in path[1:]:
                value = part_of(value, name)
        if value is ABSENT:
            self.asked_any = True
        else:
            self.asked[id(value)] = value

    def _called(self, frame: FrameType, function: Any) -> None:
        if function is getattr or function is hasattr:
            self._asks(frame)
        name, owner = function.__name__, getattr(function, "__self__", None)
        if name not in BLIND:
            self.looked = True
        kind = kind_of_call(function)
        if kind == EFFECT and name in BY_OBJECT and _is_memo(frame):
            return
        if kind == CHANGE:
            self.changed.append(Effect(name, owner, frame))
        elif kind == EFFECT:
            self.effects.append(Effect(name, owner, frame))


def _is_memo(frame: FrameType) -> bool:
    """Whether a call of id or hash tells nobody which object it was given: in Python's library, which avoids circles by
    it, and in what a class answers to hash()."""
    return frame.f_code.co_filename.startswith(_LIBRARY) or frame.f_code.co_name == "__hash__"


def _both(first: Callable[..., Any], second: Callable[..., Any]) -> Callable[..., None]:
    def note(frame: FrameType, event: str, arg: Any) -> None:
        first(frame, event, arg)
        second(frame, event, arg)

    return note


@contextmanager
def observing(observed: Observed) -> Iterator[None]:
    """Let `observed` note what runs in the block, beside a profiler of the user's; one of C rests meanwhile.

    So does the garbage collector, whose callbacks and finalizers would run as if the user's code had called them; the
    function may ask whether it is enabled, and change that.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(0)
    before: Any = sys.getprofile()
    is_of_c = hasattr(before, "enable")
    hook = observed.hook()
    sys.setprofile(hook if before is None or is_of_c else _both(hook, before))
    try:
        yield
    finally:
        sys.setprofile(None)
        if gc.get_threshold()[0] == 0:
            gc.set_threshold(*thresholds)
        if is_of_c:  # cProfile's cannot be put back as a function
            before.enable()
        elif before is not None:
            sys.setprofile(before)
