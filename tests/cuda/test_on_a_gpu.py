"""On a real GPU: CUDA against the CPU. `make test-cuda` runs these; where there is no usable CUDA they are skipped."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from ir import Graph
from ir.interpret import run
from ir.types import DType, f16, f32
from lenetc import cuda, runtime
from lenetc.data import prefetch
from lenetc.runtime import Session
from lenetc.runtime.replay import Replay
from passes.emit.model import to_onnx
from passes.pipeline import run_pipeline
from passes.strategies.table import TABLE
from passes.target import Target
from tests.passes.lenet import inputs, train_step
from tests.passes.test_cuda import CASES, HEAVY
from tests.samples import Sample
from tests.training import TRAININGS, digits, prepared

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(bool(cuda.missing()), reason=f"no usable CUDA: {cuda.missing()}"),
]


def on_cuda(
    graph: Graph, values: list[Any], target: Target | None = None, captures: bool = False
) -> list[Any]:
    """Outputs of `graph`, computed on the GPU alone; captured and replayed where told."""
    emitted = to_onnx(run_pipeline(graph, target or Target(device="cuda"))[-1].graph)
    session = Session(emitted.model.SerializeToString(), "cuda", emitted.places, captures=captures)
    assert session.on_cpu == []
    names = [node.attrs["name"] for node in graph.inputs]
    feeds = {name: runtime.to_device(value, "cuda") for name, value in zip(names, values, strict=True)}
    outputs = [value.name for value in emitted.model.graph.output]
    if not captures:
        return [runtime.to_numpy(value) for value in session.run(feeds, outputs)]
    kept = {
        name: runtime.empty([int(d) for d in node.shape], node.dtype.numpy, "cuda")
        for name, node in zip(outputs, graph.outputs, strict=True)
    }
    binding = session.bind(feeds, kept, replay=True)
    for _ in range(3):
        binding.run()
    return [runtime.to_numpy(value) for value in kept.values()]


def close(graph: Graph, got: Any, want: Any, rtol: float, atol: float) -> None:
    for (name, _), a, b in zip(graph.results + graph.updates, got, want, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape, name
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize("dtype", [f32, f16], ids=str)
@pytest.mark.parametrize("sample", CASES, ids=lambda s: s.id)
def test_every_op(sample: Sample, dtype: DType) -> None:
    graph, values = sample.graph(dtype, 2), sample.values(dtype, 2)
    tolerance = 1e-4 if dtype is f32 else 2e-2
    close(graph, on_cuda(graph, values), run(graph, values), tolerance, tolerance)


KEPT = (
    "maximum",
    "minimum",
    "relu",
    "relu_grad",
    "sign",
    "sigmoid",
    "softplus",
    "tanh",
    "reduce_max",
    "argmax",
)


@pytest.mark.parametrize(
    "sample",
    [s for s in CASES if s.op.name in (*KEPT, "max_pool2d", "max_pool2d_grad", "avg_pool2d_grad")],
    ids=lambda s: s.id,
)
def test_nan_and_infinities(sample: Sample) -> None:
    """Kept where they are, by every strategy."""
    graph, values = sample.graph(f32, 2), sample.values(f32, 2)
    rng = np.random.default_rng(0)
    special = np.float32([np.nan, np.inf, -np.inf, -30, 30, 0])
    values = [
        np.where(rng.random(x.shape) < 0.3, rng.choice(special, x.shape), x) if x.dtype == np.float32 else x
        for x in values
    ]
    node = graph.outputs[0]
    ways = [s.name for s in TABLE if s.op == node.op.name and not s.lacks(node, Target(device="cuda"))]
    for way in ways or [""]:
        target = Target(device="cuda", overrides=((node.op.name, way),) if way else ())
        close(graph, on_cuda(graph, values, target), run(graph, values), 2e-5, 1e-30)


@pytest.mark.parametrize("sample", HEAVY, ids=lambda s: s.id)
def test_every_strategy(sample: Sample) -> None:
    graph, values = sample.graph(f32, 2), sample.values(f32, 2)
    node = graph.outputs[0]
    for strategy in TABLE:
        if strategy.op == node.op.name and not strategy.lacks(node, Target(device="cuda")):
            target = Target(device="cuda", overrides=((strategy.op, strategy.name),))
            close(graph, on_cuda(graph, values, target), run(graph, values), 1e-4, 1e-4)


@pytest.mark.parametrize("captures", [False, True])
def test_lenet_step(captures: bool) -> None:
    graph = train_step(16)
    values = inputs(graph, 16)
    close(graph, on_cuda(graph, values, captures=captures), run(graph, values), 1e-3, 1e-5)


def losses(name: str, steps: int, **options: Any) -> tuple[list[float], Any]:
    """The losses of a training, and the compiled step."""
    lenetc.manual_seed(0)
    training = prepared(TRAININGS[name], lenetc)
    step = lenetc.compile(training.step, **options)
    found = []
    for images, labels in itertools.islice(digits(steps), steps):
        found.append(step(images, labels).item())
        if training.schedule is not None:
            training.schedule.step()
    return found, step


@pytest.mark.parametrize("name", TRAININGS)
def test_training_is_that_of_the_cpu(name: str) -> None:
    want, _ = losses(name, 20, device="cpu")
    got, step = losses(name, 20, device="cuda")
    np.testing.assert_allclose(got, want, rtol=1e-3)
    specialization = step.specialization(next(digits()), {}, scan=False)
    assert specialization.session.on_cpu == []
    assert specialization.session.captures, specialization.program.obstacles
    assert all(isinstance(binding, Replay) for binding in specialization.turns)


def test_capture_changes_no_bit() -> None:
    assert losses("sgd", 10, device="cuda")[0] == losses("sgd", 10, device="cuda", cuda_graphs=False)[0]


def test_steps_in_one_run() -> None:
    lenetc.manual_seed(0)
    batches = list(digits(4))
    each, _ = losses("sgd", 4, device="cuda")
    training = prepared(TRAININGS["sgd"], lenetc)
    together = lenetc.compile(training.step, device="cuda").scan(
        *(np.stack(part) for part in zip(*batches, strict=True))
    )
    np.testing.assert_allclose(together.numpy(), each, rtol=1e-4)


def test_masks_are_those_of_the_cpu() -> None:
    def masks(x: Any) -> Any:
        return lenetc.stack(
            [F.dropout(x, 0.4, training=True), lenetc.rand(5, 7), F.dropout(x, 0.7, training=True)]
        )

    found = []
    for device in ("cpu", "cuda"):
        lenetc.manual_seed(21)
        compiled = lenetc.compile(masks, device=device)
        found.append(np.stack([compiled(np.ones((5, 7), np.float32)).numpy() for _ in range(4)]))
    np.testing.assert_array_equal(found[1], found[0])
    assert len({call.tobytes() for call in found[1]}) == 4, "a replayed run must draw new numbers"


@pytest.fixture
def precision() -> Iterator[None]:
    yield
    lenetc.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("precision")
def test_tf32_rounds_and_is_off_by_default() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 512, 512)).astype(np.float32)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    errors = []
    for name in ("highest", "high"):
        lenetc.set_float32_matmul_precision(name)
        product = lenetc.compile(lambda x, y: x @ y, device="cuda")(a, b).numpy()
        errors.append(np.abs(product - exact).max())
    assert errors[0] < 1e-3 < errors[1] < 1.0


@pytest.mark.parametrize("dtype", [lenetc.float16, lenetc.bfloat16], ids=str)
def test_mixed_precision_trains(dtype: Any) -> None:
    def train(enabled: bool) -> list[float]:
        lenetc.manual_seed(0)
        training = prepared(TRAININGS["sgd"], lenetc)
        optimizer, net = training.optimizer, training.net

        def step(images: Any, labels: Any) -> Any:
            optimizer.zero_grad()
            with lenetc.autocast("cuda", dtype=dtype, enabled=enabled):
                loss = F.cross_entropy(net(images), labels)
            loss.backward()
            optimizer.step()
            return loss

        compiled = lenetc.compile(step, device="cuda")
        return [compiled(*batch).item() for batch in digits(20)]

    np.testing.assert_allclose(train(True), train(False), rtol=0.05)


def test_batches_fed_ahead_give_the_same_training() -> None:
    want, _ = losses("sgd", 10, device="cuda")
    lenetc.manual_seed(0)
    training = prepared(TRAININGS["sgd"], lenetc)
    step = lenetc.compile(training.step, device="cuda")
    assert [step(*batch).item() for batch in prefetch(digits(10), device="cuda")] == want


def test_values_are_found_on_the_device_they_were_left_on() -> None:
    step = lenetc.compile(lambda x: x * 2, device="cuda")
    y = step(step(np.ones(70_000, np.float32)))
    assert y._cell.value().device_name() == "cuda"
    np.testing.assert_array_equal(y.numpy(), np.full(70_000, 4, np.float32))
