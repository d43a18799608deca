"""A compiled function in the place of its function: what it has of that one's attributes, and how it is a method."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

# Attributes that are the compiled function's own; all others are those of the function.
_FIELDS = frozenset(
    (
        "function follows strategies tuned cuda_graphs dynamic device arguments _kept _last _codes "
        "_misses _story _sizes _returns_gradients __wrapped__ __doc__ __module__"
    ).split()
)


class Wrapper:
    """Has the attributes of `function`, and takes them for it, but for `_FIELDS`. follows: what is looked into for what
    the function reads."""

    function: Callable[..., Any]
    follows: Any

    @property
    def __lenetc_follow__(self) -> Any:
        return self.follows

    @property
    def __lenetc_fields__(self) -> frozenset[str]:
        return _FIELDS

    def __getattr__(self, name: str) -> Any:
        if name in _FIELDS:  # of one that is just being made
            raise AttributeError(name)
        return getattr(self.function, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIELDS:
            object.__setattr__(self, name, value)
        else:
            setattr(self.function, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.function, name)

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        """As a method, with its object as the first argument."""
        return self if owner is None else BoundFunction(self, owner)


class BoundFunction:
    """A compiled method of one object. function: the `Wrapper` that it is of every object."""

    def __init__(self, function: Any, owner: Any) -> None:
        self.function, self.owner = function, owner

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.owner, *args, **kwargs)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, BoundFunction):
            return NotImplemented
        return self.function is other.function and self.owner is other.owner

    def __hash__(self) -> int:
        return hash((id(self.function), id(self.owner)))

    @property
    def __self__(self) -> Any:
        return self.owner

    @property
    def __func__(self) -> Any:
        return self.function

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.function, name)
        return functools.partial(member, self.owner) if name in ("lower", "scan", "profile") else member

    @property
    def __lenetc_follow__(self) -> Any:
        return self.function, self.owner

    @property
    def __lenetc_fields__(self) -> frozenset[str]:
        return frozenset(self.__dict__)
