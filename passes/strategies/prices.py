"""What the choice of strategies asks for: the cost of each candidate, measured where it is known, else estimated.

A price has a key, a line of text that says what was measured: op, strategy, block, types of the operands,
attributes, threads. `Measured` holds costs by key. `Prices` looks them up, falls back to the model's estimate
(`passes.strategies.costs`), and can note what it was asked for, with the small graphs that measure it (`Probe`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ir.node import Graph
from passes.target import Measured


@dataclass(frozen=True)
class Probe:
    """How to measure one price: `share` of what `graph` takes longer than `without` (None: an empty graph).

    estimate: what the model says, in µs. group: probes of one group compete with each other.
    """

    key: str
    group: str
    estimate: float
    graph: Callable[[], Graph]
    without: Callable[[], Graph] | None = None
    share: float = 1.0


class Prices:
    """Costs in µs of runs with a number of threads. With `asking`, `asked` collects probes for what is not known."""

    def __init__(self, measured: Measured | None, threads: int, asking: bool = False) -> None:
        self.threads = threads
        self.costs: Mapping[str, float] = {} if measured is None else measured.costs
        self.scale = 1.0 if measured is None else measured.scale
        self.asking = asking
        self.asked: dict[str, Probe] = {}
        self.needed = asking or measured is not None

    def of(self, key: Callable[[], str], estimate: float, probe: Callable[[str], Probe]) -> float:
        """The measured cost under `key()`, else the estimate as it is on this machine."""
        if not self.needed:
            return estimate
        name = f"{key()} on {self.threads} threads"
        found = self.costs.get(name)
        if found is not None:
            return found
        if self.asking and name not in self.asked:
            self.asked[name] = probe(name)
        return estimate * self.scale
