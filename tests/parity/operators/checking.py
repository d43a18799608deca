"""What is wrong with one name of the database, over all its entries and samples, or over some of each."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ir.errors import UnsupportedError
from tests.parity.operators import running
from tests.parity.operators.database import DTYPES, Foreign, Translation, function_of, infos, samples
from tests.parity.operators.skipped import reason_for


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


@functools.cache
def refusal(name: str) -> str | None:
    """What the name says where it is there and refuses; None where it computes."""
    for info in infos()[name]:
        function = function_of(info)
        assert function is not None
        for dtype in ("f32", "i64"):
            for sample in samples(info, dtype, False):
                if reason_for(info, sample, dtype) is not None:
                    continue
                translate = Translation()
                try:
                    args, kwargs = translate([sample.input, *sample.args]), translate(sample.kwargs)
                    running.leaves(function(*args, **kwargs))
                except UnsupportedError as error:
                    return str(error).splitlines()[0]
                except (Foreign, Exception):
                    return None
                return None
    return None


def failures(name: str, depth: Depth) -> list[running.Failure]:
    """[] where all is as in PyTorch, or where the name is refused altogether."""
    if refusal(name) is not None:
        return []
    found: list[running.Failure] = []
    for info in infos()[name]:
        for dtype in DTYPES:
            found += running.failures(info, dtype, getattr(depth, dtype))
        found += [] if found else running.compiled_failures(info, "f32", depth.compiled)
        found += running.variant_failures(info, count=depth.variants)
        found += running.error_failures(info)
    return found
