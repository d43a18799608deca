"""The programs of a compiled function that are kept: which of them a call finds, and which go when there are many."""

from __future__ import annotations

from typing import Any

from lenetc.compiler.guard import Guard
from lenetc.compiler.program import Compilation
from lenetc.compiler.specialization import Specialization
from lenetc.compiler.story import Story

_SPECIALIZATIONS = 8  # programs kept for one signature: train and eval mode, a few phases of a run
_KEYS = 64  # signatures
_TRACED = 8  # programs kept of calls that are traced


class Kept:
    """Programs whose runs stand for calls, by the key of these, and those of calls that had to be traced."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._known: dict[tuple[Any, ...], list[Specialization]] = {}
        self._traced: dict[int, Specialization] = {}  # the latest last

    def every(self) -> list[Specialization]:
        return [found for known in self._known.values() for found in known] + list(self._traced.values())

    def fitting(
        self, key: tuple[Any, ...], leaves: list[Any], values: dict[str, Any]
    ) -> Specialization | None:
        """The program whose run stands for a call of this key; None where there is none."""
        known = self._known.get(key, [])
        for specialization in known:
            guard = specialization.guard
            if guard is not None and guard.fits(leaves, values.values()) and guard.holds():
                return specialization
        self._story.missed(known, leaves)
        for specialization in known:
            if specialization.guard is not None:
                specialization.guard.promote()
        return None

    def add(
        self, specialization: Specialization, guard: Guard, values: dict[str, Any], key: tuple[Any, ...]
    ) -> None:
        """Let runs of the program stand for calls of this key while `guard` holds."""
        specialization.guard = guard
        specialization.kept = values  # what the key tells by its number lives as long as the key
        self._traced.pop(id(specialization.program.compiled), None)
        known = self._known.setdefault(key, [])
        known.append(specialization)
        del known[:-_SPECIALIZATIONS]
        while len(self._known) > _KEYS:
            self._known.pop(next(iter(self._known)))

    def take_traced(self, compiled: Compilation) -> Specialization | None:
        """The program of an earlier call that had to be traced, which is kept no longer."""
        return self._traced.pop(id(compiled), None)

    def add_traced(self, specialization: Specialization) -> None:
        """Keep the program of a call that had to be traced."""
        self._traced[id(specialization.program.compiled)] = specialization
        while len(self._traced) > _TRACED:
            self._traced.pop(next(iter(self._traced)))
