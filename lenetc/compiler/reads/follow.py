"""Everything that a function can read: from it, its arguments and the code that ran, along the names in that code.

An attribute can be read only where some code names it, so that of an object only those count that are named anywhere
in the code that ran. What stands there is followed in turn: containers by what they hold, objects by their attributes,
functions that ran by their closures, defaults and globals. What cannot be followed, such as an iterator or a random
generator of NumPy's, is told by `opaque`.
"""

from __future__ import annotations

import builtins
import enum
import functools
import io
import operator
import sys
import types
from collections.abc import Iterable
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, cast

import numpy as np

from lenetc.compiler.reads.calls import EFFECT, kind_of_call
from lenetc.compiler.reads.classes import follow_class
from lenetc.compiler.reads.entries import (
    ABSENT,
    Bare,
    Elements,
    Entry,
    Got,
    Is,
    Items,
    Named,
    Variable,
    Which,
    held,
    is_plain,
)
from lenetc.compiler.reads.kinds import (
    ASSUMED,
    BYTES,
    CACHED,
    CALLED,
    CONTAINERS,
    EVERYTHING,
    ITEMS,
    LEAVES,
    LIBRARY,
    NOT_READ,
    OBJECTS,
    OF_FUNCTIONS,
    OPERATORS,
    PACKAGES,
    READ_BY,
    SPECIAL,
    STANDARD_STREAMS,
    WORDS,
    code_of,
    fields_of,
    getter_of_fields,
    is_installed,
    is_of_c,
    is_of_others,
    is_ours_type,
    is_special,
    library_names,
    named_as,
    nested,
    parts_of,
    remembered,
    said,
    solid,
)
from lenetc.compiler.reads.library import (
    follow_module,
    follow_optimizer,
    follow_schedule,
    follow_tensor,
    watch,
)
from lenetc.compiler.reads.names import names_of
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.random import Generator
from lenetc.evaluation.tracing import is_ours
from lenetc.nn.modules.module import Module
from lenetc.optim.lr_scheduler import LRScheduler
from lenetc.optim.optimizer import Optimizer
from lenetc.tensors.tensor import Tensor


class Followed:
    """What was found, from roots that are added one by one.

    codes: the code objects that ran, or may run; with `assumes`, every function that a name leads to is taken to run as
    well, and `codes` grows. entries: what tells a change, at every call; settled: the same for what only changes with
    `Counts.epoch`, the parts of modules and the state of optimizers. opaque: (path, value) of what cannot be
    followed. tensors: cells of tensors that were met, each with a path. types: of C, that are named.
    """

    def __init__(self, codes: Iterable[CodeType], assumes: bool = False) -> None:
        self.codes = {id(code): code for code in codes}
        self.assumes = assumes
        self._clear()
        self._roots: list[tuple[Any, str]] = []
        self.todo: list[tuple[Any, str]] = []
        self._names()

    def _clear(self) -> None:
        self.entries: list[Entry] = []
        self.settled: list[Entry] = []
        self.managed: list[Entry] = []
        self.opaque: list[tuple[str, Any]] = []
        self.tensors: dict[Cell, str] = {}
        self.looks = False
        self.containers: dict[int, str] = {}
        self.bare: Bare | None = None  # of the tensors without attributes of the user's
        self.reached: set[int] = set()
        self.forwards: set[type] = set()  # the package's own modules that are looked at
        self.seen: dict[int, Any] = {}  # with the object, whose number would be another's after it

    def _names(self) -> None:
        found = [names_of(code) for code in self.codes.values()]
        self.outer: frozenset[str] = frozenset().union(*(names.outer for names in found))
        self.names = CALLED.union(*(names.attributes for names in found))
        for name, read in READ_BY.items():
            if name in self.names or name in self.outer:
                self.names |= {read}
        self.formats = any(names.formats for names in found) or bool(self.names & OPERATORS)
        # Of an object all attributes count where code asks for all of them, or computes their names.
        self.lists_names = bool((self.names | self.outer) & EVERYTHING or self.outer & {"vars", "dir"})
        self.everything = self.lists_names or any(names.computes for names in found)
        self.handed: frozenset[str] = frozenset()
        if not self.assumes:  # what is only taken to run names too much
            self.handed = self.handed.union(*(names.handed for names in found))
        # Whether the class of a number may be looked at, which a stand-in would show.
        self.asks_whether = bool(self.outer & {"getattr", "hasattr"})
        self.asks_kind = "type" in self.outer or "__class__" in self.names

    def every(self) -> list[Entry]:
        """All entries but those that optimizers manage."""
        return [*self.entries, *self.settled]

    def add(self, value: Any, path: str) -> None:
        """Follow `value`."""
        self._roots.append((value, path))
        self._follow(value, path)
        known = len(self.codes)
        while self.assumes and len(self.seen) <= OBJECTS:
            # Functions that were found bring names, by which more of what was met before can be read.
            self._names()
            self._clear()
            for root, name in self._roots:
                self._follow(root, name)
            if len(self.codes) == known:
                return
            known = len(self.codes)

    def _follow(self, value: Any, path: str) -> None:
        self.todo.append((value, path))
        while self.todo:
            self._one(*self.todo.pop())

    def _one(self, value: Any, path: str) -> None:
        if is_plain(value) or id(value) in self.seen:
            return
        if len(self.seen) > OBJECTS:
            self.opaque.append((path, None))
            self.todo.clear()
            return
        self.seen[id(value)] = value
        kind = type(value)  # not isinstance, which asks the object itself
        if issubclass(kind, Tensor):
            follow_tensor(self, value, path)
        elif kind is Generator:
            self.tensors.update(dict.fromkeys(value.cells(), path))
        elif kind is FunctionType:
            self._function(value, path)
        elif kind is MethodType:
            self.todo += [(value.__self__, path.rpartition(".")[0] or path), (value.__func__, path)]
        elif issubclass(kind, Module):
            follow_module(self, value, path)
        elif issubclass(kind, Optimizer):
            follow_optimizer(self, value, path)
        elif issubclass(kind, LRScheduler) and is_ours_type(kind):
            follow_schedule(self, value, path)
        elif issubclass(kind, ModuleType):
            self._namespace(value, path)
        elif issubclass(kind, type):
            follow_class(self, value, path)
            # What asks objects for attributes that no code names.
            if value is operator.methodcaller or value.__dict__.get("_is_runtime_protocol"):
                self.opaque.append((path, value))
        elif kind is functools.partial:
            self.todo += [
                (value.func, path),
                (value.args, f"{path}.args"),
                (value.keywords, f"{path}.keywords"),
            ]
            self.entries.append(Got(path, path.rpartition(".")[2], value, parts_of))
            if type(value.func) is types.BuiltinFunctionType and kind_of_call(value.func) == EFFECT:
                self.opaque.append((path, value))  # its call is none of a C function, as Python tells it
            self.spaced(value.__dict__, path, self.names, self.entries)
        elif issubclass(kind, (classmethod, staticmethod)):
            self.todo.append((value.__func__, path))
        elif issubclass(kind, property):
            self.todo += [(f, path) for f in (value.fget, value.fset, value.fdel) if f is not None]
        elif issubclass(kind, functools.cached_property):
            self.todo.append((value.func, path))
        elif kind is types.MethodWrapperType:  # the __next__ of an iterator, whose call Python does not tell
            self.todo.append((value.__self__, path))
        elif kind is types.BuiltinFunctionType:
            if value.__self__ is not None and not isinstance(value.__self__, (ModuleType, type)):
                self.todo.append((value.__self__, path))  # the list of a bound append
            elif self._is_handed(path.rpartition(".")[2]) and (
                kind_of_call(value) == EFFECT or value is getattr or value is hasattr
            ):
                self.opaque.append((path, value))  # C functions such as map may call it
        elif kind is CACHED:
            self._cached(value, path)
        elif issubclass(kind, np.ndarray):
            self._array(value, path)
            if kind is not np.ndarray:
                self._attributes(value, path)
        elif issubclass(kind, io.IOBase) and not any(
            value is getattr(sys, name) for name in STANDARD_STREAMS
        ):
            self.opaque.append((path, value))
        elif issubclass(kind, LEAVES) or kind is object:
            if not is_of_c(cast(Any, kind)) and not is_of_others(kind):
                self._attributes(value, path)
        elif is_ours_type(kind) and hasattr(value, "__lenetc_follow__"):
            self.todo.append((value.__lenetc_follow__, path))
            self.spaced(value.__dict__, path, self.names - value.__lenetc_fields__, self.entries)
        elif issubclass(kind, CONTAINERS):
            self._container(value, path)
            if kind not in CONTAINERS:
                self._attributes(value, path)
        elif solid(kind) is object:
            self._attributes(value, path)
        else:
            self.opaque.append((path, value))

    def _is_handed(self, name: str) -> bool:
        """Whether what is called so may be called by others than code that ran: by C functions that it is passed on to,
        as what a container holds may be, or by Python on behalf of an object."""
        return name in self.handed or not name.isidentifier() or name in SPECIAL

    # The kinds.

    def _function(self, function: FunctionType, path: str) -> None:
        code = function.__code__
        if is_ours(code.co_filename):
            if hasattr(function, "__wrapped__"):  # of a decorator of ours
                self.todo.append((function.__wrapped__, path))
            for cell in (
                function.__closure__ or ()
            ):  # of what one of ours made of the user's function: func.grad
                inner = Variable(path, cell).value
                if type(inner) in (FunctionType, MethodType, functools.partial) or isinstance(inner, Module):
                    self.todo.append((inner, path))
            return
        is_renamed = path.rpartition(".")[2] != function.__name__  # else code that calls it names it
        if function.__name__ in EVERYTHING and is_renamed and not self.everything and is_of_others(function):
            self.opaque.append((path, function))
        if function.__dict__:
            self.is_made_so(function, path)
        if self.names & set(WORDS):
            self.entries.append(Got(path, "__name__", function, named_as))
        for label in self.names & OF_FUNCTIONS.keys():  # which a function need not run to be asked for
            self.entries.append(Got(f"{path}.{label}", label, function, OF_FUNCTIONS[label]))
            self.todo.append((OF_FUNCTIONS[label](function), f"{path}.{label}"))
        self.spaced(function.__dict__, path, self.names, self.entries)
        if code.co_filename == functools.__file__ and "registry" in function.__dict__:  # of singledispatch
            self.todo.append((function.__dict__["registry"], f"{path}.registry"))
        if id(code) not in self.codes:
            if not self.assumes or len(self.codes) > ASSUMED or "site-packages" in code.co_filename:
                return
            self.codes[id(code)] = code
        inner = [part for part in nested(code) if self.assumes or id(part) in self.codes]
        self.codes.update((id(part), part) for part in inner)
        self.reached.update(map(id, (code, *inner)))
        name = getattr(function, "__name__", path)
        self.entries.append(Is(path, name, function, code_of))
        for part, label in (
            (function.__defaults__, "__defaults__"),
            (function.__kwdefaults__, "__kwdefaults__"),
        ):
            if part:
                self.entries.append(Got(f"{path}.{label}", label, function, OF_FUNCTIONS[label]))
                names = (
                    code.co_varnames[: code.co_argcount][-len(part) :]
                    if isinstance(part, tuple)
                    else tuple(part)
                )
                values = part if isinstance(part, tuple) else tuple(part.values())
                if isinstance(part, dict):
                    self.entries.append(Items(path, part))
                self.todo += [(value, key) for key, value in zip(names, values, strict=False)]
        for key, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            entry = Variable(key, cell)
            self.entries.append(entry)
            if entry.value is not ABSENT:
                self.todo.append((entry.value, key))
        self._outer((code, *inner), function.__globals__)

    def _outer(self, codes: Iterable[CodeType], space: dict[str, Any]) -> None:
        """The globals that `codes` name."""
        table = space.get("__builtins__", builtins)
        for key in {name for code in codes for name in names_of(code).outer}:
            entry = Named(key, key, space)
            self.entries.append(entry)
            if entry.value is ABSENT:
                entry = Named(key, key, table if type(table) is dict else vars(table))
                self.entries.append(entry)
            if entry.value is not ABSENT:
                self.todo.append((entry.value, key))
        users = [code for code in codes if not code.co_filename.startswith((LIBRARY, "<frozen"))]
        for name, up in {name for code in users for name in names_of(code).imports}:
            self._imported(name, up, space)

    def _imported(self, name: str, up: int, space: dict[str, Any]) -> None:
        """The modules of an import statement, which finds them in a table by itself."""
        if up:
            base = (space.get("__package__") or "").split(".")
            name = ".".join([*base[: len(base) - up + 1], *([name] if name else [])])
        parts = name.split(".")
        for n in range(len(parts)):
            name = ".".join(parts[: n + 1])
            entry = Named(name, name, sys.modules)
            self.entries.append(entry)
            self.todo.append((entry.value, name))
            if entry.value is ABSENT:  # files decide whether it can be imported
                self.opaque.append((name, None))

    def reach(self, ran: Iterable[tuple[CodeType, dict[str, Any]]]) -> None:
        """Follow the globals of code that ran, of functions that no name led to. Their closures are not known."""
        for code, space in ran:
            names = names_of(code).attributes
            if "datetime64" in names and names & {"now", "today"}:  # whose clock no call tells
                self.opaque.append(("the clock by datetime64", np.datetime64))
            if id(code) not in self.reached:
                self.reached.add(id(code))
                self._outer((code,), space)
                if code.co_freevars:
                    self.opaque.append((code.co_name, code))
        while self.todo:
            self._one(*self.todo.pop())

    def _namespace(self, module: ModuleType, path: str) -> None:
        root = module.__name__.partition(".")[0]
        space = vars(module)
        self.looks |= root == "numpy"
        is_ours = root in PACKAGES
        names = self.names if is_ours else self.names | {"__getattr__", "__dir__"}
        wanted: frozenset[str] | None = names
        names &= space.keys()
        if self.everything and not is_installed(module):
            wanted, names = None, frozenset(key for key in space if not is_special(key))
        for key in names:
            value = space[key]
            self.entries.append(Named(f"{path}.{key}", key, space))
            self.todo.append((value, f"{path}.{key}"))
        # Names that are put into this package's modules count up the epoch, but past `setattr`.
        (self.settled if is_ours and not self.asks_whether else self.entries).append(
            Which(path, space, wanted)
        )
        if is_ours:
            watch(module)

    def _attributes(self, value: Any, path: str) -> None:
        """Those of an object of a class of Python's."""
        kind = type(value)
        fields = fields_of(value)
        self.is_made_so(value, path)
        wanted = (
            None if is_of_others(kind) or self.everything else self.names | library_names(cast(Any, kind))
        )
        if issubclass(kind, enum.Enum):
            wanted = self.names | {"_value_"}
        if isinstance(fields, dict):
            self.spaced(fields, path, wanted, self.entries, skip=NOT_READ)
        if issubclass(kind, BaseException):
            entry = Got(f"{path}.args", "args", value, said)
            self.entries.append(entry)
            self.todo.append((entry.value, f"{path}.args"))
        self.slots(value, path, wanted)
        follow_class(self, kind, path)

    def slots(self, value: Any, path: str, wanted: frozenset[str] | None) -> None:
        """What an object has beside its dict."""
        for base in type(value).__mro__:
            for key, member in base.__dict__.items():
                if isinstance(member, types.MemberDescriptorType) and (wanted is None or key in wanted):
                    entry = Got(f"{path}.{key}", key, value, member.__get__)
                    self.entries.append(entry)
                    if entry.value is not ABSENT:
                        self.todo.append((entry.value, f"{path}.{key}"))

    def is_made_so(self, value: Any, path: str) -> None:
        """Of what class `value` is, and which dict its attributes are in."""
        self.entries.append(Is(path, "__class__", value, type))
        if fields_of(value) is not None:
            self.entries.append(Is(path, "__dict__", value, getter_of_fields(type(value))))

    def spaced(
        self,
        space: dict[str, Any],
        path: str,
        wanted: frozenset[str] | None,
        entries: list[Entry],
        skip: frozenset[str] = frozenset(),
    ) -> None:
        names = None if wanted is None else wanted - skip
        if names != frozenset():
            entries.append(Which(path, space, names))
        for key in space.keys() if wanted is None else wanted & space.keys():
            if key not in skip:
                entries.append(Named(f"{path}.{key}", key, space))
                self.todo.append((space[key], f"{path}.{key}"))

    def _container(self, value: Any, path: str) -> None:
        if issubclass(type(value), bytearray) or len(values := (held_ := held(value))[1]) > ITEMS:
            self.opaque.append((path, value))
            return
        self.containers[id(value)] = path
        if not issubclass(type(value), (tuple, frozenset)):
            self.entries.append(Items(path, value))
        keys = held_[0] or range(len(values))
        self.todo += [
            (item, f"{path}[{key!r}]" if is_plain(key) else path)
            for key, item in zip(keys, values, strict=True)
        ]
        self.todo += [(key, path) for key in keys if not is_plain(key)]

    def _cached(self, value: Any, path: str) -> None:
        """What a function has in store that `functools.cache` made: its results, and the function that makes them."""
        self.spaced(value.__dict__, path, self.names, self.entries)
        self.todo.append((value.__wrapped__, path))
        entry = Got(path, path.rpartition(".")[2], value, remembered)
        if entry.value is None or len(entry.value) > ITEMS:
            self.opaque.append((path, value))
            return
        self.entries.append(entry)
        self.todo += [(item, path) for item in entry.value]

    def _array(self, value: np.ndarray[Any, Any], path: str) -> None:
        self.containers[id(value)] = path
        if value.nbytes > BYTES or value.dtype.hasobject:
            self.opaque.append((path, value))
        else:
            self.entries.append(Elements(path, value))
