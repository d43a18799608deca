"""`python -m benchmarks`: LeNet's training step, ours against PyTorch eager, batch by batch.

Both sides run in processes of their own with one thread for each core, which is their default. Rounds
alternate between them; what is reported is the median over rounds, the spread, and the ratio of the medians.
Before anything is timed both must compute the same losses.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.workers import SIDES, serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64, 256, 1024])
    parser.add_argument("--optimizers", nargs="+", choices=("sgd", "adam"), default=["sgd"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="a side and round")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/lenet.json"))
    options = parser.parse_args()
    console = Console()
    rows = [row for optimizer in options.optimizers for row in measure(optimizer, options, console)]
    table = Table(title=f"LeNet training step, {os.cpu_count()} cores, median of {options.rounds} rounds")
    for column in (
        "optimizer",
        "batch",
        "lenetc µs",
        "spread",
        "PyTorch eager µs",
        "spread",
        "PyTorch / lenetc",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        a, b = row["lenetc"], row["pytorch"]
        spreads = [f"{min(x):,.0f}-{max(x):,.0f}" for x in (a, b)]
        table.add_row(
            row["optimizer"], str(row["batch"]), f"{statistics.median(a):,.0f}", spreads[0],
            f"{statistics.median(b):,.0f}", spreads[1], f"{row['ratio']:.2f}x",
        )  # fmt: skip
    console.print(table)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        json.dumps({"date": str(date.today()), "machine": machine(), "rows": rows}, indent=2) + "\n"
    )
    console.print(f"written to {options.out}")


def measure(optimizer: str, options: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """One row for each batch size: µs a step of both sides, round by round, and the ratio of medians."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for side in SIDES:
        pipes[side], theirs = context.Pipe()
        process = context.Process(target=serve, args=(side, optimizer, _weights(), theirs))
        process.start()
        processes.append(process)
    rows = []
    for batch in options.batches:
        losses = {side: _ask(pipe, ("losses", batch, 5)) for side, pipe in pipes.items()}
        np.testing.assert_allclose(
            losses["lenetc"], losses["pytorch"], rtol=1e-4, err_msg=f"batch {batch}: other losses"
        )
        times: dict[str, list[float]] = {side: [] for side in SIDES}
        for _ in range(options.rounds):
            for side, pipe in pipes.items():
                times[side].append(_ask(pipe, ("time", batch, options.seconds)))
        ratio = statistics.median(times["pytorch"]) / statistics.median(times["lenetc"])
        rows.append({"optimizer": optimizer, "batch": batch, **times, "ratio": ratio})
        console.print(f"{optimizer}, batch {batch}: {ratio:.2f}x")
    for pipe in pipes.values():
        pipe.send(None)
    for process in processes:
        process.join()
    return rows


def _ask(pipe: Any, request: Any) -> Any:
    pipe.send(request)
    return pipe.recv()


def _weights() -> dict[str, np.ndarray[Any, Any]]:
    """PyTorch's default initialization, from a fixed seed, so that both sides start alike."""
    from lenetc import random
    from lenetc.lenet import LeNet

    random.manual_seed(0)
    return {name: value.detach().numpy() for name, value in LeNet().state_dict().items()}


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next(
            (line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line),
            model,
        )
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "system": platform.system(),
    }


if __name__ == "__main__":
    main()
