"""The profile of a compiled function: how long a call takes, and where in the user's code that time goes."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table

from lenetc.files import atomic_write
from lenetc.profiling.kernels import LOOP, RUNTIME, Kernel, Profiled
from lenetc.tables import plain_table, text_of

FORMAT = 1
PHASES = ("forward", "backward", "update")
BETWEEN = "(between kernels)"
_SHOWN = 12  # operators and kernels, in the printed report


@dataclass(frozen=True)
class Row:
    """A part of a profiled call. seconds: in a call; share: of the whole call, 0 to 1; calls: of kernels, in a call;
    gflops: 10⁹ floating-point operations a second, those of matrix products and convolutions, or None without any."""

    seconds: float
    share: float
    calls: float
    gflops: float | None


class Breakdown(Mapping[str, Row]):
    """A profiled call in parts, the longest first; `print` shows it as a table.

    The seconds add up to those of the call: what no kernel took is a part by itself, "(between kernels)".
    """

    def __init__(self, what: str, kernels: Mapping[str, list[Kernel]], total: float) -> None:
        self.what = what
        rows = {name: _row(part, total) for name, part in kernels.items()}
        self._rows = dict(sorted(rows.items(), key=lambda item: -item[1].seconds))
        rest = total - sum(row.seconds for row in rows.values())
        self._rows[BETWEEN] = Row(rest, _share(rest, total), 0, None)

    def __getitem__(self, name: str) -> Row:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __str__(self) -> str:
        return text_of(self)

    __repr__ = __str__

    def __rich__(self) -> Table:
        return self.table()

    def table(self, most: int | None = None) -> Table:
        """As a table, of the `most` longest parts if that is given, and the others together."""
        table = plain_table(self.what, "µs", "share", "calls", "GFLOP/s")
        for name, row in _shortened(self, most):
            table.add_row(escape(name), *_cells(row))
        return table


@dataclass(frozen=True)
class Memory:
    """Bytes. peak: most memory that the process ever had, None where the system does not say; state: parameters,
    buffers and optimizer state, once (those that a call replaces are kept twice); arena: what the runtime holds for
    intermediate values, None where its profile does not say."""

    peak: int | None
    state: int
    arena: int | None


@dataclass(frozen=True)
class Profile:
    """How long calls of a compiled function take, and where the time goes; `print` shows tables.

    function: its name. samples: in a call, the size of the leading axis of its first array (of the first two for a
    scan), or None. times: seconds of each timed call; runtime: those of them that ONNX Runtime took. profiled: calls
    whose kernels were timed one by one, which `by_module` and the like take apart.
    """

    function: str
    device: str
    samples: int | None
    times: tuple[float, ...]
    runtime: tuple[float, ...]
    profiled: Profiled
    memory: Memory

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """In the order they ran."""
        return self.profiled.kernels

    @property
    def median(self) -> float:
        """Seconds of a call: the median."""
        return statistics.median(self.times)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Half of the calls took between these seconds."""
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return low, high

    @property
    def samples_per_second(self) -> float | None:
        return self.samples / self.median if self.samples is not None else None

    @property
    def outside(self) -> float:
        """Share of a call that is not the runtime's: arguments, feeding, handing out results. 0 to 1."""
        return max(0.0, 1 - statistics.median(self.runtime) / self.median)

    @property
    def gflops(self) -> float | None:
        """10⁹ floating-point operations a second, of matrix products and convolutions, over a whole call."""
        flops = sum(kernel.flops for kernel in self.kernels)
        return flops / self.median / 1e9 if flops else None

    @property
    def by_module(self) -> Breakdown:
        """By module path. "(top level)" is what no submodule did, "(optimizer)" the update, "(loop)" what a
        scan takes beside its body, "(runtime)" what the runtime added by itself."""
        return self._by("module", lambda kernel: kernel.module)

    @property
    def by_phase(self) -> Breakdown:
        """By phase: forward, backward, update."""
        return self._by("phase", lambda kernel: kernel.phase)

    @property
    def by_operator(self) -> Breakdown:
        """By the operator that the runtime ran, e.g. MatMul."""
        return self._by("operator", lambda kernel: kernel.operator)

    @property
    def by_line(self) -> Breakdown:
        """By the user's line, as file:line."""
        return self._by("line", lambda kernel: kernel.line or "(none)")

    @property
    def by_kernel(self) -> Breakdown:
        """Every kernel by itself."""
        return self._by("kernel", lambda kernel: kernel.name)

    def _by(self, what: str, key: Callable[[Kernel], str]) -> Breakdown:
        parts: dict[str, list[Kernel]] = {}
        for kernel in self.kernels:
            parts.setdefault(key(kernel), []).append(kernel)
        return Breakdown(what, parts, self.profiled.seconds)

    def to_json(self) -> str:
        """Everything, as JSON: `format` 1, times in seconds, shares from 0 to 1, memory in bytes."""
        low, high = self.quartiles
        kernels = sum(kernel.seconds for kernel in self.kernels)
        contents = {
            "format": FORMAT,
            "function": self.function,
            "device": self.device,
            "samples": self.samples,
            "seconds": {
                "median": self.median,
                "quartiles": [low, high],
                "fastest": min(self.times),
                "calls": len(self.times),
                "outside_runtime": self.outside * self.median,
            },
            "samples_per_second": self.samples_per_second,
            "gflops": self.gflops,
            "memory": asdict(self.memory),
            "profiled": {
                "seconds": self.profiled.seconds,
                "kernels": kernels,
                "between_kernels": self.profiled.seconds - kernels,
                "profiling": self.profiled.profiling,
                "parts": self.profiled.parts,
            },
            **{
                what: {name: asdict(row) for name, row in rows.items()}
                for what, rows in (
                    ("by_module", self.by_module),
                    ("by_phase", self.by_phase),
                    ("by_operator", self.by_operator),
                    ("by_line", self.by_line),
                )
            },
            "kernels": [_described(kernel) for kernel in self.kernels],
        }
        return json.dumps(contents, indent=2) + "\n"

    def save(self, path: str | Path) -> None:
        """Write `to_json()` to a file."""
        atomic_write(Path(path), self.to_json().encode())

    def __str__(self) -> str:
        return text_of(self)

    __repr__ = __str__

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._summary()
        yield self._modules()
        yield self.by_operator.table(_SHOWN)
        yield self._longest()

    def _summary(self) -> Iterator[str]:
        low, high = self.quartiles
        rate = "" if self.samples_per_second is None else f", {self.samples_per_second:,.0f} samples/s"
        rate += f", {self.gflops:,.1f} GFLOP/s" if self.gflops else ""
        yield f"[bold]{escape(self.function)}[/] on {self.device}: [bold]{_micros(self.median)} µs[/] a call{rate}"
        yield (
            f"median of {len(self.times)} calls; half of them took {_micros(low)} to {_micros(high)} µs; "
            f"{self.outside:.1%} of a call is outside of the runtime"
        )
        memory = [f"state {_bytes(self.memory.state)}"]
        if self.memory.arena is not None:
            memory.append(f"intermediate values {_bytes(self.memory.arena)}")
        if self.memory.peak is not None:
            memory.append(f"peak of the process {_bytes(self.memory.peak)}")
        yield f"memory: {', '.join(memory)}"
        yield (
            f"in the runtime: {_micros(statistics.median(self.runtime))} µs; profiled: "
            f"{_micros(self.profiled.seconds)} µs, less {_micros(self.profiled.profiling)} µs for the profiling itself"
        )
        if self.profiled.parts > 1:
            yield f"{self.profiled.parts} parts of the batch run side by side: these are times of all their threads"
        if self.device != "cpu":
            yield "kernels run asynchronously on this device: their times are what starting them takes"

    def _modules(self) -> Table:
        """Modules by phases."""
        spent = dict[tuple[str, str], float]()
        for kernel in self.kernels:
            key = kernel.module, kernel.phase
            spent[key] = spent.get(key, 0.0) + kernel.seconds
        phases = sorted(
            {phase for _, phase in spent}, key=lambda phase: (*PHASES, LOOP, RUNTIME).index(phase)
        )
        table = plain_table("module", *(f"{phase} µs" for phase in phases), "µs", "share", "GFLOP/s")
        for name, row in self.by_module.items():
            cells = [_micros(spent[name, phase]) if (name, phase) in spent else "" for phase in phases]
            table.add_row(escape(name), *cells, _micros(row.seconds), f"{row.share:.1%}", _rate(row.gflops))
        totals = [_micros(self.by_phase[phase].seconds) for phase in phases]
        table.add_row("all", *totals, _micros(self.profiled.seconds), "100.0%", "", style="bold")
        return table

    def _longest(self) -> Table:
        """The kernels that take most of the time, each with what it is."""
        table = plain_table("kernel", "µs", "share", "calls", "GFLOP/s")
        kernels = {kernel.name: kernel for kernel in self.kernels}
        has_lines = any(kernel.line for kernel in self.kernels)
        for name in ("operator", "phase", "line")[: 2 + has_lines]:
            table.add_column(name, no_wrap=True)
        for name, row in _shortened(self.by_kernel, _SHOWN):
            kernel = kernels.get(name)
            if kernel is None:
                table.add_row(name, *_cells(row))
            else:
                line = [escape(Path(kernel.line).name)] if has_lines else []
                table.add_row(escape(_title(kernel)), *_cells(row), kernel.operator, kernel.phase, *line)
        return table


def _title(kernel: Kernel) -> str:
    """The kernel's name, or what it was fused from."""
    made_from = kernel.made_from
    if len(made_from) < 2:
        return kernel.name
    return " + ".join(made_from) if len(made_from) == 2 else f"{made_from[0]} + {len(made_from) - 1} more"


def _shortened(parts: Breakdown, most: int | None) -> Iterator[tuple[str, Row]]:
    """The longest parts, the others as one, and what lies between kernels."""
    rows = [(name, row) for name, row in parts.items() if name != BETWEEN]
    yield from rows[:most]
    if others := [row for _, row in rows[len(rows[:most]) :]]:
        total, share = sum(row.seconds for row in others), sum(row.share for row in others)
        yield f"{len(others)} others", Row(total, share, sum(row.calls for row in others), None)
    yield BETWEEN, parts[BETWEEN]


def _cells(row: Row) -> tuple[str, str, str, str]:
    calls = f"{row.calls:g}" if row.calls else ""
    return _micros(row.seconds), f"{row.share:.1%}", calls, _rate(row.gflops)


def _row(kernels: list[Kernel], total: float) -> Row:
    seconds, flops = sum(k.seconds for k in kernels), sum(k.flops for k in kernels)
    rate = flops / seconds / 1e9 if flops and seconds else None
    return Row(seconds, _share(seconds, total), sum(k.calls for k in kernels), rate)


def _share(seconds: float, total: float) -> float:
    return seconds / total if total else 0.0


def _described(kernel: Kernel) -> dict[str, Any]:
    """A kernel for JSON."""
    return {
        "name": kernel.name,
        "operator": kernel.operator,
        "provider": kernel.provider,
        "made_from": list(kernel.made_from),
        "module": kernel.module,
        "phase": kernel.phase,
        "line": kernel.line,
        "seconds": kernel.seconds,
        "calls": kernel.calls,
        "flops": kernel.flops,
    }


def _micros(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f}"


def _rate(gflops: float | None) -> str:
    return "" if gflops is None else f"{gflops:,.1f}"


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
