"""Everything that a function can read: from it, its arguments and the code that ran, along the names in that code.

An attribute can be read only where some code names it, so that of an object only those count that are named anywhere
in the code that ran. What stands there is followed in turn: containers by what they hold, objects by their attributes,
functions that ran by their closures, defaults and globals. What cannot be followed, such as an iterator or a random
generator of NumPy's, is told by `opaque`.
"""

from __future__ import annotations

import abc
import decimal
import functools
import sys
import types
from collections.abc import Iterable
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, cast

import numpy as np

from lenetc.compiler.reads.entries import (
    ABSENT,
    Bare,
    Elements,
    Entry,
    Got,
    Items,
    Named,
    Variable,
    Which,
    held,
    is_plain,
)
from lenetc.compiler.reads.kinds import (
    ASSUMED,
    BOOKKEEPING,
    BYTES,
    CACHED,
    CLASS_FIELDS,
    CONTAINERS,
    DEFAULTS,
    EVERYTHING,
    ITEMS,
    LEAVES,
    OBJECTS,
    OF_OPTIMIZERS,
    PACKAGES,
    cells_of,
    class_of,
    code_of,
    fields_of,
    hooks_of,
    is_of_c,
    is_ours_type,
    is_special,
    library_names,
    mro_of,
    nested,
    registered,
    remembered,
    requires_grad_of,
    solid,
    type_of,
)
from lenetc.compiler.reads.names import names_of
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.random import Generator
from lenetc.evaluation.tracing import is_ours
from lenetc.nn.modules.hooks import everywhere
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
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
        self._todo: list[tuple[Any, str]] = []
        self._names()

    def _clear(self) -> None:
        self.entries: list[Entry] = []
        self.settled: list[Entry] = []
        self.managed: list[Entry] = []
        self.opaque: list[tuple[str, Any]] = []
        self.tensors: dict[Cell, str] = {}
        self.looks = False
        self.containers: dict[int, str] = {}
        self._bare: Bare | None = None  # of the tensors without attributes of the user's
        self.reached: set[int] = set()
        self._seen: dict[int, Any] = {}  # with the object, whose number would be another's after it

    def _names(self) -> None:
        found = [names_of(code) for code in self.codes.values()]
        self.outer: frozenset[str] = frozenset().union(*(names.outer for names in found))
        # This package calls forward() of its own accord.
        self.names = frozenset(("forward",)).union(*(names.attributes for names in found))
        self.formats = any(names.formats for names in found)
        self.everything = bool((self.names | self.outer) & EVERYTHING or self.outer & {"vars", "dir"})
        # Whether the class of a number may be looked at, which a stand-in would show.
        self.asks_kind = "type" in self.outer or "__class__" in self.names

    def every(self) -> list[Entry]:
        """All entries but those that optimizers manage."""
        return [*self.entries, *self.settled]

    def add(self, value: Any, path: str) -> None:
        """Follow `value`."""
        self._roots.append((value, path))
        self._follow(value, path)
        known = len(self.codes)
        while self.assumes and len(self._seen) <= OBJECTS:
            # Functions that were found bring names, by which more of what was met before can be read.
            self._names()
            self._clear()
            for root, name in self._roots:
                self._follow(root, name)
            if len(self.codes) == known:
                return
            known = len(self.codes)

    def _follow(self, value: Any, path: str) -> None:
        self._todo.append((value, path))
        while self._todo:
            self._one(*self._todo.pop())

    def _one(self, value: Any, path: str) -> None:
        if is_plain(value) or id(value) in self._seen:
            return
        if len(self._seen) > OBJECTS:
            self.opaque.append((path, None))
            self._todo.clear()
            return
        self._seen[id(value)] = value
        kind = type(value)  # not isinstance, which asks the object itself
        if issubclass(kind, Tensor):
            self._tensor(value, path)
        elif kind is Generator:
            self.tensors.update(dict.fromkeys(value.cells(), path))
        elif kind is FunctionType:
            self._function(value, path)
        elif kind is MethodType:
            self._todo += [(value.__self__, path.rpartition(".")[0] or path), (value.__func__, path)]
        elif issubclass(kind, Module):
            self._module(value, path)
        elif issubclass(kind, Optimizer):
            self._optimizer(value, path)
        elif issubclass(kind, LRScheduler) and is_ours_type(kind):
            self._schedule(value, path)
        elif issubclass(kind, ModuleType):
            self._namespace(value, path)
        elif issubclass(kind, type):
            self._class(value, path)
        elif kind is functools.partial:
            self._todo += [
                (value.func, path),
                (value.args, f"{path}.args"),
                (value.keywords, f"{path}.keywords"),
            ]
            self._spaced(value.__dict__, path, self.names, self.entries)
        elif issubclass(kind, (classmethod, staticmethod)):
            self._todo.append((value.__func__, path))
        elif issubclass(kind, property):
            self._todo += [(f, path) for f in (value.fget, value.fset, value.fdel) if f is not None]
        elif issubclass(kind, functools.cached_property):
            self._todo.append((value.func, path))
        elif kind is types.BuiltinFunctionType:
            if value.__self__ is not None and not isinstance(value.__self__, (ModuleType, type)):
                self._todo.append((value.__self__, path))  # the list of a bound append
        elif kind is CACHED:
            self.entries.append(Got(path, path.rpartition(".")[2], value, remembered))
            self._todo.append((value.__wrapped__, path))
        elif issubclass(kind, np.ndarray):
            self._array(value, path)
        elif issubclass(kind, LEAVES) or kind is object:
            pass
        elif is_ours_type(kind) and hasattr(value, "__lenetc_follow__"):
            self._todo.append((value.__lenetc_follow__, path))
            self._spaced(value.__dict__, path, self.names - value.__lenetc_fields__, self.entries)
        elif issubclass(kind, CONTAINERS):
            self._container(value, path)
            if kind not in CONTAINERS:
                self._attributes(value, path)
        elif solid(kind) is object:
            self._attributes(value, path)
        else:
            self.opaque.append((path, value))

    # The kinds.

    def _tensor(self, value: Tensor, path: str) -> None:
        self.tensors.setdefault(value._cell, path)
        self.settled.append(Got(path, "requires_grad", value, requires_grad_of))
        self.settled.append(Got(path, "dtype", value, type_of))
        self.settled.append(Got(path, "hooks", value, hooks_of))
        if value.__dict__:
            self._spaced(value.__dict__, path, None if self.everything else self.names, self.entries)
        else:
            if self._bare is None:
                self._bare = Bare(path)
                self.entries.append(self._bare)
            self._bare.spaces.append(value.__dict__)
        for table in (value.hooks, value.after_grad):
            self._todo += [(hook, f"{path}.hooks") for hook in (table or {}).values()]
        if isinstance(value, Parameter):  # whose own attributes count up the epoch
            self._spaced(value.__dict__, path, self.names, self.settled)

    def _function(self, function: FunctionType, path: str) -> None:
        code = function.__code__
        if is_ours(code.co_filename):
            if hasattr(function, "__wrapped__"):  # of a decorator of ours
                self._todo.append((function.__wrapped__, path))
            return
        self._spaced(function.__dict__, path, self.names, self.entries)
        if id(code) not in self.codes:
            if not self.assumes or len(self.codes) > ASSUMED or "site-packages" in code.co_filename:
                return
            self.codes[id(code)] = code
        inner = [part for part in nested(code) if self.assumes or id(part) in self.codes]
        self.codes.update((id(part), part) for part in inner)
        self.reached.update(map(id, (code, *inner)))
        name = getattr(function, "__name__", path)
        self.entries.append(Got(path, name, function, code_of))
        for part, label in (
            (function.__defaults__, "__defaults__"),
            (function.__kwdefaults__, "__kwdefaults__"),
        ):
            if part:
                self.entries.append(Got(f"{path}.{label}", label, function, DEFAULTS[label]))
                names = (
                    code.co_varnames[: code.co_argcount][-len(part) :]
                    if isinstance(part, tuple)
                    else tuple(part)
                )
                values = part if isinstance(part, tuple) else tuple(part.values())
                if isinstance(part, dict):
                    self.entries.append(Items(path, part))
                self._todo += [(value, key) for key, value in zip(names, values, strict=False)]
        for key, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            entry = Variable(key, cell)
            self.entries.append(entry)
            if entry.value is not ABSENT:
                self._todo.append((entry.value, key))
        self._outer((code, *inner), function.__globals__)

    def _outer(self, codes: Iterable[CodeType], space: dict[str, Any]) -> None:
        """The globals that `codes` name."""
        for key in {name for code in codes for name in names_of(code).outer}:
            entry = Named(key, key, space)
            self.entries.append(entry)
            if entry.value is not ABSENT:
                self._todo.append((entry.value, key))

    def reach(self, ran: Iterable[tuple[CodeType, dict[str, Any]]]) -> None:
        """Follow the globals of code that ran, of functions that no name led to. Their closures are not known."""
        for code, space in ran:
            if id(code) not in self.reached:
                self.reached.add(id(code))
                self._outer((code,), space)
                if code.co_freevars:
                    self.opaque.append((code.co_name, code))
        while self._todo:
            self._one(*self._todo.pop())

    def _module(self, module: Module, path: str) -> None:
        fields = module.__dict__
        for table in ("_parameters", "_buffers", "_modules"):
            held = fields.get(table, {})
            if table == "_buffers":  # an assignment under a trace makes a new tensor of the same cell
                self.settled.append(Got(f"{path}.{table}", table, held, cells_of))
            else:
                self.settled.append(Items(f"{path}.{table}", held))
            self._todo += [(part, f"{path}.{key}") for key, part in held.items() if part is not None]
        self.settled.append(Items(f"{path}.hooks", fields.get("_hooks", {})))
        for name, hooks in (*everywhere.items(), *fields.get("_hooks", {}).items()):
            self.settled.append(Items(f"{path}.{name}", hooks))
            self._todo += [(hook.function, f"{path}.{name}") for hook in hooks.values()]
        kind = type(module)
        wanted = self.names | library_names(cast(Any, kind))
        # A change by assignment counts up the epoch; one of the user's own classes may be made otherwise.
        entries = self.settled if is_ours_type(kind) else self.entries
        self._spaced(fields, path, None if self.everything else wanted, entries, skip=BOOKKEEPING)
        for base in kind.__mro__:
            if is_ours_type(base) and "forward" in base.__dict__:  # which somebody may have replaced
                self.entries.append(Named(f"{path}.forward", "forward", base.__dict__))
                self._todo.append((base.__dict__["forward"], f"{path}.forward"))
        self._class(kind, path)

    def _optimizer(self, optimizer: Optimizer, path: str) -> None:
        self.entries.append(Items(f"{path}.param_groups", optimizer.param_groups))
        for group in optimizer.param_groups:
            self.entries.append(Items(f"{path}.param_groups", group["params"]))
            self._todo.append((group["params"], f"{path}.param_groups"))
        self.managed.append(Items(f"{path}.state", optimizer.state))
        for state in optimizer.state.values():
            self.managed.append(Items(f"{path}.state", state))
            self._todo += [(value, f"{path}.state") for value in state.values() if isinstance(value, Tensor)]
        self.entries.append(Named(f"{path}.param_groups", "param_groups", optimizer.__dict__))
        self.entries.append(Named(f"{path}.state", "state", optimizer.__dict__))
        for hooks in (optimizer._step_pre_hooks, optimizer._step_post_hooks):
            self.settled.append(Items(f"{path}.hooks", hooks.hooks))  # a change of which counts up the epoch
            self._todo += [(hook, f"{path}.hooks") for hook in hooks]
        for group in optimizer.param_groups:
            for key, option in group.items():  # the value of one that is a tensor is state, not an option
                parts = option if isinstance(option, tuple) else (option,)
                if key != "params" and any(isinstance(part, Tensor) for part in parts):
                    self.entries.append(Named(f"{path}.param_groups", key, group))
                    self._todo += [(part, f"{path}.param_groups") for part in parts]
        wanted = self.names
        own = {key for key in optimizer.__dict__ if key in wanted and key not in OF_OPTIMIZERS}
        self._spaced(optimizer.__dict__, path, frozenset(own), self.entries)
        if "state_dict" in wanted or self.everything:
            wanted |= {"param_groups", "state"}
        for key in ("param_groups", "state"):
            if key in wanted:
                self._todo.append((getattr(optimizer, key), f"{path}.{key}"))
        self._class(type(optimizer), path)

    def _schedule(self, schedule: LRScheduler, path: str) -> None:
        """What a step changes is looked at only where somebody else reads it: each call steps it."""
        fields, wanted = schedule.__dict__, self.names
        if wanted & {"get_lr", "state_dict"}:
            wanted |= fields.keys()
        elif "get_last_lr" in wanted:
            wanted |= {"_last_lr"}
        parts = ("optimizer", "_schedulers", "lr_lambdas", "_scale_fn_custom")
        self._todo += [(fields[name], f"{path}.{name}") for name in parts if name in fields]
        self._spaced(fields, path, None if self.everything else wanted - {"optimizer"}, self.entries)

    def _namespace(self, module: ModuleType, path: str) -> None:
        root = module.__name__.partition(".")[0]
        space = vars(module)
        self.looks |= root == "numpy"
        names = self.names & space.keys()
        for key in names:
            value = space[key]
            self.entries.append(Named(f"{path}.{key}", key, space))
            if root not in PACKAGES or isinstance(value, ModuleType):
                self._todo.append((value, f"{path}.{key}"))
        if root not in PACKAGES:
            self.entries.append(Which(path, space, self.names))

    def _class(self, kind: type, path: str) -> None:
        for base in kind.__mro__:
            if base.__module__ in ("typing", "abc") or is_ours_type(base):
                continue
            if base is decimal.Decimal:  # computes by a context of the thread's
                self.opaque.append((path, base))
            if is_of_c(base):  # its attributes never change
                self.looks |= base.__module__ != "builtins"
                continue
            if id(base) in self._seen and base is not kind:
                continue
            self._seen[id(base)] = base
            space = base.__dict__
            self.entries.append(Which(path, space, self.names))
            self.entries.append(Got(path, "__mro__", base, mro_of))
            if isinstance(base, abc.ABCMeta):  # which may take in any class
                self.entries.append(Got(path, "register", base, registered))
            for key, value in (*space.items(),):
                if key in self.names or (is_special(key) and key not in CLASS_FIELDS and callable(value)):
                    if key in self.names:
                        self.entries.append(Named(f"{path}.{key}", key, space))
                    self._todo.append((value, f"{path}.{key}"))

    def _attributes(self, value: Any, path: str) -> None:
        """Those of an object of a class of Python's."""
        kind = type(value)
        fields = fields_of(value)
        self.entries.append(Got(path, "__class__", value, class_of))
        if (
            is_ours_type(kind)
            or kind.__module__.partition(".")[0] in sys.stdlib_module_names
            or self.everything
        ):
            wanted = None  # read by code that is not looked at
        else:
            wanted = self.names
        if isinstance(fields, dict):
            self._spaced(fields, path, wanted, self.entries)
        for base in kind.__mro__:
            for key, member in base.__dict__.items():
                if isinstance(member, types.MemberDescriptorType) and (wanted is None or key in wanted):
                    entry = Got(f"{path}.{key}", key, value, member.__get__)
                    self.entries.append(entry)
                    if entry.value is not ABSENT:
                        self._todo.append((entry.value, f"{path}.{key}"))
        self._class(kind, path)

    def _spaced(
        self,
        space: dict[str, Any],
        path: str,
        wanted: frozenset[str] | None,
        entries: list[Entry],
        skip: frozenset[str] = frozenset(),
    ) -> None:
        entries.append(Which(path, space, None if wanted is None else wanted - skip))
        for key in space.keys() if wanted is None else wanted & space.keys():
            if key not in skip:
                entries.append(Named(f"{path}.{key}", key, space))
                self._todo.append((space[key], f"{path}.{key}"))

    def _container(self, value: Any, path: str) -> None:
        if issubclass(type(value), bytearray) or len(values := (held_ := held(value))[1]) > ITEMS:
            self.opaque.append((path, value))
            return
        self.containers[id(value)] = path
        if not issubclass(type(value), (tuple, frozenset)):
            self.entries.append(Items(path, value))
        keys = held_[0] or range(len(values))
        self._todo += [
            (item, f"{path}[{key!r}]" if is_plain(key) else path)
            for key, item in zip(keys, values, strict=True)
        ]
        self._todo += [(key, path) for key in keys if not is_plain(key)]

    def _array(self, value: np.ndarray[Any, Any], path: str) -> None:
        self.containers[id(value)] = path
        if value.nbytes > BYTES or value.dtype.hasobject:
            self.opaque.append((path, value))
        else:
            self.entries.append(Elements(path, value))
