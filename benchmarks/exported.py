"""`python -m benchmarks.exported [NET ...]`: exported files in plain ONNX Runtime, beside the live step and PyTorch.

Each row is one training step on two threads: the compiled step, PyTorch's eager step, and train.onnx as a host runs
it, with the session options that its manifest gives. They take turns, and times are lower quintiles, so that
neighbours on the machine disturb all alike. Other batches than the traced one are compared with a file that was traced
for them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import torch
from rich.console import Console
from rich.table import Table
from safetensors.numpy import load_file

import lenetc
from benchmarks import models
from examples.models.run import load
from lenetc.runtime.denormals import flushed

THREADS = 2
Batch = tuple[Any, ...]


def _classifier(
    make: Callable[[Any], Any], *shape: int, places: tuple[int, ...] = ()
) -> Callable[[str], Any]:
    """A network that is trained by SGD with momentum on a cross-entropy of ten classes, of each of the places. make:
    the network, given the framework."""

    def built(framework: str) -> tuple[Any, Any, Callable[[int], Batch]]:
        library: Any = torch if framework == "torch" else lenetc
        net = make(library)
        optimizer = library.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = library.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        def batch(size: int) -> Batch:
            rng = np.random.default_rng(0)
            return rng.standard_normal((size, *shape), np.float32), rng.integers(0, 10, (size, *places))

        return net, step, batch

    return built


def _example(name: str, **constants: int) -> Callable[[str], Any]:
    """One of the examples, with other values of its constants."""

    def built(framework: str) -> tuple[Any, Any, Callable[[int], Batch]]:
        model = load(name, framework)
        vars(model)["build"].__globals__.update(constants)
        net, step, *_ = model.build()

        def batch(size: int) -> Batch:
            (found,) = model.batches(1)
            repeats = -(-size // len(found[0]))
            return tuple(np.concatenate([part] * repeats)[:size] for part in found)

        return net, step, batch

    return built


NETS: dict[str, tuple[Callable[[str], Any], int]] = {
    "lenet": (_classifier(lambda library: models.lenet(library.nn), 1, 32, 32), 64),
    "lenet1024": (_classifier(lambda library: models.lenet(library.nn), 1, 32, 32), 1024),
    "mlp": (_classifier(lambda library: models.mlp(library.nn), 784), 128),
    "resnet20": (_classifier(lambda library: models.resnet20(library.nn), 3, 32, 32), 32),
    "convs112": (_classifier(lambda library: models.two_convolutions(library.nn), 3, 112, 112), 4),
    "unet": (_example("unet"), 8),
    "unet64": (_classifier(models.unet, 3, 64, 64, places=(64, 64)), 8),
    "gpt": (_example("gpt", WIDTH=128, LENGTH=64), 16),
}


def _file(program: Any, batch: Batch, folder: Path, **options: Any) -> Callable[[], Any]:
    """A run of train.onnx, as a host makes it."""
    program.export(folder, **options)
    manifest = json.loads((folder / "manifest.json").read_text())
    model = manifest["models"]["train"]
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = THREADS
    denormals = manifest["session_options"]["denormals_as_zero"]
    session_options.add_session_config_entry("session.set_denormal_as_zero", f"{denormals:d}")
    session = onnxruntime.InferenceSession(
        folder / model["file"], session_options, providers=["CPUExecutionProvider"]
    )
    state = load_file(folder / "state.safetensors")
    numbers = {h["name"]: np.asarray(h["default"], h["dtype"]) for h in manifest["hyperparameters"]}
    feeds = {name: state[name] for name in model["state"]} | {n: numbers[n] for n in model["hyperparameters"]}
    feeds |= {entry["name"]: value for entry, value in zip(model["inputs"], batch, strict=True)}

    def run() -> Any:
        with flushed:  # the thread that calls, for which the option counts in a process' first session only
            return session.run(None, feeds)

    return run


_SETTLED = (
    0.2  # seconds after which the threads of the one before have stopped spinning, and caches are one's own
)


def _timed(calls: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Milliseconds of a call of each: the lower quintile of calls that take turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(3):
            call()
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or len(times[next(iter(times))]) < 15:
        for name, call in calls.items():
            begin = time.perf_counter()
            while (start := time.perf_counter()) < begin + 2 * _SETTLED:
                call()
                if start > begin + _SETTLED:
                    times[name].append(time.perf_counter() - start)
    return {name: float(np.percentile(t, 20)) * 1e3 for name, t in times.items()}


def measured(name: str, seconds: float, folder: Path, scales: tuple[float, ...]) -> SimpleNamespace:
    """Milliseconds of the live step, PyTorch's and the file's, and of the file at other batches, by their scale, each
    with that of a file that was traced for it."""
    make, size = NETS[name]
    _, step, batches = make("lenetc")
    _, their_step, _ = make("torch")
    compiled, batch = lenetc.compile(step, device="cpu"), batches(size)
    lanes = lenetc.runtime.lanes("cpu")
    tensors = [torch.from_numpy(part) for part in batch]
    program = compiled.lower(*batch)
    calls = {
        "live": lambda: compiled(*batch).detach().numpy(),
        "torch": lambda: float(their_step(*tensors).detach()),
        "file": _file(program, batch, folder / name),
        "ort": _file(program, batch, folder / f"{name}_ort", operators="ort", lanes=lanes),
    }
    found = SimpleNamespace(**_timed(calls, seconds), others={})
    for scale in scales:
        other = batches(int(size * scale))
        program_ = lenetc.compile(step, device="cpu").lower(*other)
        pair = {
            "traced here": _file(program, other, folder / f"{name}_at_{scale}"),
            "traced there": _file(program_, other, folder / f"{name}_for_{scale}"),
        }
        found.others[scale] = _timed(pair, seconds / 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nets", nargs="*", metavar="NET", help=", ".join(NETS), default=[*NETS])
    parser.add_argument("--seconds", type=float, default=15.0, help="for each net")
    parser.add_argument(
        "--scales", type=float, nargs="*", default=[], help="other batches, as parts of the traced one"
    )
    given = parser.parse_args()
    lenetc.set_num_threads(THREADS)
    torch.set_num_threads(THREADS)
    table = Table(
        "net",
        "live ms",
        "PyTorch ms",
        "file ms",
        "file / live",
        "PyTorch / file",
        "ort / live",
        "other batches",
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in given.nets:
            found = measured(name, given.seconds, Path(folder), tuple(given.scales))
            others = ", ".join(
                f"{scale:g}: {pair['traced here'] / pair['traced there']:.2f}x"
                for scale, pair in found.others.items()
            )
            numbers = (found.live, found.torch, found.file)
            pairs = ((found.file, found.live), (found.torch, found.file), (found.ort, found.live))
            ratios = (f"{a / b:.2f}x" for a, b in pairs)
            table.add_row(name, *(f"{number:.2f}" for number in numbers), *ratios, others)
    Console().print(table)


if __name__ == "__main__":
    main()
