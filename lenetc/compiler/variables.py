"""The Python values that a traced function names: its closure, globals, and plain attributes of `self`.

A trace takes them for constants, so a program fits only while they are what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CellType, CodeType, FunctionType
from typing import Any

from lenetc.tensors.tensor import Tensor

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_ABSENT = object()


def state_of(value: Any) -> Any:
    """What tells `value` from another: of numbers, strings, and tuples and dicts of them, type and value; of a
    tensor, its storage; of anything else, which object it is."""
    if isinstance(value, _PLAIN):
        return type(value), value
    if type(value) is tuple:
        return tuple([state_of(item) for item in value])
    if type(value) is dict:
        return [(key, state_of(item)) for key, item in value.items()]
    return _Same(value._cell if isinstance(value, Tensor) else value)


class _Same:
    """Equal to another of the same object, which it keeps alive so that its identity stays its own."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    __hash__ = None  # type: ignore[assignment]


class Variables:
    """Where a function, and the functions of its file that it names, find their closure and globals."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._readers: list[tuple[dict[str, Any] | CellType, str]] = []
        self._seen: set[Any] = set()
        self._follow(getattr(function, "__func__", function), vars(getattr(function, "__self__", object)))
        self.states = self._read()
        self._same: list[tuple[CellType, Any]] = []
        self._named: list[tuple[dict[str, Any], str, Any]] = []
        self._rest: list[tuple[dict[str, Any] | CellType, str, Any]] = []

    def _follow(self, function: Any, attributes: Any) -> None:
        if not isinstance(function, FunctionType) or function in self._seen:
            return
        self._seen.add(function)
        code, names = function.__code__, set(_names(function.__code__))
        found: list[tuple[Any, str]] = []
        if isinstance(attributes, dict):
            found += [(attributes, name) for name in sorted(names & attributes.keys())]
        found += [(function.__globals__, name) for name in sorted(names & function.__globals__.keys())]
        found += [(cell, "") for _, cell in zip(code.co_freevars, function.__closure__ or (), strict=True)]
        self._readers += found
        for owner, name in found:
            value = _value(owner, name)
            value = getattr(value, "function", value)  # of a function compiled in its turn
            if isinstance(value, FunctionType) and value.__globals__ is function.__globals__:
                self._follow(value, None)

    def _read(self) -> list[Any]:
        return [state_of(_value(owner, name)) for owner, name in self._readers]

    def keep_unchanged(self) -> None:
        """Forget those that have changed since: what the function itself assigns says nothing about the outside."""
        now = self._read()
        kept = [i for i, (a, b) in enumerate(zip(self.states, now, strict=True)) if a == b]
        self._readers = [self._readers[i] for i in kept]
        self.states = [self.states[i] for i in kept]
        for (owner, name), state in zip(self._readers, self.states, strict=True):
            value = _value(owner, name)
            if isinstance(value, (Tensor, tuple, dict)) or value is _ABSENT:
                self._rest.append((owner, name, state))
            elif isinstance(owner, dict):
                self._named.append((owner, name, value))
            else:
                self._same.append((owner, value))

    def hold(self) -> bool:
        """Whether all are what they were. Most are the very same objects, which is quick to see."""
        try:
            for cell, value in self._same:
                if cell.cell_contents is not value:
                    return self._read() == self.states
        except ValueError:  # a variable that was deleted
            return False
        for owner, name, value in self._named:
            if owner.get(name, _ABSENT) is not value:
                return self._read() == self.states
        return not [name for place, name, state in self._rest if state_of(_value(place, name)) != state]


def _names(code: CodeType) -> Iterator[str]:
    """Global and attribute names that `code` uses, functions defined in it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _value(owner: dict[str, Any] | CellType, name: str) -> Any:
    if isinstance(owner, dict):
        return owner.get(name, _ABSENT)
    try:
        return owner.cell_contents
    except ValueError:  # a variable that is assigned later
        return _ABSENT
