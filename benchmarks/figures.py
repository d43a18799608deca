"""From the times of single rounds to what is reported."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.peers import BASELINE

Row = dict[str, Any]


def summary(times: Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    if len(times) == 1:
        return {"median_us": times[0], "low_us": times[0], "high_us": times[0]}
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
    return {"median_us": middle, "low_us": low, "high_us": high}


def ratio(row: Row, peer: str, to: str) -> float | None:
    """How many times as fast as `to` a peer is: quotient of the medians; None where one was not timed."""
    times = [row["peers"].get(name, {}).get("median_us") for name in (to, peer)]
    return times[0] / times[1] if all(times) else None


def yardstick(results: dict[str, Any]) -> str:
    """The peer that the others are compared with: PyTorch eager, or whoever is first where it was not asked for."""
    return BASELINE if BASELINE in results["peers"] else next(iter(results["peers"]))


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def deviation(losses: Sequence[float], reference: Sequence[float]) -> float:
    """The largest relative difference of two runs' losses; infinite where one is not a number."""
    worst = 0.0
    for ours, theirs in zip(losses, reference, strict=True):
        off = abs(ours - theirs) / max(abs(theirs), 1e-12)
        worst = max(worst, off if off == off else float("inf"))
    return worst


def compile_seconds(setup: float, first_steps: Sequence[float], step: float) -> float:
    """What the first three steps take beyond three steps: some compile in the first, some in the second."""
    return max(0.0, setup + sum(first_steps[:3]) - len(first_steps[:3]) * step)
