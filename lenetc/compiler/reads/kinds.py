"""Kinds of objects: which are followed in what way, which are what they are, and what is asked of each."""

from __future__ import annotations

import abc
import collections
import datetime
import decimal
import enum
import fractions
import functools
import io
import pathlib
import re
import threading
import types
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from ir.dims import Poly
from ir.node import Graph, Node
from ir.types import DType, Type
from lenetc.compiler.reads.names import names_of
from lenetc.nn.modules.module import Module
from lenetc.tensors.tensor import Tensor

ITEMS = 512  # of a container that is compared at every call
BYTES = 2**16  # of an array that is
OBJECTS = 5_000  # in all
ASSUMED = 500  # functions that are taken to run before anything has
PACKAGES = ("lenetc", "ir", "passes")
# Names by which code reaches attributes that it does not name.
EVERYTHING = frozenset(
    ("__dict__", "attrgetter", "getmembers", "asdict", "astuple", "__getstate__", "__reduce_ex__")
)
# Objects that are what they are, or whose change is the effect of a call of a C function.
LEAVES = (
    *(
        types.BuiltinFunctionType,
        types.WrapperDescriptorType,
        types.MethodWrapperType,
        types.MethodDescriptorType,
    ),
    *(
        types.ClassMethodDescriptorType,
        types.GetSetDescriptorType,
        types.MemberDescriptorType,
        types.CodeType,
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
    *(io.IOBase, type(threading.Lock()), type(threading.RLock()), types.GenericAlias, types.UnionType),
)
CACHED = type(functools.lru_cache(len))
CONTAINERS = (list, tuple, dict, set, frozenset, collections.deque, bytearray, types.MappingProxyType)


# What optimizers have themselves: looked at apart.
OF_OPTIMIZERS = frozenset(
    ("param_groups", "state", "defaults", "_step_count", "_dynamic", "_leaves", "_trace")
)


def is_ours_type(kind: type) -> bool:
    """Whether a class is of this package."""
    return kind.__module__.partition(".")[0] in PACKAGES


def is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


CLASS_FIELDS = frozenset(
    ("__init_subclass__", "__subclasshook__", "__class__", "__weakref__", "__dict__", "__doc__")
)
# What modules keep for themselves: no result depends on it.
BOOKKEEPING = frozenset(
    ("_parameters", "_buffers", "_modules", "_names", "_non_persistent_buffers_set", "_hooks")
)
DEFAULTS: dict[str, Callable[[Any], Any]] = {
    "__defaults__": lambda function: function.__defaults__,
    "__kwdefaults__": lambda function: function.__kwdefaults__,
}


def code_of(function: FunctionType) -> CodeType:
    return function.__code__


def requires_grad_of(tensor: Tensor) -> bool:
    return tensor.requires_grad


def hooks_of(tensor: Tensor) -> tuple[int, ...]:
    """The numbers of the hooks of a leaf, which no two share."""
    return (*(tensor.hooks or ()), *(tensor.after_grad or ()))


def type_of(tensor: Tensor) -> Type:
    return tensor._cell.type


def cells_of(table: dict[str, Tensor | None]) -> tuple[Any, ...]:
    return tuple((name, None if tensor is None else tensor._cell) for name, tensor in table.items())


def fields_of(value: Any) -> Any:
    """The attributes of an object, whatever it answers itself."""
    try:
        return object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None


def remembered(function: Any) -> tuple[int, int]:
    """What tells that a cached function has computed something anew, or has forgotten."""
    info = function.cache_info()
    return info.misses, info.currsize


def mro_of(kind: type) -> tuple[type, ...]:
    """A class and its bases."""
    return kind.__mro__


def registered(kind: type) -> object:
    """What changes whenever any abstract class takes another in."""
    return abc.get_cache_token()


def class_of(value: Any) -> type:
    return type(value)


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
    members = vars(kind)
    return isinstance(members.get("__new__"), types.BuiltinFunctionType) or any(
        isinstance(member, (types.MethodDescriptorType, types.WrapperDescriptorType))
        for member in members.values()
    )


def nested(code: CodeType) -> Iterable[CodeType]:
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield part
            yield from nested(part)


@functools.cache
def library_names(kind: type) -> frozenset[str]:
    """The attributes that the methods of this package read of an instance of `kind`, without those of Module itself."""
    found: set[str] = set()
    for base in kind.__mro__:
        if is_ours_type(base) and base not in Module.__mro__:
            for member in vars(base).values():
                member = getattr(member, "__func__", getattr(member, "fget", member))
                if isinstance(member, FunctionType):
                    found |= names_of(member.__code__).attributes
    return frozenset(found | {"training"})
