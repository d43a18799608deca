"""Numbers given to a compiled function: floats that are inputs of its program, and know whether somebody looked.

What only tensor operations use is fed at each run, so that a new value costs nothing. Code that looks (a comparison,
Python's arithmetic, formatting, a key of a dict) may have done something else for another value: the program is then
for this value alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ir.node import Node
from ir.op import leaf
from ir.types import DType, Type, f32, f64
from lenetc.evaluation.cell import Context

_UNTOUCHED = frozenset(
    (
        "__class__ __new__ __init__ __getattribute__ __setattr__ __delattr__ __init_subclass__ "
        "__subclasshook__ __dir__ __sizeof__ __doc__ __reduce__ __reduce_ex__ __getnewargs__ "
        "__array_priority__ __copy__ __deepcopy__ __getformat__ __setformat__ __class_getitem__ "
        "__getstate__ __setstate__ __slots__ __dict__ __weakref__ __module__ __buffer__ fromhex "
        "__array_namespace__"
    ).split()
)


_OVER = object()  # for the trace of what is kept beyond it


class Scalar:
    """Base of the numbers below. value: as it was given; path: the argument's name; nodes: the inputs it became, by
    dtype."""

    value: Any
    path: str
    trace: Any
    nodes: dict[DType, Node]
    is_looked_at: bool

    def look(self) -> Any:
        """The number itself, for code that wants to see it."""
        self.is_looked_at = True
        return self.value

    def end(self) -> None:
        """Be an input of no program from now on."""
        self.trace, self.nodes = _OVER, {}

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*(x.look() if isinstance(x, Scalar) else x for x in inputs), **kwargs)

    def __node__(self, dtype: DType) -> Node | None:
        """The program's input for it, for an operation of `dtype`; None for a number that is not of this trace."""
        if Context.trace is not self.trace or not dtype.is_float:
            return None
        kind = f64 if dtype is f64 else f32
        if kind not in self.nodes:
            label = self.path if not self.nodes else f"{self.path}_{kind.name}"
            self.nodes[kind] = leaf(label, Type(kind, ()), "hyper")
        return self.nodes[kind]

    def __reduce__(self) -> Any:
        return type(self.value), (self.value,)

    def __copy__(self) -> Any:
        return self.look()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.look()


@functools.cache
def _class_for(kind: type) -> type:
    """A subclass of `kind`, a type of floating point numbers, that notes every look."""

    # NumPy takes the first base for what the memory holds, so that ours comes second, and its methods are repeated.
    fields: dict[str, Any] = {name: member for name, member in vars(Scalar).items() if callable(member)}
    fields["__hash__"] = _looking(kind, "__hash__")
    for name in dir(kind):
        if name in _UNTOUCHED or name in fields:
            continue
        member = getattr(kind, name)
        fields[name] = _looking(kind, name) if callable(member) else property(_reading(name))
    return type(kind.__name__, (kind, Scalar), fields)


def _looking(kind: type, name: str) -> Callable[..., Any]:
    function = getattr(kind, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if args and getattr(args[0], "__lenetc_tensor__", False):
            return NotImplemented  # the tensor's own operator takes it as an input
        plain = self.look()
        others = [arg.look() if isinstance(arg, Scalar) else arg for arg in args]
        return getattr(plain, name)(*others, **kwargs)

    method.__name__ = name
    method.__doc__ = function.__doc__
    return method


def _reading(name: str) -> Callable[[Any], Any]:
    return lambda self: getattr(self.look(), name)


_KINDS = (float, np.float64, np.float32, np.float16)


def is_float(value: Any) -> bool:
    """Whether an argument is a number that can be an input: a float, NumPy's included."""
    return type(value) in _KINDS


def scalar_of(value: Any, path: str, trace: Any) -> Any:
    """`value` for the function that is being traced as `trace`."""
    kind = _class_for(cast(Any, type(value)))
    made: Any = kind.__new__(kind, value)
    made.value, made.path, made.trace, made.nodes, made.is_looked_at = value, path, trace, {}, False
    return made


def look(data: Any) -> None:
    """Note for every number in `data`, nested lists and tuples of them, that its value is looked at."""
    if isinstance(data, Scalar):
        data.look()
    elif type(data) in (list, tuple):
        for item in data:
            look(item)


def plain(value: Any) -> Any:
    """`value` without what only a trace needs."""
    return value.value if isinstance(value, Scalar) else value
