"""What can be read of a function: its variables, defaults, attributes; the globals and imports that its code names."""

from __future__ import annotations

import builtins
import functools
import sys
from collections.abc import Iterable
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from lenetc.compiler.reads.entries import ABSENT, Got, Is, Items, Named, Variable
from lenetc.compiler.reads.kinds import (
    ASSUMED,
    EVERYTHING,
    LIBRARY,
    OF_FUNCTIONS,
    WORDS,
    code_of,
    digits_of,
    is_of_others,
    named_as,
    nested,
)
from lenetc.compiler.reads.names import names_of
from lenetc.evaluation.tracing import is_ours
from lenetc.nn.modules.module import Module

if TYPE_CHECKING:
    from lenetc.compiler.reads.follow import Followed


def follow_function(followed: Followed, function: FunctionType, path: str) -> None:
    code = function.__code__
    if is_ours(code.co_filename):
        if hasattr(function, "__wrapped__"):  # of a decorator of ours
            followed.todo.append((function.__wrapped__, path))
        for cell in function.__closure__ or ():  # of what one of ours made of the user's function: func.grad
            inner = Variable(path, cell).value
            if type(inner) in (FunctionType, MethodType, functools.partial) or isinstance(inner, Module):
                followed.todo.append((inner, path))
        return
    is_renamed = path.rpartition(".")[2] != function.__name__  # else code that calls it names it
    if function.__name__ in EVERYTHING and is_renamed and not followed.everything and is_of_others(function):
        followed.opaque.append((path, function))
    if function.__dict__:
        followed.is_made_so(function, path)
    if followed.names & set(WORDS):
        followed.entries.append(Got(path, "__name__", function, named_as))
    for label in followed.names & OF_FUNCTIONS.keys():  # which a function need not run to be asked for
        followed.entries.append(Got(f"{path}.{label}", label, function, OF_FUNCTIONS[label]))
        followed.todo.append((OF_FUNCTIONS[label](function), f"{path}.{label}"))
    followed.spaced(function.__dict__, path, followed.names, followed.entries)
    if code.co_filename == functools.__file__ and "registry" in function.__dict__:  # of singledispatch
        followed.todo.append((function.__dict__["registry"], f"{path}.registry"))
    if id(code) not in followed.codes:
        if code.co_filename.startswith(LIBRARY):  # of contextlib's, around one of the user's
            _variables(followed, function)
        if not followed.assumes or len(followed.codes) > ASSUMED or "site-packages" in code.co_filename:
            return
        followed.codes[id(code)] = code
    inner = [part for part in nested(code) if followed.assumes or id(part) in followed.codes]
    followed.codes.update((id(part), part) for part in inner)
    followed.reached.update(map(id, (code, *inner)))
    name = getattr(function, "__name__", path)
    followed.entries.append(Is(path, name, function, code_of))
    for part, label in (
        (function.__defaults__, "__defaults__"),
        (function.__kwdefaults__, "__kwdefaults__"),
    ):
        if part:
            followed.entries.append(Got(f"{path}.{label}", label, function, OF_FUNCTIONS[label]))
            names = (
                code.co_varnames[: code.co_argcount][-len(part) :] if isinstance(part, tuple) else tuple(part)
            )
            values = part if isinstance(part, tuple) else tuple(part.values())
            if isinstance(part, dict):
                followed.entries.append(Items(path, part))
            followed.todo += [(value, key) for key, value in zip(names, values, strict=False)]
    _variables(followed, function)
    follow_globals(followed, (code, *inner), function.__globals__)


def _variables(followed: Followed, function: FunctionType) -> None:
    """Those of the functions around it that it uses."""
    for key, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        entry = Variable(key, cell)
        followed.entries.append(entry)
        if entry.value is not ABSENT:
            followed.todo.append((entry.value, key))


def follow_globals(followed: Followed, codes: Iterable[CodeType], space: dict[str, Any]) -> None:
    """The globals that `codes` name."""
    table = space.get("__builtins__", builtins)
    for key in {name for code in codes for name in names_of(code).outer}:
        entry = Named(key, key, space)
        followed.entries.append(entry)
        if entry.value is ABSENT:
            entry = Named(key, key, table if type(table) is dict else vars(table))
            followed.entries.append(entry)
        if entry.value is not ABSENT:
            followed.todo.append((entry.value, key))
    if any(names_of(code).has_digits for code in codes):
        followed.entries.append(Got("sys", "set_int_max_str_digits", sys, digits_of))
    users = [code for code in codes if not code.co_filename.startswith((LIBRARY, "<frozen"))]
    for name, up in {name for code in users for name in names_of(code).imports}:
        _imported(followed, name, up, space)


_NOT_FOUND = ModuleNotFoundError()  # for modules that are not there


def _imported(followed: Followed, name: str, up: int, space: dict[str, Any]) -> None:
    """The modules of an import statement, which finds them in a table by itself."""
    if up:
        base = (space.get("__package__") or "").split(".")
        name = ".".join([*base[: len(base) - up + 1], *([name] if name else [])])
    parts = name.split(".")
    for n in range(len(parts)):
        name = ".".join(parts[: n + 1])
        entry = Named(name, name, sys.modules)
        followed.entries.append(entry)
        followed.todo.append((entry.value, name))
        if entry.value is ABSENT:  # files decide whether it can be imported
            followed.opaque.append((name, _NOT_FOUND))
