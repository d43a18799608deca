"""Kinds of objects: which are followed in what way, which are what they are, and what is asked of each."""

from __future__ import annotations

import abc
import collections
import datetime
import decimal
import enum
import fractions
import functools
import gc
import operator
import os
import pathlib
import re
import sys
import sysconfig
import threading
import types
import typing
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

import numpy as np

from ir.dims import Poly
from ir.node import Graph, Node
from ir.types import DType, Type
from lenetc.compiler.reads.entries import ABSENT
from lenetc.compiler.reads.names import names_of
from lenetc.evaluation.cell import Cell
from lenetc.evaluation.tracing import is_ours
from lenetc.nn.modules.module import Module
from lenetc.tensors.tensor import Tensor

ITEMS = 512  # of a container that is compared at every call
BYTES = 2**16  # of an array that is
OBJECTS = 5_000  # in all
ASSUMED = 500  # functions that are taken to run before anything has
LIBRARY = sysconfig.get_paths()["stdlib"] + os.sep  # the folder of Python's own
PACKAGES = ("lenetc", "ir", "passes")
# Methods of the user's that this package calls of its own accord.
CALLED = frozenset(("forward", "backward", "setup_context"))
# Names by which code reaches attributes that it does not name.
EVERYTHING = frozenset(
    ("__dict__", "attrgetter", "getmembers", "asdict", "astuple", "__getstate__", "__reduce_ex__")
)
# What types are written with: objects of C since Python 3.12, which `type X = ...` made the last of.
_OF_TYPES = tuple(
    vars(typing)[name]
    for name in ("TypeVar", "ParamSpec", "TypeVarTuple", "TypeAliasType")
    if name in vars(typing)
)
# Objects that are what they are, or whose change is the effect of a call of a C function; not those of classes that the
# user derives from theirs.
LEAVES = (
    *(
        types.BuiltinFunctionType,
        types.WrapperDescriptorType,
        types.MethodDescriptorType,
    ),
    *(
        types.ClassMethodDescriptorType,
        types.GetSetDescriptorType,
        types.MemberDescriptorType,
        types.CodeType,
        type(
            vars(collections.namedtuple("_Record", "field"))["field"]
        ),  # what gives a field of a named tuple
    ),
    *(
        np.ufunc,
        np.dtype,
        type(np.sum),
        DType,
        Type,
        Poly,
        Node,
        Graph,
        enum.Enum,
        re.Pattern,
        pathlib.PurePath,
    ),
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, decimal.Decimal, fractions.Fraction),
    *(
        type(threading.Lock()),
        type(threading.RLock()),
        types.GenericAlias,
        types.UnionType,
        types.NotImplementedType,
        *_OF_TYPES,
    ),
)
STANDARD_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
CACHED = type(functools.lru_cache(len))
CONTAINERS = (list, tuple, dict, set, frozenset, collections.deque, bytearray, types.MappingProxyType)


# What optimizers have themselves: looked at apart.
OF_OPTIMIZERS = frozenset(
    ("param_groups", "state", "defaults", "_step_count", "_dynamic", "_leaves", "_trace")
)


def is_ours_type(kind: type) -> bool:
    """Whether a class is of this package."""
    return module_of(kind).partition(".")[0] in PACKAGES


def module_of(kind: type | FunctionType) -> str:
    """The module that a class or function is of; "" where code of no module has made it."""
    return str(getattr(kind, "__module__", ""))


def is_of_others(kind: type | FunctionType) -> bool:
    """Whether a function, or the methods of a class, are neither the user's nor C's: what they read is named in no code
    that is looked at."""
    root = module_of(kind).partition(".")[0]
    return root in PACKAGES or root == "numpy" or root in sys.stdlib_module_names


def is_installed(module: ModuleType) -> bool:
    """Whether a module is not the user's own: of Python's library, of this package, of one that was installed."""
    root = module.__name__.partition(".")[0]
    file = getattr(module, "__file__", None) or ""
    return root in sys.stdlib_module_names or root in PACKAGES or "site-packages" in file


def is_users_function(value: Any) -> bool:
    """Whether a value in a module of this package's is a function that somebody has put there."""
    return type(value) is FunctionType and not is_ours(value.__code__.co_filename)


def is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


CLASS_FIELDS = frozenset(
    ("__init_subclass__", "__subclasshook__", "__class__", "__weakref__", "__dict__", "__doc__")
)
# Names by which Python itself runs what a class defines, whether it does or not.
SPECIAL = frozenset(
    f"__{name}__"
    for name in (
        "call getattr getattribute setattr delattr get set delete len bool iter next reversed contains getitem "
        "setitem delitem missing eq ne lt le gt ge hash str repr format int float complex index round trunc floor "
        "ceil abs neg pos invert enter exit new init del instancecheck subclasscheck class_getitem dir bytes "
        "length_hint matmul array array_ufunc array_function array_interface fspath await aiter anext match_args"
    ).split()
) | frozenset(
    f"__{side}{name}__"
    for name in "add sub mul truediv floordiv mod divmod pow lshift rshift and or xor matmul".split()
    for side in ("", "r", "i")
)
# Operators by name: `float.__mul__(k, 2)` is a call that neither Python tells nor the number itself sees.
OPERATORS = SPECIAL & {name for kind in (int, float) for name in vars(kind)} - {"__new__", "__getattribute__"}
# What a handler of a logger writes to, which it does not read.
NOT_READ = frozenset(("stream",))
# What modules keep for themselves: no result depends on it.
BOOKKEEPING = frozenset(
    ("_parameters", "_buffers", "_modules", "_names", "_non_persistent_buffers_set", "_hooks")
)
# What a function has beside its attributes.
OF_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    f"__{name}__": operator.attrgetter(f"__{name}__")
    for name in ("defaults", "kwdefaults", "annotations", "code", "closure", "globals")
}
# Functions of Python's library that read attributes which the code that calls them does not name.
READ_BY = {"fields": "__dataclass_fields__", "get_type_hints": "__annotations__"}


code_of = operator.attrgetter("__code__")
digits_of = operator.methodcaller("get_int_max_str_digits")
call_of, step_of = operator.attrgetter("__call__"), operator.attrgetter("step")
mro_of = operator.attrgetter("__mro__")


def compares(code: CodeType) -> bool:
    """Whether code of the user's tells numbers and containers apart by `is`."""
    return names_of(code).compares and not code.co_filename.startswith((LIBRARY, "<frozen"))


def tells_numbers(code: CodeType) -> bool:
    """Whether code may tell a number from what stands for it during a trace."""
    return names_of(code).asks_kind or compares(code)


def requires_grad_of(tensor: Tensor) -> bool:
    return tensor.requires_grad


def hooks_of(tensor: Tensor) -> tuple[int, ...]:
    """The numbers of the hooks of a leaf, which no two share."""
    return (*(tensor.hooks or ()), *(tensor.after_grad or ()))


def storage_of(tensor: Tensor) -> tuple[Cell, Type]:
    """Which storage a tensor shows, and of what type: `.data` may be given other."""
    return tensor._cell, tensor._cell.type


def cells_of(table: dict[str, Tensor | None]) -> tuple[Any, ...]:
    return tuple((name, None if tensor is None else tensor._cell) for name, tensor in table.items())


def fields_of(value: Any) -> Any:
    """The attributes of an object, whatever it answers itself."""
    try:
        return object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None


def part_of(value: Any, name: str) -> Any:
    """An attribute of an object, or a part of a module, found without running code of the user's; else ABSENT."""
    fields = fields_of(value)
    if type(fields) is not dict:
        return ABSENT
    tables = (fields, fields.get("_modules") or {}) if isinstance(value, Module) else (fields,)
    return next((table[name] for table in tables if name in table), ABSENT)


def getter_of_fields(kind: type) -> Callable[[Any], Any]:
    """What does the same for instances of `kind`, quickly where it can."""
    return _fields if cast(Any, kind).__getattribute__ is object.__getattribute__ else fields_of


_fields = operator.attrgetter("__dict__")


def remembered(function: Any) -> tuple[Any, ...] | None:
    """What a cached function has in store, arguments and results. None where the interpreter does not tell."""
    held = gc.get_referents(function)
    tables = [item for item in held if type(item) is dict and item is not function.__dict__]
    if len(tables) != 1 or len(tables[0]) != function.cache_info().currsize:
        return None
    stored = (item for item in (*held, *tables[0].values()) if item is not function.__wrapped__)
    return tuple(item for item in stored if type(item) is not dict and not isinstance(item, type))


def named_as(value: Any) -> tuple[Any, ...]:
    """The names and words that a function or a class has, beside what it does."""
    return tuple(getattr(value, name, None) for name in WORDS)


WORDS = ("__name__", "__qualname__", "__doc__", "__module__")


def said(error: BaseException) -> tuple[Any, ...]:
    """What an exception holds that is no attribute of Python's."""
    return error.args, error.__cause__, error.__context__


def parts_of(partial: functools.partial[Any]) -> tuple[Any, ...]:
    return partial.func, partial.args, partial.keywords


def registered(kind: type) -> object:
    """What changes whenever any abstract class takes another in."""
    return abc.get_cache_token()


def solid(kind: type) -> type:
    """The innermost class of C that instances of `kind` have memory of: object, where there is no other."""
    for base in kind.__mro__:
        if is_of_c(base):
            return object if base is types.SimpleNamespace or issubclass(base, BaseException) else base
    return object


@functools.cache
def is_of_c(kind: type) -> bool:
    """Whether a class is not made by a class statement: its methods are of C."""
    if not kind.__flags__ & (1 << 9):  # Py_TPFLAGS_HEAPTYPE
        return True
    return any(
        getattr(member, "__objclass__", None) is kind or getattr(member, "__self__", None) is kind
        for member in vars(kind).values()
        if isinstance(
            member, (types.MethodDescriptorType, types.WrapperDescriptorType, types.BuiltinFunctionType)
        )
    )


def nested(code: CodeType) -> Iterable[CodeType]:
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield part
            yield from nested(part)


@functools.cache
def library_names(kind: type) -> frozenset[str]:
    """The attributes that the methods of this package, but those of Module itself, and of Python's library read of
    instances of `kind`."""
    found: set[str] = set()
    for base in kind.__mro__:
        if is_of_others(base) and not is_of_c(base) and base not in Module.__mro__:
            for member in vars(base).values():
                member = getattr(member, "__func__", getattr(member, "fget", member))
                if isinstance(member, FunctionType):
                    for code in (member.__code__, *nested(member.__code__)):
                        found |= names_of(code).attributes
    return frozenset(found)
