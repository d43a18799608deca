"""What can be read of a class: its bases, its metaclass, the names in each of them."""

from __future__ import annotations

import abc
import decimal
import enum
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import TYPE_CHECKING, Any

from lenetc.compiler.reads.entries import Got, Is, Named, Several, Which
from lenetc.compiler.reads.kinds import (
    CLASS_FIELDS,
    SPECIAL,
    WORDS,
    is_of_c,
    is_of_others,
    is_ours_type,
    is_special,
    module_of,
    mro_of,
    named_as,
    registered,
)
from lenetc.evaluation.tracing import is_ours
from lenetc.tensors.tensor import Tensor

if TYPE_CHECKING:
    from lenetc.compiler.reads.follow import Followed


def follow_class(followed: Followed, kind: type, path: str) -> None:
    made = type(kind)
    if made is not type and module_of(made) not in ("abc", "enum", "typing"):
        followed.entries.append(Is(path, "__class__", kind, type))
        follow_class(followed, made, path)
    for base in kind.__mro__:
        if module_of(base) in ("typing", "abc"):
            continue
        if is_ours_type(base):
            if id(base) not in followed.seen or base is kind:
                followed.seen[id(base)] = base
                _put_into(followed, base, path)
            continue
        if base is decimal.Decimal:  # computes by a context of the thread's
            followed.opaque.append((path, base))
        if is_of_c(base):  # its attributes never change
            followed.looks |= module_of(base) != "builtins"
            continue
        if id(base) in followed.seen and base is not kind:
            continue
        followed.seen[id(base)] = base
        space, is_users = base.__dict__, not is_of_others(base)
        has_all = followed.everything or base in followed.asked_kinds or id(base) in followed.asked
        wanted = followed.names | {key for key in space if is_special(key) and key not in CLASS_FIELDS}
        followed.entries.append(Which(path, space, None if is_users and has_all else wanted | SPECIAL))
        if is_users and followed.names & set(WORDS):
            followed.entries.append(Got(path, "__name__", base, named_as))
        followed.entries.append(Is(path, "__mro__", base, mro_of))
        if isinstance(base, abc.ABCMeta):  # which may take in any class
            followed.entries.append(Got(path, "register", base, registered))
        for key, value in (*space.items(),):
            is_run = is_special(key) and key not in CLASS_FIELDS and (callable(value) or key in SPECIAL)
            is_read = key in followed.names or (is_users and (is_run or (has_all and not is_special(key))))
            if is_read:
                followed.entries.append(Named(f"{path}.{key}", key, space))
            if is_read or is_run:
                followed.todo.append((value, f"{path}.{key}"))
        if issubclass(base, enum.Enum):
            followed.todo.append((base._member_map_, path))


def _put_into(followed: Followed, base: type, path: str) -> None:
    """What the user has put into a class of this package, and into Tensor over its own. Where code asks whether there
    is something, its absence counts as well."""
    space = base.__dict__
    own = []
    names = set(followed.names & space.keys())
    if base in followed.asked_kinds:
        names |= {key for key in space if not is_special(key) and not _is_of_this_package(space[key])}
    for key in names:
        if _is_of_this_package(space[key]):
            own.append(key)
        else:
            followed.entries.append(Named(f"{path}.{key}", key, space))
            followed.todo.append((space[key], f"{path}.{key}"))
    if base is Tensor:
        followed.entries.append(Several(path, space, sorted(own)))
    if followed.asks_whether:
        followed.entries.append(Which(path, space, followed.names))


def _is_of_this_package(member: Any) -> bool:
    """Whether a member of a class is a method, a property or a slot that the package defines."""
    function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
    function = getattr(function, "func", function)  # of a partialmethod or a cached_property
    if isinstance(function, FunctionType):
        return is_ours(function.__code__.co_filename)
    return isinstance(function, (MemberDescriptorType, GetSetDescriptorType))
