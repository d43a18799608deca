"""All cases: those generated from places, changes and who changes, and those in `cases`, `training` and `corners`."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.semantics import changes, places
from tests.semantics.case import Case, declared
from tests.semantics.programs import WHO, generated

# Documented refusals among the generated cases: (place, change, who) to words that the message names.
REFUSED: dict[tuple[str, str, str], tuple[str, ...]] = {}

CALLER, COMPILED, AFTER, BEFORE, CALLBACK = WHO
# In every place: a number and a list, by some.
CHANGED_ANYWHERE = (
    (changes.NUMBER, "replaced", CALLER),
    (changes.NUMBER, "added to", COMPILED),
    (changes.NUMBER, "added to", AFTER),
    (changes.LIST, "item set", CALLER),
    (changes.LIST, "appended", CALLBACK),
)
# In these places: values of every kind, changed by the caller.
ANYTHING = (places.CLOSURE, places.MODULE)
# In the main places: these, by everybody.
CHANGED_BY_ALL = (
    (changes.NUMBER, "added to"),
    (changes.BOOL, "flipped"),
    (changes.LIST, "appended"),
    (changes.DICT, "entry set"),
    (changes.TENSOR, "changed in place"),
    (changes.OBJECT, "attribute set"),
)


def table() -> Iterator[Case]:
    """The generated cases."""
    chosen: dict[str, Case] = {}
    for place in places.PLACES:
        for kind, change, who in CHANGED_ANYWHERE:
            _add(chosen, place, kind, change, who)
    for place in ANYTHING:
        for kind in changes.KINDS:
            for change in kind.changes:
                _add(chosen, place, kind, change, CALLER)
    for place in places.MAIN:
        for kind, change in CHANGED_BY_ALL:
            for who in WHO:
                _add(chosen, place, kind, change, who)
    yield from chosen.values()


def _add(chosen: dict[str, Case], place: places.Place, kind: changes.Kind, change: str, who: str) -> None:
    """Add the case, unless nothing can be put into this place, or not by the function."""
    if kind.changes[change][0].startswith("=") and not (
        place.assigned_inside if who.startswith("the function") else place.write
    ):
        return
    refused = REFUSED.get((place.name, f"{kind.name} {change}", who), ())
    case = generated(place, kind, change, who, refused)
    chosen.setdefault(case.name, case)


def written() -> Iterator[Case]:
    """The cases that are written out."""
    for folder in ("cases", "training", "corners"):
        for path in sorted(Path(__file__).parent.glob(f"{folder}/[a-z]*.py")):
            yield from declared(importlib.import_module(f"tests.semantics.{folder}.{path.stem}"))


def all_cases() -> list[Case]:
    cases = [*table(), *written()]
    twice = [name for name, count in Counter(case.name for case in cases).items() if count > 1]
    assert not twice, f"two cases are named {', '.join(twice)}"
    return cases
