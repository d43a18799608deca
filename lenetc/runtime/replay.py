"""Runs that CUDA replays: the first run of a binding is captured as a CUDA graph, later ones start it as a whole.

A graph has the addresses of its memory built in, so whatever a replayed run reads or writes stays where it is: what is
fed is copied into it, results are copied out of it. State changes places between two memories, so there are two
graphs, one for each way round.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lenetc.runtime.binding import Binding
from lenetc.runtime.memory import Value, empty, overwrite

if TYPE_CHECKING:
    from ir.types import Array
    from lenetc.runtime.session import Session


class Replay(Binding):
    """Inputs and outputs in memory of their own, and the number of the CUDA graph over them.

    The runtime executes the first run three times (twice to allocate, once to capture and replay); as no run writes
    what it reads, that changes nothing.
    """

    def __init__(
        self, session: Session, inputs: Mapping[str, Value], outputs: Mapping[str, Value], number: int
    ) -> None:
        super().__init__(session, inputs, outputs)
        self.number = number
        self._handed: dict[str, Value] = {}

    def feed(self, name: str, value: Value | Array) -> None:
        """Copy `value` to where the graph reads the input; all inputs are bound from the start."""
        memory = self._inputs.get(name)
        if memory is None:
            super().feed(name, value)
        elif memory is not value:
            assert not isinstance(memory, np.ndarray)
            overwrite(memory, value)

    def received(self, shapes: Mapping[str, tuple[Sequence[int], np.dtype[Any]]]) -> list[Value]:
        """Memory that will hold the results after the run: that of the last run, unless somebody still holds it."""
        for name, (shape, dtype) in shapes.items():
            if name not in self._outputs:
                self.receive(name, empty(shape, dtype, self._session.device))
            if name not in self._handed or sys.getrefcount(self._handed[name]) > 2:
                self._handed[name] = empty(shape, dtype, self._session.device)
        return list(self._handed.values())

    def run(self) -> None:
        self._session.execute(self._io, self.number)
        for name, value in self._handed.items():
            overwrite(value, self._outputs[name])

    def release(self) -> None:
        """Drop the captured graph; the next run captures again."""
        self._session.release(self.number)
