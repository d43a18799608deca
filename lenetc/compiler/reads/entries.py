"""What a trace has read: each entry knows where a value stands, and whether it is still what it was.

Values are told apart by identity, which is quick to see; numbers, strings and tuples of them by type and value where
that differs; small containers and arrays by what they hold.
"""

from __future__ import annotations

import collections
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from operator import is_
from types import CellType, MappingProxyType
from typing import Any, cast

import numpy as np

from ir.types import Array
from lenetc.evaluation.watched import Watched

PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), range, slice)
ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "nothing"})()


def is_plain(value: Any) -> bool:
    """Whether `value` is told from others by type and value: a number, a string, None, a tuple of such."""
    if type(value) is tuple or type(value) is frozenset:
        return all(map(is_plain, value))
    return type(value) in PLAIN or isinstance(value, np.generic)


# Plain values that are equal where what they hold is equal, of whatever type that is.
PARTS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    complex: operator.attrgetter("real", "imag"),
    slice: operator.attrgetter("start", "stop", "step"),
    frozenset: lambda items: tuple(sorted((type(item).__name__, repr(item)) for item in items)),
}


def same(a: Any, b: Any) -> bool:
    """Whether two values are one object, or plain ones that nothing tells apart."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if type(a) is tuple:
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) in PARTS:
        return same(PARTS[type(a)](a), PARTS[type(b)](b))
    if type(a) is float:
        return (a == b and math.copysign(1.0, a) == math.copysign(1.0, b)) or (a != a and b != b)
    if isinstance(a, np.generic):
        return bool(a.tobytes() == b.tobytes())
    return is_plain(a) and bool(a == b)


class Entry:
    """One thing that was read. path: how a reader would write it, e.g. "self.scale"; name: its last name; is_pinned:
    whether an equal number or text that is another object counts as a change."""

    __slots__ = ("is_pinned", "name", "path")

    def __init__(self, path: str, name: str) -> None:
        self.path, self.name, self.is_pinned = path, name, False

    def holds(self) -> bool:
        """Whether what was read is what it was."""
        raise NotImplementedError

    def key(self) -> Any:
        """What tells it from other entries of its kind."""
        return id(self)

    def change(self) -> tuple[str, str]:
        """The path and the last name of what is no longer what it was."""
        return self.path, self.name

    def is_filled(self) -> bool:
        """Whether something has come where nothing was, as happens in the first of many calls."""
        return False


class Named(Entry):
    """A name in a namespace: of globals, of an object, of a class. Its absence counts as well."""

    __slots__ = ("space", "value")

    def __init__(self, path: str, name: str, space: Mapping[str, Any]) -> None:
        super().__init__(path, name)
        self.space = space
        self.value = space.get(name, ABSENT)

    def holds(self) -> bool:
        now = self.space.get(self.name, ABSENT)
        return now is self.value or (not self.is_pinned and same(now, self.value))

    def key(self) -> Any:
        return id(self.space), self.name

    def is_filled(self) -> bool:
        return self.value is ABSENT or self.value is None


class Several(Entry):
    """Names in a namespace that hardly ever change, compared in one go, and how many there are besides."""

    __slots__ = ("get", "names", "size", "space", "value")

    def __init__(self, path: str, space: Mapping[str, Any], names: Sequence[str]) -> None:
        super().__init__(path, path)
        self.space, self.names, self.size = space, names, len(space)
        self.get = operator.itemgetter(*names) if names else len
        self.value = self.get(space)

    def holds(self) -> bool:
        try:
            return len(self.space) == self.size and bool(self.get(self.space) == self.value)
        except LookupError:
            return False

    def key(self) -> Any:
        return id(self.space), *self.names


class Variable(Entry):
    """A variable of an enclosing function."""

    __slots__ = ("cell", "value")

    def __init__(self, path: str, cell: CellType) -> None:
        super().__init__(path, path)
        self.cell = cell
        self.value = self._now()

    def _now(self) -> Any:
        try:
            return self.cell.cell_contents
        except ValueError:  # not assigned yet, or deleted
            return ABSENT

    def holds(self) -> bool:
        now = self._now()
        return now is self.value or (not self.is_pinned and same(now, self.value))

    def key(self) -> Any:
        return id(self.cell)

    def is_filled(self) -> bool:
        return self.value is ABSENT or self.value is None


class Got(Entry):
    """What a function of an object gives: a slot, its class, the options of an optimizer's group."""

    __slots__ = ("get", "owner", "value")

    def __init__(self, path: str, name: str, owner: Any, get: Callable[[Any], Any]) -> None:
        super().__init__(path, name)
        self.owner, self.get = owner, get
        self.value = self._now()

    def _now(self) -> Any:
        try:
            return self.get(self.owner)
        except (AttributeError, LookupError):
            return ABSENT

    def holds(self) -> bool:
        now = self._now()
        return now is self.value or (not self.is_pinned and same(now, self.value))

    def key(self) -> Any:
        return id(self.owner), self.name

    def is_filled(self) -> bool:
        return self.value is ABSENT or self.value is None


class Is(Got):
    """The same, where it never fails and its being another object tells all: a class, the code of a function."""

    __slots__ = ()


class Which(Entry):
    """Which of the names that matter a namespace has. Of a large one only its size and its last name are looked at."""

    __slots__ = ("found", "shown", "space", "wanted")

    def __init__(self, path: str, space: Mapping[str, Any], wanted: frozenset[str] | None) -> None:
        super().__init__(path, path.rpartition(".")[2])
        self.space, self.wanted = space, wanted
        self.found, self.shown = self._now(), self._shown()

    @property
    def is_small(self) -> bool:
        """Whether `shown` is all of its names."""
        return type(self.shown) is list

    def _shown(self) -> Any:
        return (
            [*self.space]
            if len(self.space) <= _NAMES
            else (len(self.space), next(reversed(cast(Any, self.space))))
        )

    def _now(self) -> Any:
        return frozenset(self.space) if self.wanted is None else self.wanted & self.space.keys()

    def holds(self) -> bool:
        shown = self._shown()
        if shown == self.shown:
            return True
        if self._now() != self.found:
            return False
        self.shown = shown
        return True

    def key(self) -> Any:
        return id(self.space), self.wanted

    def change(self) -> tuple[str, str]:
        name = min(self.found ^ self._now(), default=self.name)
        return f"{self.path}.{name}", name

    def is_filled(self) -> bool:
        return bool(self.found < self._now())


_NAMES = 32  # of a namespace that are compared one by one


class Bare(Entry):
    """Of many objects, mostly tensors, that none of them has got an attribute of the user's own."""

    __slots__ = ("spaces",)

    def __init__(self, path: str) -> None:
        super().__init__(path, "an attribute")
        self.spaces: list[dict[str, Any]] = []

    def holds(self) -> bool:
        return not any(self.spaces)


class Items(Entry):
    """What a list, a deque, a dict or a set holds, in order."""

    __slots__ = ("container", "keys", "values")

    def __init__(self, path: str, container: Any) -> None:
        super().__init__(path, path.rpartition(".")[2])
        self.container = container
        self.keys, self.values = held(container)

    def holds(self) -> bool:
        keys, values = held(self.container)
        if len(values) != len(self.values):
            return False
        return _alike(keys, self.keys, self.is_pinned) and _alike(values, self.values, self.is_pinned)

    def key(self) -> Any:
        return id(self.container)

    def is_filled(self) -> bool:
        # The parts of a module, the state of an optimizer.
        return isinstance(self.container, Watched) and len(self.container) > len(self.keys)


def _alike(a: tuple[Any, ...], b: tuple[Any, ...], is_pinned: bool) -> bool:
    return all(map(is_, a, b)) or (not is_pinned and all(map(same, a, b)))


def held(container: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Keys, of a dict, and values, whatever a subclass makes of them."""
    kind = type(container)
    if issubclass(kind, collections.OrderedDict):  # whose order is its own
        keys = (*collections.OrderedDict.__iter__(container),)
        return keys, (*(dict.__getitem__(container, key) for key in keys),)
    if issubclass(kind, dict):
        return (*dict.keys(container),), (*dict.values(container),)
    if kind is MappingProxyType:
        return (*container,), (*container.values(),)
    base = next(base for base in _SEQUENCES if issubclass(kind, base))
    return (), (*base.__iter__(container),)


_SEQUENCES: tuple[Any, ...] = (list, tuple, collections.deque, set, frozenset)


class Elements(Entry):
    """The values of a small NumPy array."""

    __slots__ = ("array", "kind", "values")

    def __init__(self, path: str, array: Array) -> None:
        super().__init__(path, path.rpartition(".")[2])
        self.array = array
        self.kind, self.values = _kind(array), array.tobytes()

    def holds(self) -> bool:
        return _kind(self.array) == self.kind and self.array.tobytes() == self.values


def _kind(array: Array) -> tuple[Any, ...]:
    return array.dtype, array.shape, array.strides, array.flags.writeable
