"""How these modules are made: what refuses, what gives one answer always, what gives back what it is given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

from ir.errors import UnsupportedError
from lenetc.missing import names_of


def module_at(path: str, doc: str, **members: Any) -> ModuleType:
    """A module `lenetc.path` with these members, which can be imported."""
    made = ModuleType(f"lenetc.{path}", doc)
    made.__dict__.update(members)
    made.__dict__["__getattr__"] = names_of(made.__name__)
    sys.modules[made.__name__] = made
    parent, _, name = path.rpartition(".")
    owner = sys.modules.get(f"lenetc.{parent}")
    if owner is not None and not callable(
        vars(owner).get(name)
    ):  # a function of the module's name stays, as there
        setattr(owner, name, made)
    return made


def refused(what: str, instead: str) -> Callable[..., NoReturn]:
    """A function that raises UnsupportedError whatever it is given. instead: what to use."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedError(f"{what} is not supported: {instead}")

    return refuse


def always(value: Any) -> Callable[..., Any]:
    """A function that returns `value` whatever it is given."""
    return lambda *args, **kwargs: value


def same(function: Any = None, *args: Any, **kwargs: Any) -> Any:
    """`function` itself; as a decorator with options too."""
    return same if function is None else function


@contextmanager
def nothing(*args: Any, **kwargs: Any) -> Iterator[None]:
    """A context that changes nothing."""
    yield
