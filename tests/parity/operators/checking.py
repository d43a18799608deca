"""What is wrong with one name of the database, over all its entries and samples, or over some of each."""

from __future__ import annotations

from dataclasses import dataclass

from tests.parity.operators import running
from tests.parity.operators.database import DTYPES, function_of, infos


@dataclass(frozen=True)
class Depth:
    """How many samples of an entry are taken, evenly from all; all where it is None."""

    f64: int | None = None
    f32: int | None = None
    i64: int | None = None
    compiled: int | None = None
    variants: int | None = 6


WHOLE = Depth()
QUICK = Depth(f64=8, f32=2, i64=3, compiled=3, variants=2)


def is_missing(name: str) -> bool:
    return any(function_of(info) is None for info in infos()[name])


def failures(name: str, depth: Depth) -> list[running.Failure]:
    """[] where all is as in PyTorch."""
    found: list[running.Failure] = []
    for info in infos()[name]:
        for dtype in DTYPES:
            found += running.failures(info, dtype, getattr(depth, dtype))
        found += [] if found else running.compiled_failures(info, "f32", depth.compiled)
        found += running.variant_failures(info, count=depth.variants)
        found += running.error_failures(info)
    return found
