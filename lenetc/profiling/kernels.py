"""What the runtime's kernels did: its profile, read and brought back to the user's modules, phases and lines."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ir.node import Where
from passes.emit.origins import Origin

RUNTIME = "(runtime)"  # what the runtime added by itself
LOOP = "(loop)"  # what a Scan takes for itself, without its body's kernels
_LOOPS = ("Scan", "Loop")
_SUFFIX = "_kernel_time"


@dataclass(frozen=True)
class Kernel:
    """One kernel of a compiled program, and what it took in a run, on average.

    operator: ONNX's name, or the runtime's for one that it fused. made_from: the names of the emitted nodes that it
    computes; none where the runtime added it. where: module path, phase and the user's line of the heaviest of them,
    or None. seconds: without those of the kernels in its body, where it is a Scan. calls: more than one in a body.
    flops: floating-point operations of matrix products and convolutions, 0 for other operators.
    """

    name: str
    operator: str
    provider: str
    made_from: tuple[str, ...]
    where: Where | None
    seconds: float
    calls: float
    flops: float

    @property
    def module(self) -> str:
        """The module path. "(top level)": what no submodule did; "(optimizer)": the update; LOOP, RUNTIME."""
        if self.where is None:
            return RUNTIME
        if self.operator in _LOOPS:
            return LOOP
        return self.where.module or ("(optimizer)" if self.where.phase == "update" else "(top level)")

    @property
    def phase(self) -> str:
        """forward, backward, update; LOOP, RUNTIME."""
        return self.module if self.where is None or self.operator in _LOOPS else self.where.phase

    @property
    def line(self) -> str:
        """The user's line as file:line, "" where there is none."""
        where = self.where
        return f"{where.file}:{where.line}" if where is not None and where.file else ""

    @property
    def gflops(self) -> float | None:
        """10⁹ floating-point operations a second, where that is counted."""
        return self.flops / self.seconds / 1e9 if self.flops and self.seconds else None


@dataclass(frozen=True)
class Overhead:
    """What profiling adds to each kernel, in seconds: inside of the time that it gives, and outside of it.

    The runtime stops its clock after it has written down shapes and threads, so the smallest kernel seems to take
    some microseconds.
    """

    inside: float = 0.0
    outside: float = 0.0


@dataclass(frozen=True)
class Profiled:
    """Kernels in the order they ran, averaged over the same runs as the seconds of a whole run.

    seconds: without what profiling itself took, which is in `profiling`. arena: most bytes that the runtime held for
    intermediate values, or None where its profile does not say. parts: how many ran side by side; seconds are of all
    their threads together.
    """

    kernels: tuple[Kernel, ...]
    seconds: float
    profiling: float
    arena: int | None
    parts: int = 1


def read_profile(
    path: Path, origins: Mapping[str, Origin], warm_up: int, overhead: Overhead | None = None
) -> Profiled:
    """The profile that ONNX Runtime wrote to `path`, without its first `warm_up` runs and without `overhead`.

    Averages are over the faster half of the runs, so that what disturbed a run does not count.
    """
    overhead = overhead or Overhead()
    events: list[dict[str, Any]] = json.loads(path.read_bytes())
    runs = sorted((e["ts"], e["dur"]) for e in events if e["name"] == "model_run")[warm_up:]
    fast = sorted(runs, key=lambda run: run[1])[: (len(runs) + 1) // 2]
    starts, kept = [start for start, _ in runs], set(fast)
    first: dict[str, dict[str, Any]] = {}
    micros, calls, flops = Counter[str](), Counter[str](), Counter[str]()
    arena = None
    for event in sorted((e for e in events if e["cat"] == "Node"), key=lambda e: int(e["ts"])):
        run = bisect_right(starts, event["ts"]) - 1
        if not event["name"].endswith(_SUFFIX) or run < 0 or runs[run] not in kept:
            continue
        name, args = event["name"].removesuffix(_SUFFIX), event["args"]
        first.setdefault(name, args)
        micros[name] += event["dur"]
        calls[name] += 1
        flops[name] += flops_of(args)
        if "mem_arena_held" in args:
            arena = max(arena or 0, int(args["mem_arena_held"]))
    own = {name: micros[name] / 1e6 - calls[name] * overhead.inside for name in first}
    for name in first:
        outer = origins.get(name, Origin()).inside
        if outer in own:  # a Scan's time is that of its body's kernels too
            own[outer] -= micros[name] / 1e6 + calls[name] * overhead.outside
    kernels = [
        Kernel(
            name=name,
            operator=args["op_name"],
            provider=args.get("provider", ""),
            made_from=origins.get(name, Origin()).made_from,
            where=origins.get(name, Origin()).where,
            seconds=max(own[name], 0.0) / len(fast),
            calls=calls[name] / len(fast),
            flops=flops[name] / len(fast),
        )
        for name, args in first.items()
    ]
    total = sum(dur for _, dur in fast) / len(fast) / 1e6
    added = calls.total() / len(fast) * (overhead.inside + overhead.outside)
    seconds = max(total - added, sum(kernel.seconds for kernel in kernels))
    return Profiled(tuple(kernels), seconds, total - seconds, arena)


def side_by_side(parts: Sequence[Profiled], joins: Mapping[str, Profiled]) -> Profiled:
    """One profile of programs that run at the same time, each on a thread, and of the two that join what these give:
    to the results and to the new state.

    Equal kernels of the parts, which differ in their samples, become one.
    """
    merged: dict[tuple[object, ...], Kernel] = {}
    for part in parts:
        for kernel in part.kernels:
            key = kernel.name, kernel.operator, kernel.where
            known = merged.get(key)
            merged[key] = (
                kernel
                if known is None
                else replace(
                    known,
                    seconds=known.seconds + kernel.seconds,
                    calls=known.calls + kernel.calls,
                    flops=known.flops + kernel.flops,
                )
            )
    joined = [
        replace(
            kernel, name=f"{label}/{kernel.name}", made_from=tuple(f"{label}/{x}" for x in kernel.made_from)
        )
        for label, join in joins.items()
        for kernel in join.kernels
    ]
    arenas = [one.arena for one in (*parts, *joins.values()) if one.arena is not None]
    return Profiled(
        (*merged.values(), *joined),
        seconds=sum(one.seconds for one in (*parts, *joins.values())),
        profiling=sum(one.profiling for one in (*parts, *joins.values())),
        arena=sum(arenas) if arenas else None,
        parts=len(parts),
    )


def flops_of(args: Mapping[str, Any]) -> int:
    """Two for each multiply-add of a matrix product or a convolution, from the shapes that the profile notes."""
    operator = str(args["op_name"])
    if not any(kind in operator for kind in ("Conv", "MatMul", "Gemm")):
        return 0
    left, right = _shapes(args["input_type_shape"])[:2]
    result = _shapes(args["output_type_shape"])[0]
    if "ConvTranspose" in operator:
        return 2 * math.prod(left) * math.prod(right[1:])
    if "Conv" in operator:
        return 2 * math.prod(result) * math.prod(right[1:])
    # The length of the sums: what is left of an operand's matrix without the result's rows, transposed or not.
    rows = 1 if len(left) == 1 else result[-1] if len(right) == 1 else result[-2]
    return 2 * math.prod(result) * (math.prod(left[-2:]) // rows) if rows else 0


def _shapes(values: Sequence[Mapping[str, list[int]]]) -> list[list[int]]:
    return [shape for value in values for shape in value.values()]
