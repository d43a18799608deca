"""The main job: train LeNet on digits, with checkpoints, and write everything that comes of it into one folder."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import lenetc.nn.functional as F
from lenetc import optim, random
from lenetc.checkpoint import CheckpointError, atomic_write, load, save
from lenetc.compile import CompiledFunction
from lenetc.curve import plot_curve
from lenetc.data import Mnist, batches, load_mnist, prepare
from lenetc.lenet import LeNet
from lenetc.program import Program
from lenetc.tensor import Tensor

OPTIMIZERS: dict[str, tuple[float, Callable[[Any, float], Any]]] = {
    "sgd": (0.05, lambda parameters, lr: optim.SGD(parameters, lr=lr, momentum=0.9)),
    "adam": (0.002, lambda parameters, lr: optim.Adam(parameters, lr=lr)),
    "adamw": (0.002, lambda parameters, lr: optim.AdamW(parameters, lr=lr)),
    "rmsprop": (0.001, lambda parameters, lr: optim.RMSprop(parameters, lr=lr)),
}
CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Config:
    """What decides a run. The same config on the same machine gives the same bits."""

    epochs: int = 10
    batch: int = 64
    lr: float = 0.05
    optimizer: str = "sgd"
    seed: int = 0
    device: str = "auto"


@dataclass
class Progressed:
    """How far a run has come: finished epochs, steps into the next one, and what was seen on the way."""

    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    accuracies: list[list[float]] = field(default_factory=list)  # pairs (steps done, held-out accuracy)
    step_seconds: list[float] = field(default_factory=list)


class Interrupted(Exception):
    """The user stopped the run; the checkpoint is written."""


class Trainer:
    """LeNet, its optimizer and its compiled step. `out` is the folder for everything written."""

    def __init__(self, config: Config, out: Path, data_folder: str | None = None) -> None:
        self.config = config
        self.out = out
        self.digits: Mnist = load_mnist(data_folder)
        self.images, self.test_images = prepare(self.digits.train_images), prepare(self.digits.test_images)
        random.manual_seed(config.seed)
        self.net = LeNet()
        self.optimizer = OPTIMIZERS[config.optimizer][1](self.net.parameters(), config.lr)
        self.progress = Progressed()
        net, optimizer = self.net, self.optimizer

        def train_step(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            optimizer.zero_grad()
            output = net(images)
            loss = F.cross_entropy(output, labels)
            loss.backward()
            optimizer.step()
            correct = (output.detach().argmax(1) == labels).sum()
            return loss, correct

        def count_correct(images: Tensor, labels: Tensor) -> Tensor:
            return (net(images).argmax(1) == labels).sum()

        self.step = CompiledFunction(train_step, config.device)
        self.count_correct = CompiledFunction(count_correct, config.device)

    def run(self, console: Console) -> float:
        """Train to the end; the held-out accuracy. Raises Interrupted, with a checkpoint written, on Ctrl-C."""
        self.out.mkdir(parents=True, exist_ok=True)
        config, done = self.config, self.progress
        accuracy = self.evaluate() if done.epoch >= config.epochs else 0.0
        with interruptible() as stopped, _progress_bar(console) as bar:
            total = -(-len(self.images) // config.batch)
            task = bar.add_task("training", total=config.epochs * total, completed=done.epoch * total + done.step, note="")
            while done.epoch < config.epochs:
                seen = right = 0
                order = batches(self.images, self.digits.train_labels, config.batch, seed=config.seed, epoch=done.epoch)
                for number, (images, labels) in enumerate(order):
                    if number < done.step:  # done before the interruption
                        continue
                    start = time.perf_counter()
                    loss, correct = self.step(images, labels)
                    done.step_seconds.append(time.perf_counter() - start)
                    done.losses.append(loss.item())
                    seen, right = seen + len(labels), right + correct.item()
                    done.step += 1
                    rate = config.batch / float(np.median(done.step_seconds[-50:]))
                    note = f"loss {done.losses[-1]:.4f}  accuracy {right / seen:6.2%}  {rate:,.0f} samples/s"
                    bar.update(task, advance=1, description=f"epoch {done.epoch + 1}/{config.epochs}", note=note)
                    if stopped():
                        self.save_checkpoint()
                        raise Interrupted
                done.epoch, done.step = done.epoch + 1, 0
                accuracy = self.evaluate()
                done.accuracies.append([len(done.losses), accuracy])
                self.save_checkpoint()
        return accuracy

    def evaluate(self) -> float:
        """Share of the held-out digits that are recognized."""
        labels, size = self.digits.test_labels, 500
        self.net.eval()
        right = sum(
            self.count_correct(self.test_images[i : i + size], labels[i : i + size]).item() for i in range(0, len(labels), size)
        )
        self.net.train()
        return right / len(labels)

    def save_checkpoint(self) -> None:
        """Everything that the rest of the run depends on, in one file, replaced in one step."""
        progress = asdict(self.progress)
        progress["step_seconds"] = progress["step_seconds"][-50:]
        state = {
            "config": asdict(self.config),
            "progress": progress,
            "model": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": random.get_rng_state(),
        }
        save(state, self.out / CHECKPOINT)

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state (`read_checkpoint`)."""
        self.net.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        random.set_rng_state(np.asarray(state["rng"]))
        self.progress = Progressed(**state["progress"])

    def write_results(self, accuracy: float) -> list[str]:
        """The trained state, the ONNX files, the stage dumps, the loss curve and a report. Names of what was written."""
        sample = next(batches(self.images, self.digits.train_labels, self.config.batch, seed=0, epoch=0))
        program = self.step.lower(*sample)
        program.export(self.out, self.net)
        program.dump(self.out / "stages")
        done = self.progress
        plot_curve(self.out / "loss.png", range(1, len(done.losses) + 1), done.losses, accuracies={int(step): accuracy for step, accuracy in done.accuracies})
        atomic_write(self.out / "report.md", self.report(program, accuracy).encode())
        return sorted(path.name + ("/" if path.is_dir() else "") for path in self.out.iterdir() if not path.name.startswith("."))

    def report(self, program: Program, accuracy: float) -> str:
        """What was trained, and what the compiler did, as Markdown."""
        config, done = self.config, self.progress
        step_ms = float(np.median(done.step_seconds)) * 1e3 if done.step_seconds else float("nan")
        lines = [
            "# LeNet on digits",
            "",
            f"- held-out accuracy: {accuracy:.2%} of {len(self.digits.test_labels)} digits",
            f"- {config.optimizer}, lr {config.lr}, batch {config.batch}, {done.epoch} epochs, seed {config.seed}",
            f"- {step_ms:.2f} ms a step (median), {config.batch / step_ms * 1e3:,.0f} samples/s, device {self.step.device}",
            f"- {len(program.onnx.graph.node)} ONNX operators in one training step",
            "",
            "| stage | operations | compile time |",
            "|---|---|---|",
        ]
        for name in program.stages():
            stage = program.stage(name)
            lines.append(f"| {name} | {len(stage.graph.operations())} | {stage.seconds * 1e3:.1f} ms |")
        for name in program.stages():
            notes = program.stage(name).notes
            if notes:
                lines += ["", f"## {name}", "", *(f"- {note}" for note in notes)]
        return "\n".join(lines) + "\n"


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """The checkpoint in `folder`. Raises CheckpointError where there is none, or not one of these."""
    path = folder / CHECKPOINT
    if not path.exists():
        raise CheckpointError(f"nothing to resume: there is no {path}. Start without --resume, or name the folder of a run with --out")
    state = load(path)
    if not isinstance(state, dict) or not {"config", "progress", "model", "optimizer", "rng"} <= set(state):
        raise CheckpointError(f"{path} is not a checkpoint of `lenetc train`")
    return state


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM are noted, to be acted on between two steps; a second one ends the run at once."""
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )
