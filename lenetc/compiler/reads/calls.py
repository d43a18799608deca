"""What a call of a C function may do: only compute a value, change what it is called on, or more than that."""

from __future__ import annotations

import builtins
import collections
import re
from types import BuiltinFunctionType, GeneratorType, ModuleType
from typing import Any

import numpy as np

# What an object is called by is another thing for each that an argument may be.
BY_OBJECT = frozenset(("id", "hash"))
_EFFECTS = BY_OBJECT | frozenset(
    (
        "print input open exec eval compile __import__ next anext setattr delattr globals vars locals "
        "breakpoint __build_class__"
    ).split()
)
_PURE_BUILTINS = frozenset(
    value
    for name, value in vars(builtins).items()
    if isinstance(value, BuiltinFunctionType) and name not in _EFFECTS
) | {builtins.__build_class__, builtins.vars, builtins.locals}
_PURE_MODULES = frozenset(
    ("math", "cmath", "_functools", "_operator", "_collections", "_bisect", "itertools", "_json")
)
_IMPURE_OPERATORS = frozenset(("setitem", "delitem"))
_PURE_TYPES = (
    str,
    bytes,
    int,
    float,
    complex,
    tuple,
    range,
    frozenset,
    slice,
    np.generic,
    np.dtype,
    np.ufunc,
    re.Pattern,
    re.Match,
    type(None),
)
# Methods of containers and arrays that change nothing.
_READING = frozenset(
    (
        "copy count index get items keys values union intersection difference issubset issuperset "
        "isdisjoint symmetric_difference fromkeys mro"
    ).split()
)
_WRITING_ARRAYS = frozenset(("fill sort put itemset resize partition setfield setflags").split())
_FILES_OF_ARRAYS = frozenset(("tofile", "dump", "fromfile"))
_OF_CLASSES = frozenset(("fromkeys mro __new__ __prepare__ maketrans fromhex from_bytes").split())
# Of the pure functions, those that never look at the value of a number that they are given.
BLIND = frozenset(
    (
        "len isinstance issubclass hasattr getattr callable id iter append extend insert items keys values "
        "get copy update add appendleft setdefault pop sum max min abs round sorted any all hash format "
        "pow divmod __build_class__ join startswith endswith split lower upper strip replace dir"
    ).split()
)

PURE, CHANGE, EFFECT = range(3)


def kind_of_call(function: Any) -> int:
    """What a call of `function`, which is of C, does: CHANGE where its method changes a container or an array."""
    name, owner = function.__name__, getattr(function, "__self__", None)
    if owner is None or isinstance(owner, ModuleType):
        if owner is builtins:
            return PURE if function in _PURE_BUILTINS else EFFECT
        module = getattr(function, "__module__", None) or ""
        is_pure = (module in _PURE_MODULES and name not in _IMPURE_OPERATORS) or (
            module.startswith("numpy")
            and not module.startswith("numpy.random")
            and name not in _FILES_OF_ARRAYS
        )
    elif isinstance(owner, type):
        is_pure = name in _OF_CLASSES
    elif isinstance(owner, (*_PURE_TYPES, GeneratorType)):
        is_pure = True
    elif isinstance(owner, np.ndarray):
        if name in _WRITING_ARRAYS:
            return CHANGE
        is_pure = name not in _FILES_OF_ARRAYS
    elif isinstance(owner, (list, dict, set, collections.deque, bytearray)):
        return PURE if name in _READING else CHANGE
    else:
        is_pure = name in _READING
    return PURE if is_pure else EFFECT
