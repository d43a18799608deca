"""Time per training step of LeNet on a GPU: with and without CUDA graphs, against PyTorch. `make bench-cuda`.

Every side is a process of its own with the same weights and batches. They take turns, a round of steps each, so that
a change of clock or load meets all of them; the figure is the median of the rounds. First all train a few steps, and
their losses must agree. Results go to benchmarks/results/cuda.json, with the date and the device.
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import lenet

RESULTS = Path(__file__).parent / "results" / "cuda.json"
LR, MOMENTUM = 0.01, 0.9
SHAPES = {
    **{"conv1.weight": (6, 1, 5, 5), "conv1.bias": (6,), "conv2.weight": (16, 6, 5, 5), "conv2.bias": (16,)},
    **{"fc1.weight": (120, 400), "fc1.bias": (120,), "fc2.weight": (84, 120), "fc2.bias": (84,)},
    **{"fc3.weight": (10, 84), "fc3.bias": (10,)},
}
AGREE_STEPS, AGREE = 5, 5e-3  # steps compared, and how far losses may differ (TF32 rounds to 10 bits)
SIDES = ("lenetc", "lenetc without graphs", "torch eager", "torch reduce-overhead")
Step = Callable[[], Any]


def data(batch: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, 1, 32, 32)).astype(np.float32), rng.integers(0, 10, batch)


def weights() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    limits = {
        name: 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1 for name, shape in SHAPES.items()
    }
    return {
        name: rng.uniform(-limits[name], limits[name], SHAPES[name]).astype(np.float32) for name in SHAPES
    }


def ours(
    side: str, precision: str, device: str, batch: int, fed: bool
) -> tuple[Step, Callable[[Any], float]]:
    import lenetc
    import lenetc.nn.functional as F
    from lenetc.data import prefetch
    from lenetc.lenet import LeNet

    lenetc.set_float32_matmul_precision(precision)
    net = LeNet()
    net.load_state_dict({name: lenetc.from_numpy(value) for name, value in weights().items()})
    optimizer = lenetc.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM)

    def train(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    step = lenetc.compile(train, device=device, cuda_graphs=side == "lenetc")
    host = data(batch)
    given = host if fed or device == "cpu" else next(prefetch([host], device=device))
    if device == "cuda":
        obstacles = step.lower(*given).obstacles
        assert not obstacles, obstacles
    return lambda: step(*given), lambda loss: float(loss.item())


def pytorch(
    side: str, precision: str, device: str, batch: int, fed: bool
) -> tuple[Step, Callable[[Any], float]]:
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = precision != "highest"

    net = lenet(nn)
    net.load_state_dict({name: torch.from_numpy(value) for name, value in weights().items()})
    net.to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM, fused=side != "torch eager")

    def forward(images: Any, labels: Any) -> Any:
        return F.cross_entropy(net(images), labels)

    if side == "torch reduce-overhead":
        forward = torch.compile(forward, mode="reduce-overhead")
    host = tuple(map(torch.from_numpy, data(batch)))
    if device == "cuda":
        host = tuple(x.pin_memory() for x in host)
    resident = tuple(x.to(device) for x in host)

    def step() -> Any:
        images, labels = (x.to(device, non_blocking=True) for x in host) if fed else resident
        optimizer.zero_grad()
        loss = forward(images, labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, lambda loss: float(loss.item())


def worker(pipe: Any, side: str, precision: str, device: str, batch: int, fed: bool) -> None:
    """Serve ("losses", n) and ("time", n) until None comes; an error goes back as its text."""
    try:
        make = ours if side.startswith("lenetc") else pytorch
        start = time.perf_counter()
        step, value = make(side, precision, device, batch, fed)
        pipe.send(("ready", [value(step()) for _ in range(AGREE_STEPS)], time.perf_counter() - start))
        while (count := pipe.recv()) is not None:
            start = time.perf_counter()
            for _ in range(count):
                last = step()
            value(last)  # waits for the device
            pipe.send((time.perf_counter() - start) / count)
    except Exception as error:
        pipe.send(("failed", f"{type(error).__name__}: {error}", 0.0))


def compare(
    sides: tuple[str, ...], precision: str, device: str, batch: int, fed: bool, rounds: int, steps: int
) -> dict[str, Any]:
    """Median time per step of each side, in µs, and what the sides that failed said."""
    context = multiprocessing.get_context("spawn")
    pipes, processes, row = (
        {},
        {},
        {"precision": precision, "batch": batch, "fed": fed, "sides": {}, "failed": {}},
    )
    losses = {}
    for side in sides:
        here, there = context.Pipe()
        processes[side] = context.Process(
            target=worker, args=(there, side, precision, device, batch, fed), daemon=True
        )
        processes[side].start()
        there.close()
        kind, found, seconds = here.recv()
        if kind == "failed":
            row["failed"][side] = found
            continue
        pipes[side], losses[side] = here, found
        row["sides"][side] = {"first_steps_s": round(seconds, 2)}
    first = next(iter(losses), None)
    for side, found in losses.items():
        if not np.allclose(found, losses[first], rtol=AGREE, atol=1e-4):
            for pipe in pipes.values():
                pipe.send(None)
            raise SystemExit(f"the losses do not agree: {first} {losses[first]}, {side} {found}")
    times: dict[str, list[float]] = {side: [] for side in pipes}
    for number in range(rounds + 1):
        for side, pipe in pipes.items():
            pipe.send(steps)
            seconds = pipe.recv()
            if number:  # the first round warms up
                times[side].append(seconds * 1e6)
    for side, pipe in pipes.items():
        pipe.send(None)
        processes[side].join()
        found = times[side]
        row["sides"][side] |= {
            "us": round(statistics.median(found), 1),
            "spread_us": [round(min(found), 1), round(max(found), 1)],
        }
    return row


def machine(device: str) -> dict[str, Any]:
    """What the figures are of."""
    from importlib.metadata import PackageNotFoundError, version

    def installed(*names: str) -> str:
        for name in names:
            try:
                return version(name)
            except PackageNotFoundError:
                continue
        return "absent"

    gpu = "none"
    if device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        gpu = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "device": gpu,
        "python": platform.python_version(),
        "onnxruntime": installed("onnxruntime-gpu", "onnxruntime"),
        "torch": installed("torch"),
    }


def shown(row: dict[str, Any]) -> str:
    feed = "fed from the host" if row["fed"] else "resident"
    parts = [f"{row['precision']:>8} batch {row['batch']:>5} {feed:18}"]
    parts += [f"{side} {figures['us']:8.1f} µs" for side, figures in row["sides"].items()]
    parts += [f"{side}: {why}" for side, why in row["failed"].items()]
    return "  ".join(parts)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda", description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 1024, 8192])
    parser.add_argument("--precisions", nargs="+", default=["highest", "high"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100, help="of a round")
    parser.add_argument("--sides", nargs="+", default=SIDES, choices=SIDES)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="cpu tries out the script")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    if options.device == "cuda":
        from lenetc import cuda

        if why := cuda.missing():
            sys.exit(f"nothing was measured: {why}")
    result: dict[str, Any] = {"machine": machine(options.device), "rounds": options.rounds, "rows": []}
    for precision in options.precisions:
        for batch in options.batches:
            for fed in (False, True):
                row = compare(
                    tuple(options.sides), precision, options.device, batch, fed, options.rounds, options.steps
                )
                result["rows"].append(row)
                print(shown(row), flush=True)
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(
                    json.dumps(result, indent=1) + "\n"
                )  # what there is, if a later row fails


if __name__ == "__main__":
    main()
