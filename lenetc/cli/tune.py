"""The command `lenetc tune`: measure what strategies cost, show what was measured, delete it."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

import lenetc.nn.functional as F
from lenetc import optim, runtime
from lenetc.cli.functions import function_named
from lenetc.compiler.compile import compile
from lenetc.compiler.program import Program
from lenetc.evaluation import random
from lenetc.lenet import LeNet
from lenetc.runtime import measured_costs
from lenetc.tensors.tensor import Tensor
from lenetc.tuning.tune import Tuning, tune

if TYPE_CHECKING:
    from rich.console import Console

_BATCHES = (1, 16, 64, 256)  # of the built-in LeNet


def run(options: argparse.Namespace) -> int:
    """Do what the options of `lenetc tune` say. Returns the exit status."""
    from rich.console import Console

    logging.getLogger("lenetc.runtime").setLevel(
        logging.ERROR
    )  # the name of the file written says the device
    console = Console(highlight=False, soft_wrap=True)
    if options.clear:
        _clear(console)
    elif options.show:
        _show(console, options.contains)
    else:
        device = runtime.resolve_device(options.device)
        for name, program in _programs(options.program, options.batch or _BATCHES, device):
            _tune(console, name, program, options.seconds)
        console.print(f"costs of this machine: {measured_costs.path(device)}", markup=False)
    return 0


def _programs(named: str | None, batches: Sequence[int], device: str) -> Iterator[tuple[str, Program]]:
    """What to tune for: the user's programs, or LeNet's."""
    if named is None:
        for batch in batches:
            yield f"LeNet, batch {batch}", lenet_program(batch, device)
        return
    made = function_named(named)()
    for program in made if isinstance(made, (list, tuple)) else [made]:
        if not isinstance(program, Program):
            raise ValueError(
                f"{named} has to return a program, as from step.lower(images, labels), or a list of them; "
                f"it returned {type(program).__name__}"
            )
        yield f"{named}, {program.graph().name}", program


def lenet_program(batch: int, device: str) -> Program:
    """A training step of LeNet: cross-entropy, SGD with momentum."""
    random.manual_seed(0)
    net = LeNet()
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def train_step(images: Tensor, labels: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch, 1, 32, 32), np.float32)
    return compile(train_step, device=device).lower(images, rng.integers(0, 10, batch))


def _tune(console: Console, name: str, program: Program, seconds: float) -> None:
    from rich.progress import BarColumn, Progress, TextColumn

    columns = [TextColumn("{task.completed}/{task.total}"), BarColumn(), TextColumn("{task.description}")]
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)

        def progress(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what[: max(console.width - 60, 20)])

        result = tune(program, seconds, progress)
    console.print(_told(name, result), markup=False)


def _told(name: str, result: Tuning) -> str:
    """A line about a tuning."""
    parts = [f"{name}: {result.measured} costs measured"]
    if result.missing:
        parts.append(f"{result.missing} left for lack of time (--seconds)")
    micros = f"{result.tuned * 1e6:,.0f} µs"
    if result.builtin == result.tuned:
        parts.append(f"they change nothing: a step takes {micros}")
    else:
        ratio = result.builtin / result.tuned
        parts.append(f"a step takes {micros}, {ratio:.2f} times as fast as by the built-in model")
    if not result.kept:
        parts.append("so they are dropped")
    return "; ".join(parts)


def _show(console: Console, contains: str | None) -> None:
    for file in measured_costs.files():
        try:
            machine, costs = measured_costs.parse(file.read_bytes())
        except (OSError, ValueError) as error:
            console.print(f"{file}: {error}", markup=False)
            continue
        ours = machine == measured_costs.machine(str(machine.get("device")))
        console.print(f"{file}: {len(costs)} costs, of {'this' if ours else 'another'} machine", markup=False)
        console.print("; ".join(f"{key} {value}" for key, value in machine.items()), markup=False)
        if not ours:
            continue
        console.print("  measured, µs   built-in model, µs   what")
        for key, (cost, estimate) in costs.items():
            if contains is None or contains in key:
                console.print(f"{cost:>14,.1f}{estimate:>21,.1f}   {key}", markup=False)
    if not measured_costs.files():
        console.print(
            f"nothing is measured yet in {measured_costs.folder()}; `lenetc tune` does it", markup=False
        )


def _clear(console: Console) -> None:
    for file in measured_costs.clear():
        console.print(f"deleted {file}", markup=False)
