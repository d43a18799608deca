"""`python -m benchmarks.compile_time`: from the first call to a ready session, part by part.

LeNet, and then training steps of one shape and different depth, so that time for each IR node shows whether
compiling grows with the graph linearly. A node of the traced graph counts, not what passes make of it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import lenetc
import lenetc.nn.functional as F
from ir.node import Graph
from lenetc import nn, optim
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.structure import is_array, type_of
from lenetc.lenet import LeNet
from lenetc.runtime import Session
from lenetc.tensors.tensor import Tensor
from passes.emit.model import to_onnx
from passes.pipeline import PASSES, run_pipeline
from passes.target import Target

SIZES = (100, 200, 500, 1000, 2000)
PARTS = ("trace", *(name for name, _ in PASSES), "verify", "emit", "session")


@dataclass
class Problem:
    """A function to compile, and arguments for it."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[np.ndarray[Any, Any], ...]
    compiled: CompiledFunction = field(init=False)

    def __post_init__(self) -> None:
        self.compiled = CompiledFunction(self.function, "cpu")

    def trace(self) -> Graph:
        """The graph of the function: forward, backward and update."""
        values = self.compiled.arguments.bind(self.arguments, {})
        leaves = self.compiled.arguments.leaves(values)
        types = {name: type_of(leaf) for name, leaf in leaves if is_array(leaf)}
        return self.compiled.capture(values, types).graph


class MlpBlock(nn.Module):
    """x + linear(relu(linear(x)))"""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(32, 32)
        self.second = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


class ConvBlock(nn.Module):
    """x + conv(relu(conv(x)))"""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(8, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


class NormalizedBlock(ConvBlock):
    """x + norm(conv(relu(norm(conv(x)))))"""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(8)
        self.norm2 = nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm2(self.second(F.relu(self.norm1(self.first(x)))))


class Residual(nn.Module):
    """`depth` blocks, one after another."""

    def __init__(self, block: Callable[[], nn.Module], depth: int) -> None:
        super().__init__()
        self.depth = depth
        for i in range(depth):
            setattr(self, f"block{i}", block())

    def forward(self, x: Tensor) -> Tensor:
        for i in range(self.depth):
            x = getattr(self, f"block{i}")(x)
        return x


def lenet() -> Problem:
    """The training step of LeNet with cross-entropy and momentum, 64 digits."""
    net = LeNet()
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step(images: Tensor, labels: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return Problem("LeNet", step, (np.zeros((64, 1, 32, 32), np.float32), np.zeros(64, np.int64)))


def chain(depth: int) -> Problem:
    """Elementwise operations in a row, and their gradient."""
    w = lenetc.ones(32, requires_grad=True)

    def step(x: Tensor) -> Tensor:
        w.grad = None
        for _ in range(depth):
            x = (x * w + 0.5).tanh()
        x.sum().backward()
        assert w.grad is not None
        return w.grad

    return Problem("chain", step, (np.zeros((16, 32), np.float32),))


def unrolled(depth: int) -> Problem:
    """The steps of a recurrent network, one after another, trained by SGD: each reads its own part of the batch."""
    w = lenetc.ones(32, 32, requires_grad=True)
    u = lenetc.ones(8, 32, requires_grad=True)
    optimizer = optim.SGD([w, u], lr=0.01)

    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        h = lenetc.zeros(16, 32)
        for t in range(depth):
            h = (h @ w + x[:, t] @ u).tanh()
        loss = (h**2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return Problem("unrolled loop", step, (np.zeros((16, depth, 8), np.float32),))


def counted(depth: int) -> Problem:
    """A chain in which every link is weighed by what it counts in the batch."""

    def step(x: Tensor, weights: Tensor) -> Tensor:
        for i in range(depth):
            x = (x / (weights > i).float().sum()).tanh()
        return x.mean()

    return Problem("counted", step, (np.zeros((16, 32), np.float32), np.zeros(16, np.float32)))


def summed(depth: int) -> Problem:
    """A chain in which every link is shifted by what the one before comes to in the whole batch."""

    def step(x: Tensor) -> Tensor:
        for _ in range(depth):
            x = (x + x.mean()).relu()
        return x

    return Problem("summed", step, (np.zeros((16, 32), np.float32),))


def mlp(depth: int) -> Problem:
    """Residual fully-connected blocks, trained by SGD."""
    return _training("residual MLP", Residual(MlpBlock, depth), np.zeros((16, 32), np.float32))


def conv(depth: int) -> Problem:
    """Residual convolutional blocks, trained by SGD."""
    return _training("residual conv", Residual(ConvBlock, depth), np.zeros((4, 8, 12, 12), np.float32))


def normalized(depth: int) -> Problem:
    """Residual convolutional blocks with batch normalization, trained by SGD."""
    net = Residual(NormalizedBlock, depth)
    return _training("residual conv with normalization", net, np.zeros((4, 8, 12, 12), np.float32))


def _training(name: str, net: nn.Module, x: np.ndarray[Any, Any]) -> Problem:
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = (net(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return Problem(name, step, (x,))


FAMILIES: dict[str, Callable[[int], Problem]] = {
    "chain": chain,
    "counted": counted,
    "summed": summed,
    "unrolled": unrolled,
    "mlp": mlp,
    "conv": conv,
    "normalized": normalized,
}


def of_size(family: Callable[[int], Problem], nodes: int) -> Problem:
    """The program of `family` that has closest to `nodes` nodes when traced."""
    two, four = (len(family(depth).trace().operations()) for depth in (2, 4))
    each = (four - two) / 2
    return family(max(1, round((nodes - two) / each) + 2))


def measure(problem: Problem) -> tuple[int, dict[str, float]]:
    """Nodes of the traced graph, and seconds for each of PARTS."""
    seconds: dict[str, float] = {}
    start = time.perf_counter()
    graph = problem.trace()
    seconds["trace"] = time.perf_counter() - start
    start = time.perf_counter()
    stages = run_pipeline(graph, Target())
    passes = time.perf_counter() - start
    seconds.update({stage.name: stage.seconds for stage in stages[1:]})
    seconds["verify"] = passes - sum(stage.seconds for stage in stages)
    start = time.perf_counter()
    emitted = to_onnx(stages[-1].graph)
    model, is_fused = emitted.to_file("cpu")
    seconds["emit"] = time.perf_counter() - start
    start = time.perf_counter()
    Session(model, "cpu", emitted.places, is_fused=is_fused)
    seconds["session"] = time.perf_counter() - start
    return len(graph.operations()), seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compile_time", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="IR nodes of the larger programs")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--rounds", type=int, default=3, help="of each, the median is shown")
    options = parser.parse_args()
    measure(lenet())  # imports and caches of the process
    table = Table(title="Compile time, ms")
    for column in ("program", "nodes", *PARTS, "total", "µs a node"):
        table.add_column(column, justify="right")
    makers: list[Callable[[], Problem]] = [lenet]
    for family in options.families:
        makers += [lambda f=FAMILIES[family], n=size: of_size(f, n) for size in options.sizes]  # type: ignore[misc]
    for make in makers:
        rounds = [(problem, *measure(problem)) for problem in (make() for _ in range(options.rounds))]
        problem, nodes, _ = rounds[0]
        medians = {part: statistics.median(seconds[part] for *_, seconds in rounds) * 1e3 for part in PARTS}
        total = sum(medians.values())
        shown = [f"{medians[part]:,.0f}" for part in PARTS]
        table.add_row(problem.name, str(nodes), *shown, f"{total:,.0f}", f"{total / nodes * 1e3:,.0f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
