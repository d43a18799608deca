"""Prepared runs: inputs and outputs bound once."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ir.types import Array
from lenetc.runtime.memory import BF16, Value, empty, to_device

if TYPE_CHECKING:
    from lenetc.runtime.session import Session


class Binding:
    """Inputs and outputs bound once, for a run that costs a feed and nothing else."""

    def __init__(self, session: Session, inputs: Mapping[str, Value], outputs: Mapping[str, Value]) -> None:
        self._session = session
        self._io = session.io_binding()
        # The runtime does not keep bound values alive.
        self._inputs: dict[str, Value | Array] = {}
        self._outputs: dict[str, Value] = {}
        self._holders = 0  # references to a result that are our own and the runtime's
        for name, value in inputs.items():
            self.feed(name, value)
        for name, value in outputs.items():
            self.receive(name, value)

    def feed(self, name: str, value: Value | Array) -> None:
        """Bind an input: an array on the host, or a value on the device. What is bound already costs nothing."""
        if self._inputs.get(name) is value:
            return
        if isinstance(value, np.ndarray) and value.dtype == BF16:
            value = to_device(value, "cpu")
        if isinstance(value, np.ndarray):
            self._io.bind_cpu_input(name, value)
        else:
            self._io.bind_ortvalue_input(name, value)
        self._inputs[name] = value

    def receive(self, name: str, value: Value) -> None:
        """Bind an output."""
        self._io.bind_ortvalue_output(name, value)
        self._outputs[name] = value

    def received(self, shapes: Mapping[str, tuple[Sequence[int], np.dtype[Any]]]) -> list[Value]:
        """Memory bound to outputs of these shapes and dtypes: that of the last run of this binding, unless
        somebody still holds it."""
        values = []
        for name, (shape, dtype) in shapes.items():
            value = self._outputs.get(name)
            if value is None or sys.getrefcount(value) > self._holders:
                value = empty(shape, dtype, self._session.device)
                self.receive(name, value)
                self._holders = sys.getrefcount(value)
            values.append(value)
        return values

    def start(self) -> None:
        """What can begin before `run`: nothing here, where there is one program and it runs on the caller's thread."""

    def run(self) -> None:
        self._session.execute(self._io)

    def release(self) -> None:
        """Give up what the runtime keeps for this binding beyond its memory: nothing."""
