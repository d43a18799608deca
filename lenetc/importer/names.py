"""Names: picked by patterns, close ones for those that nothing has, and such as Python takes."""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from typing import TypeAlias

from lenetc.importer.errors import OnnxError

# Names: one, several, patterns of them (`fc.*`, as in shells), or a function that says whether it is meant.
Names: TypeAlias = str | Iterable[str] | Callable[[str], bool]


def is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def closest(name: str, known: Iterable[str]) -> str:
    """What there is instead of `name`, as the end of a sentence."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 3, 0.5) or [n for n in names if name and name in n][:3]
    if close:
        return f"; did you mean {' or '.join(map(repr, close))}?"
    shown = ", ".join(map(repr, names[:6])) + (" ..." if len(names) > 6 else "")
    return f"; there are {shown}" if names else "; there are none"


def need(name: str, known: Collection[str], what: str) -> None:
    """Raises OnnxError where `name` is not among those that are `known`."""
    if name not in known:
        raise OnnxError(f"{what}: the file has no {name!r}{closest(name, known)}")


def listed(names: str | Iterable[str], what: str) -> list[str]:
    """One name or several as a list. what: the argument, for errors. Raises OnnxError for what is neither."""
    if isinstance(names, str):
        return [names]
    if not isinstance(names, Iterable):
        raise OnnxError(f"{what} is of names, not {names!r}")
    found = list(names)
    for name in found:
        if not isinstance(name, str):
            raise OnnxError(f"{what} is of names and patterns, not of {type(name).__name__}")
    return found


def selected(wanted: Names, known: Collection[str], what: str) -> tuple[set[str], set[str]]:
    """Of the `known` names those that `wanted` has itself, and those that a pattern or a function of it means.

    what: the argument, for errors. Raises OnnxError for names and patterns that nothing has.
    """
    if callable(wanted):
        return set(), {name for name in known if wanted(name)}
    exact, matched = set(), set()
    for item in listed(wanted, what):
        if item in known:
            exact.add(item)
            continue
        found = {name for name in known if fnmatchcase(name, item)} if is_pattern(item) else set()
        if not found:
            raise OnnxError(
                f"{what}: the file has nothing that {item!r} means{closest(item.strip('*.'), known)}"
            )
        matched |= found
    return exact, matched


def identifiers(names: Iterable[str]) -> list[str]:
    """`names` as Python and named tuples allow them, all different: "input.1" is input_1."""
    found: dict[str, None] = {}
    for name in names:
        plain = re.sub(r"\W", "_", name).lstrip("_") or "value"
        plain = f"v{plain}" if plain[0].isdigit() else plain
        plain = f"{plain}_" if keyword.iskeyword(plain) or plain == "self" else plain
        found[free(plain, found)] = None
    return list(found)


def free(name: str, taken: Collection[str]) -> str:
    """`name`, or with a number behind it where it is taken."""
    candidate, n = name, 2
    while candidate in taken:
        candidate, n = f"{name}_{n}", n + 1
    return candidate
