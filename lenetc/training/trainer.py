"""The main job: train LeNet on digits, with checkpoints, and write everything that comes of it into one
folder."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import lenetc.nn.functional as F
from lenetc import optim
from lenetc.artifact.checkpoint import CheckpointError, load, save
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.program import Program
from lenetc.data import Mnist, batches, load_mnist, prefetch, prepare
from lenetc.evaluation import random
from lenetc.files import atomic_write
from lenetc.lenet import LeNet
from lenetc.pictures.curve import plot_curve
from lenetc.tensors.tensor import Tensor
from lenetc.training.progress import Bar, duration, interruptible
from lenetc.training.report import write_report

OPTIMIZERS: dict[str, tuple[float, Callable[[Any, float], Any]]] = {
    "sgd": (0.05, lambda parameters, lr: optim.SGD(parameters, lr=lr, momentum=0.9)),
    "nesterov": (0.05, lambda parameters, lr: optim.SGD(parameters, lr=lr, momentum=0.9, nesterov=True)),
    "adam": (0.002, lambda parameters, lr: optim.Adam(parameters, lr=lr)),
    "adamw": (0.002, lambda parameters, lr: optim.AdamW(parameters, lr=lr)),
    "rmsprop": (0.001, lambda parameters, lr: optim.RMSprop(parameters, lr=lr)),
}
DECAY = 0.8  # of the learning rate, after each epoch: the last steps settle, a point of accuracy more
CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Config:
    """What decides a run. The same config on the same machine gives the same bits.

    data: the folder of the digits, "" for the embedded ones.
    """

    epochs: int = 10
    batch: int = 64
    lr: float = 0.05
    optimizer: str = "sgd"
    seed: int = 0
    device: str = "auto"
    data: str = ""


@dataclass
class Progressed:
    """How far a run has come: finished epochs, steps into the next one, and what was seen on the way."""

    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)  # of every step
    accuracies: list[list[float]] = field(default_factory=list)  # pairs (steps done, held-out accuracy)


class Interrupted(Exception):
    """The user stopped the run; the checkpoint is written. `signal` is the number of the signal."""

    def __init__(self, signal: int) -> None:
        super().__init__()
        self.signal = signal


class Trainer:
    """LeNet, its optimizer and its compiled step. `out` is the folder for everything written."""

    def __init__(self, config: Config, out: Path) -> None:
        self.config = config
        self.out = out
        self.digits: Mnist = load_mnist(config.data or None)
        self.images, self.test_images = prepare(self.digits.train_images), prepare(self.digits.test_images)
        random.manual_seed(config.seed)
        self.net = LeNet()
        self.optimizer = OPTIMIZERS[config.optimizer][1](self.net.parameters(), config.lr)
        self.schedule = optim.lr_scheduler.ExponentialLR(self.optimizer, DECAY)
        self.progress = Progressed()
        self.step_seconds: list[float] = []  # of the steps of this process, compilation not counted
        self.compile_seconds = 0.0
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
            output: Tensor = net(images)
            return (output.argmax(1) == labels).sum()

        self.step = CompiledFunction(train_step, config.device)
        self.feeds_ahead = self.step.device == "cuda"  # on the CPU the step has every core already
        self.count_correct = CompiledFunction(count_correct, config.device)

    def compile(self) -> Program:
        """The program of a step, compiled for full batches and for the last one of an epoch, if that is
        smaller."""
        count = len(self.images)
        start = time.perf_counter()
        sizes = dict.fromkeys(size for size in (count % self.config.batch, self.config.batch) if size)
        for size in sizes:
            program = self.step.lower(self.images[:size], self.digits.train_labels[:size])
        self.compile_seconds = time.perf_counter() - start
        return program

    def run(self, console: Console) -> float:
        """Train to the end; the held-out accuracy. Raises Interrupted, with a checkpoint written, on
        Ctrl-C."""
        config, done = self.config, self.progress
        self.out.mkdir(parents=True, exist_ok=True)
        per_epoch = -(-len(self.images) // config.batch)
        total, start = config.epochs * per_epoch, done.epoch * per_epoch + done.step
        with interruptible() as stopped, Bar(console, total, start) as bar:
            self.compile()
            while done.epoch < config.epochs:
                self._run_epoch(bar, total, stopped)
                accuracy = self.evaluate()
                done.accuracies.append([len(done.losses), accuracy])
                self.save_checkpoint()
                mean = float(np.mean(done.losses[-per_epoch:]))
                bar.line(
                    f"epoch {done.epoch}/{config.epochs}  mean loss {mean:.4f}  held-out accuracy "
                    f"{accuracy:.2%}  "
                    f"{self.rate():,.0f} samples/s"
                )
        if not config.epochs:
            self.save_checkpoint()
        return self.evaluate()

    def _run_epoch(self, bar: Bar, total: int, stopped: Callable[[], int]) -> None:
        """The rest of the epoch that has begun."""
        config, done = self.config, self.progress
        seen = right = 0
        order: Iterator[tuple[Any, ...]] = batches(
            self.images, self.digits.train_labels, config.batch, seed=config.seed, epoch=done.epoch
        )
        if self.feeds_ahead:
            order = prefetch(order, device="cuda")
        for number, (images, labels) in enumerate(order):
            if number < done.step:  # done before the interruption
                continue
            start = time.perf_counter()
            loss, correct = self.step(images, labels)
            self.step_seconds.append(time.perf_counter() - start)
            done.losses.append(loss.item())
            seen, right = seen + len(labels), right + correct.item()
            done.step += 1
            left = (total - len(done.losses)) * config.batch / self.rate()
            bar.advance(
                f"epoch {done.epoch + 1}/{config.epochs}",
                f"loss {done.losses[-1]:.4f}  accuracy {right / seen:.2%}  {self.rate():,.0f} samples/s  "
                f"ETA {duration(left)}",
            )
            if signal := stopped():
                self.save_checkpoint()
                raise Interrupted(signal)
        done.epoch, done.step = done.epoch + 1, 0
        self.schedule.step()

    def rate(self) -> float:
        """Samples a second in the steps of late."""
        return (
            self.config.batch / float(np.median(self.step_seconds[-50:]))
            if self.step_seconds
            else float("nan")
        )

    def evaluate(self) -> float:
        """Share of the held-out digits that are recognized."""
        labels, size = self.digits.test_labels, 500
        parts = [(self.test_images[i : i + size], labels[i : i + size]) for i in range(0, len(labels), size)]
        self.net.eval()
        try:
            return float(sum(self.count_correct(*part).item() for part in parts) / len(labels))
        finally:
            self.net.train()

    def save_checkpoint(self) -> None:
        """Everything that the rest of the run depends on, in one file, replaced in one step."""
        done = self.progress
        progress = {
            "epoch": done.epoch,
            "step": done.step,
            "losses": np.asarray(done.losses, np.float64),
            "accuracies": np.asarray(done.accuracies, np.float64).reshape(-1, 2),
        }
        state = {
            "config": asdict(self.config),
            "digits": self.fingerprint(),
            "progress": progress,
            "model": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "rng": random.get_rng_state(),
        }
        save(state, self.out / CHECKPOINT)

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state (`read_checkpoint`). Raises CheckpointError, and changes nothing,
        where it is the state of a run on other digits, or of one that has gone further than this one is to
        go."""
        if state["digits"] != self.fingerprint():
            where = self.config.data or "the embedded ones"
            raise CheckpointError(
                f"the run in {self.out} was trained on other digits than {where}: name the folder "
                "that it used by --data, "
                "or start a new run in another --out"
            )
        progress = state["progress"]
        if progress["epoch"] > self.config.epochs:
            raise CheckpointError(
                f"the run in {self.out} has done {progress['epoch']} epochs already, --epochs asks "
                f"for {self.config.epochs}"
            )
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.net.load_state_dict(state["model"])
        random.set_rng_state(np.asarray(state["rng"]))
        losses, accuracies = progress["losses"].tolist(), progress["accuracies"].tolist()
        self.progress = Progressed(progress["epoch"], progress["step"], losses, accuracies)
        self.optimizer._step_count = len(losses)  # or the schedule takes its next step for one too early

    def fingerprint(self) -> str:
        """Tells one set of digits from another."""
        total = 0
        for array in asdict(self.digits).values():
            total = zlib.crc32(array.tobytes(), total)
        return f"{len(self.digits.train_labels)}+{len(self.digits.test_labels)}:{total:08x}"

    def write_results(self, accuracy: float) -> list[str]:
        """The trained state, the ONNX files, the stage dumps, the loss curve and a report. Names of what was
        written."""
        program = self.compile() if not self.compile_seconds else self.program()

        def evaluate(images: Tensor, labels: Tensor) -> dict[str, Tensor]:
            output = self.net(images)
            return {
                "loss": F.cross_entropy(output, labels),
                "correct": (output.argmax(1) == labels).sum(),
            }

        program.export(self.out, infer=self.net, evaluate=evaluate)
        program.dump(self.out / "stages")
        done = self.progress
        accuracies = {int(step): value for step, value in done.accuracies}
        plot_curve(
            self.out / "loss.png",
            range(1, len(done.losses) + 1),
            done.losses,
            accuracies,
            title="LeNet on digits",
        )
        report = write_report(program, "LeNet on digits", self.summary(accuracy))
        atomic_write(self.out / "report.md", report.encode())
        found = sorted(path for path in self.out.iterdir() if not path.name.startswith("."))
        return [path.name + ("/" if path.is_dir() else "") for path in found]

    def program(self) -> Program:
        """The program of a step with a full batch."""
        return self.step.lower(
            self.images[: self.config.batch], self.digits.train_labels[: self.config.batch]
        )

    def summary(self, accuracy: float) -> list[str]:
        """How well and how fast, in a few lines."""
        config, done = self.config, self.progress
        lines = [
            f"held-out accuracy: **{accuracy:.2%}** of {len(self.digits.test_labels)} digits",
            f"{config.optimizer}, lr {config.lr:g} falling by {1 - DECAY:.0%} an epoch, batch {config.batch}, "
            f"{done.epoch} epochs of "
            f"{len(self.images)} "
            f"digits, seed {config.seed}, device {self.step.device}",
        ]
        if self.step_seconds:
            quickest, median = (1e3 * f(self.step_seconds) for f in (np.min, np.median))
            lines.append(
                f"{median:.2f} ms a step (median of {len(self.step_seconds)}; the fastest "
                f"{quickest:.2f} ms), "
                f"{config.batch / median * 1e3:,.0f} samples/s; compiling took "
                f"{self.compile_seconds:.2f} s, once"
            )
        if done.losses:
            lines.append(f"loss {done.losses[0]:.4f} in the first step, {done.losses[-1]:.4f} in the last")
        return lines


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """The checkpoint in `folder`. Raises CheckpointError where there is none, or not one of these."""
    path = folder / CHECKPOINT
    if not path.exists():
        raise CheckpointError(
            f"nothing to resume: there is no {path}. Start without --resume, or name the folder of a "
            "run with --out"
        )
    state = load(path)
    wanted = {"config", "digits", "progress", "model", "optimizer", "schedule", "rng"}
    if not isinstance(state, dict) or not wanted <= state.keys() or set(state["config"]) != _OPTIONS:
        raise CheckpointError(
            f"{path} is not a checkpoint of this version of `lenetc train`: start a new run"
        )
    return state


_OPTIONS = {option.name for option in fields(Config)}
