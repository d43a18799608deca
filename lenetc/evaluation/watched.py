"""Dicts that tell compiled functions when they change: the parts of modules, the state of optimizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from lenetc.evaluation.cell import Counts

K = TypeVar("K")
V = TypeVar("V")


class Watched(dict[K, V], Generic[K, V]):
    """A dict every change of which counts up `Counts.epoch`."""

    def __reduce__(self) -> Any:
        return type(self), (), None, None, iter(self.items())

    def __copy__(self) -> Any:
        return type(self)(self)

    def copy(self) -> dict[K, V]:
        return dict(self)


def _counting(name: str) -> Callable[..., Any]:
    change = getattr(dict, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        Counts.epoch += 1
        return change(self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = change.__doc__
    return method


for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(Watched, _name, _counting(_name))


class State(Watched[Any, dict[str, Any]]):
    """The state of an optimizer by parameter: a new dict for one that has none, as in collections.defaultdict."""

    def __missing__(self, key: Any) -> dict[str, Any]:
        made: Watched[str, Any] = Watched()
        self[key] = made
        return made

    def __setitem__(self, key: Any, value: dict[str, Any]) -> None:
        Counts.epoch += 1
        super().__setitem__(key, value if isinstance(value, Watched) else Watched(value))
