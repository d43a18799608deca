"""Tiles of the batch, and parts of it on threads of their own: the same numbers as the graph taken whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from ir import Graph, ops
from ir.dims import symbol
from ir.interpret import run
from ir.op import leaf
from ir.types import Array, Type, f32
from lenetc import nn, optim
from lenetc.tensors.tensor import Tensor
from passes.pipeline import run_pipeline, run_split
from passes.rewrite.simplify import simplify
from passes.target import Target
from passes.tiling.batch_axes import Inseparable
from passes.tiling.cut import cut, tiled
from passes.tiling.division import Division, divided, load
from tests.passes.lenet import train_step

BATCH = 10


class ConvNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(3 * 4 * 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(F.relu(self.conv(x)), 2)
        scores: Tensor = self.fc(self.drop(x.flatten(1)))
        return scores


class Words(nn.Module):
    """Embedding, attention over four words, layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 6)
        self.norm = nn.LayerNorm(6)
        self.out = nn.Linear(6, 5)

    def forward(self, words: Tensor) -> Tensor:
        x = self.embed(words)
        attention = F.softmax(x @ x.transpose(1, 2), dim=-1)
        scores: Tensor = self.out(self.norm(attention @ x).mean(1))
        return scores


def images(rng: np.random.Generator) -> Array:
    return rng.standard_normal((BATCH, 1, 8, 8)).astype(np.float32)


def words(rng: np.random.Generator) -> Array:
    return rng.integers(0, 7, (BATCH, 4))


def labels(rng: np.random.Generator) -> Array:
    return rng.integers(0, 5, BATCH)


def some_ignored(rng: np.random.Generator) -> Array:
    found = rng.integers(0, 5, BATCH)
    found[::3] = -100
    return found


Draw = Callable[[np.random.Generator], Array]


def training(
    model: Callable[[], nn.Module], given: Draw, classes: Draw = labels, returns: str = "loss"
) -> tuple[Graph, dict[str, Array]]:
    """A simplified training step of the model, and values for its inputs."""
    lenetc.manual_seed(3)
    net = model()
    optimizer = optim.Adam(net.parameters(), lr=0.01)

    def step(x: Tensor, y: Tensor) -> Any:
        optimizer.zero_grad()
        scores = net(x)
        loss = F.cross_entropy(scores, y)
        loss.backward()
        optimizer.step()
        return loss if returns == "loss" else (loss, scores, scores.argmax(1))

    rng = np.random.default_rng(0)
    inputs = {"x": given(rng), "y": classes(rng)}
    program = lenetc.compile(step, device="cpu").lower(*inputs.values())
    inputs.update((name, cell.numpy()) for name, cell in program.capture.cells.items())
    inputs.update((hyper.input, np.float32(0.01)) for hyper in program.capture.hypers)
    return program.graph("simplify"), inputs


PROGRAMS: dict[str, Callable[[], tuple[Graph, dict[str, Array]]]] = {
    "dropout": lambda: training(ConvNet, images),
    "scores": lambda: training(ConvNet, images, returns="scores"),
    "ignored": lambda: training(ConvNet, images, some_ignored),
    "words": lambda: training(Words, words),
}


def outputs_of(graph: Graph, values: dict[str, Array]) -> list[Array]:
    return list(run(graph, [values[node.attrs["name"]] for node in graph.inputs]))


def same(found: list[Array], wanted: list[Array]) -> None:
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)


def run_divided(division: Division, values: dict[str, Array]) -> list[Array]:
    """What the runtime does with a division, by the interpreter."""
    given = dict(values)
    for k, (graph, (start, stop)) in enumerate(zip(division.parts, division.ranges, strict=True)):
        mine = {name: x[start:stop] if name in division.cut else x for name, x in values.items()}
        mine.update((f"{name}_whole", x) for name, x in values.items())
        for (name, _), value in zip(graph.results, outputs_of(graph, mine), strict=True):
            given[f"{name}_{k}"] = value
    return [*outputs_of(division.results, given), *outputs_of(division.update, given)]


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("size", [5, 4, 1])
def test_tiles_give_what_the_whole_does(name: str, size: int) -> None:
    graph, values = PROGRAMS[name]()
    whole = cut(graph)
    assert whole is not None and whole.sums
    looped = tiled(whole, size)
    assert any(node.op is ops.scan for node in looped.nodes())
    assert not any(node.op is ops.conv2d for node in looped.nodes()) or BATCH % size
    same(outputs_of(looped, values), outputs_of(graph, values))


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("ranges", [[(0, 5), (5, 10)], [(0, 1), (1, 4), (4, 10)]])
def test_parts_give_what_the_whole_does(name: str, ranges: list[tuple[int, int]]) -> None:
    graph, values = PROGRAMS[name]()
    whole = cut(graph)
    assert whole is not None
    division = divided(whole, ranges)
    same(run_divided(division, values), outputs_of(graph, values))
    assert not any("conv" in node.op.name for node in (*division.results.nodes(), *division.update.nodes()))


def test_what_is_inside_lenet() -> None:
    graph = simplify(train_step(batch=64), Target())[0]
    whole = cut(graph)
    assert whole is not None
    assert len(whole.sums) == 11 and not whole.stacked  # ten gradients and the loss
    found = load(whole)
    assert 1.1e6 < found.macs < 1.2e6  # forward 417k, and twice that less the first layer's input gradient
    assert found.sums == 61706 + 1


def test_parts_are_in_the_order_of_the_graph() -> None:
    """Not in the order of addresses, by which a set goes and which differs from run to run."""
    x = leaf("x", Type(f32, (8, 3)))
    own = [leaf(f"w{i}", Type(f32, (3,))) for i in range(16)]
    results = [(f"y{i}", ops.sum(x * w, axes=(0,))) for i, w in enumerate(own)]
    whole = cut(Graph.make("step", (x, *own), results))
    assert whole is not None
    assert whole.shared == own[::-1]


@pytest.mark.parametrize("threads", [1, 2])
def test_large_batches_are_tiled_and_divided(threads: int) -> None:
    target = Target(threads=threads)
    stages = {stage.name: stage for stage in run_pipeline(train_step(batch=512), target)}
    size = {1: 32, 2: 128}[threads]
    assert stages["tile"].notes == [f"tiles of {size} samples, 429 kB each"]
    scan = next(node for node in stages["tile"].graph.nodes() if node.op is ops.scan)
    assert scan.attrs["length"] == 512 // size
    split = run_split(train_step(batch=512), target)
    assert (split is None) is (threads == 1)
    if split is not None:
        assert [stop - start for start, stop in split.division.ranges] == [256, 256]
        assert any(node.op is ops.scan for node in split.parts[0][-1].graph.nodes())


def test_a_symbolic_batch_is_tiled_where_the_target_has_enough() -> None:
    """As a batch of that size is; not on WebGPU, which has no loops, and not on CUDA."""
    target = Target(threads=2, batch=256)
    tiles = {stage.name: stage for stage in run_pipeline(train_step(), target)}["tile"]
    assert tiles.notes == ["tiles of 128 samples, 429 kB each"]
    (scan,) = [node for node in tiles.graph.nodes() if node.op is ops.scan]
    assert (scan.attrs["length"], scan.attrs["tile"]) == (symbol("N"), 128)
    for other in (
        Target(threads=2, batch=255),
        replace(target, operators="web"),
        replace(target, device="cuda"),
    ):
        assert not any(node.op is ops.scan for node in run_pipeline(train_step(), other)[-1].graph.nodes())
    assert run_split(train_step(), target) is None


def test_tiles_have_the_strategies_of_their_own_size() -> None:
    def of(batch: int) -> list[str]:
        chosen = run_pipeline(train_step(), Target(threads=2, batch=batch))
        notes = {stage.name: stage for stage in chosen}["strategies"].notes
        return [note.split(" µs")[0] for note in notes]

    assert of(1024) == of(128)


def test_no_more_parts_than_pay() -> None:
    """Every part's sums have to be added up."""
    counts = []
    for batch in (32, 64, 1024):
        split = run_split(train_step(batch=batch), Target(threads=64))
        counts.append(len(split.division.ranges) if split else 1)
    assert counts == sorted(set(counts)) and counts[0] > 2 and counts[1] < 32


@pytest.mark.parametrize("target", [Target(device="cuda", threads=2), Target(threads=2)], ids=str)
def test_what_is_left_whole(target: Target) -> None:
    """On CUDA, with a symbolic batch, a batch of one, and where samples depend on each other."""
    graphs = [train_step(batch=1), train_step()]
    if target.device == "cuda":
        graphs.append(train_step(batch=512))
    for graph in graphs:
        assert run_split(graph, target) is None
        assert not any(node.op is ops.scan for node in run_pipeline(graph, target)[-1].graph.nodes())


def test_batch_normalization_is_not_taken_apart() -> None:
    class Normalized(ConvNet):
        def forward(self, x: Tensor) -> Tensor:
            x = F.batch_norm(self.conv(x), None, None, training=True)
            scores: Tensor = self.fc(F.avg_pool2d(F.relu(x), 2).flatten(1))
            return scores

    graph, _ = training(Normalized, images)
    with pytest.raises(Inseparable, match="every sample depends on"):
        cut(graph)
    assert run_split(graph, replace(Target(), threads=2)) is None


def test_two_steps_in_one_program_are_not_taken_apart() -> None:
    net = nn.Linear(64, 5)
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> Tensor:
        for _ in range(2):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x.flatten(1)), y)
            loss.backward()
            optimizer.step()
        return loss

    rng = np.random.default_rng(0)
    graph = lenetc.compile(step, device="cpu").lower(images(rng), labels(rng)).graph("simplify")
    with pytest.raises(Inseparable):
        cut(graph)


def test_ranges_of_one_length_are_compiled_once() -> None:
    split = run_split(train_step(64), Target(threads=2))
    assert split is not None
    first, second = split.parts
    assert first[0].graph is second[0].graph
    assert all(a is b for a, b in zip(first[1:], second[1:], strict=True))


def test_a_graph_with_symbolic_sizes_is_not_divided() -> None:
    x, w = leaf("x", Type(f32, (64, symbol("L"), 4))), leaf("w", Type(f32, (4, 4)), "state")
    total = ops.sum(ops.reshape(x @ w, shape=(64, symbol("L") * 4)), axes=(0,))
    assert run_split(Graph.make("f", [x, w], [("y", total)]), Target(threads=2)) is None
