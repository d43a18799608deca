"""What holds an object, in which another is put for it when a trace is over."""

from __future__ import annotations

import functools
import gc
import sys
from collections import deque
from types import CellType, FrameType, MemberDescriptorType, TracebackType
from typing import Any, cast


def holders(value: Any) -> list[Any]:
    """What refers to `value`, without the frames of an exception and the caller's own."""
    own = sys._getframe(1).f_locals
    return [
        holder
        for holder in gc.get_referrers(value)
        if not isinstance(holder, (FrameType, TracebackType)) and holder is not own
    ]


def replace(old: Any, new: Any) -> None:
    """Let everything that holds `old`, as far as that can be changed, hold `new`."""
    for holder in holders(old):
        put(holder, old, new)


def put(holder: Any, old: Any, new: Any) -> None:
    """Replace `old` in a dict, a set, a list, a variable, an object's attributes; a tuple by another in all that holds
    that."""
    if isinstance(holder, (tuple, frozenset)):
        _put_another(holder, old, new)
    elif isinstance(holder, (list, deque)):
        for i, value in enumerate(holder):
            if value is old:
                holder[i] = new
    elif isinstance(holder, set):
        holder.remove(old)
        holder.add(new)
    elif isinstance(holder, CellType):
        holder.cell_contents = new
    elif isinstance(holder, functools.partial) and holder.args is old:
        cast(Any, holder).__setstate__((holder.func, new, holder.keywords, holder.__dict__))
    elif isinstance(holder, BaseException) and holder.args is old:
        holder.args = new
    else:
        _put_into(holder if isinstance(holder, dict) else getattr(holder, "__dict__", {}), old, new)
        for base in type(holder).__mro__:
            for member in base.__dict__.values():
                if isinstance(member, MemberDescriptorType) and _held_in(member, holder) is old:
                    member.__set__(holder, new)


def _held_in(slot: MemberDescriptorType, holder: Any) -> Any:
    try:
        return slot.__get__(holder)
    except AttributeError:  # an empty one
        return None


def _put_into(table: dict[Any, Any], old: Any, new: Any) -> None:
    for key, value in table.items():
        if value is old:
            table[key] = new
    if any(key is old for key in table):
        items = [(new if key is old else key, value) for key, value in table.items()]
        table.clear()
        table.update(items)


def _put_another(holder: Any, old: Any, new: Any) -> None:
    base: Any = tuple if isinstance(holder, tuple) else frozenset  # whose __new__ is not the user's
    made = base.__new__(type(holder), [new if item is old else item for item in holder])
    replace(holder, made)
