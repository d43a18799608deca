"""Functions that somebody wants to have called, in order, until they take them off again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from lenetc.evaluation.watched import Watched

Hook: TypeAlias = Callable[..., Any]


class Hooks:
    """Hooks in the order in which they are called."""

    def __init__(self) -> None:
        self.hooks: Watched[RemovableHandle, Hook] = Watched()

    def __iter__(self) -> Iterator[Hook]:
        return iter(list(self.hooks.values()))

    def add(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        handle = RemovableHandle(self.hooks)
        others = dict(self.hooks) if prepend else {}
        for key in others:
            del self.hooks[key]
        self.hooks[handle] = hook
        self.hooks.update(others)
        return handle


class RemovableHandle:
    """Takes a hook off (torch.utils.hooks.RemovableHandle); as a context, at its end."""

    def __init__(self, hooks: Watched[RemovableHandle, Hook]) -> None:
        self._hooks = hooks

    def remove(self) -> None:
        self._hooks.pop(self, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()
