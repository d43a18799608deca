"""Trainings in other runtimes than ONNX Runtime, from exported folders: the same losses, and masks to the bit."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import load_file

import lenetc
from benchmarks import models
from ir.types import Array
from lenetc import nn, optim
from lenetc.artifact.manifest import read_manifest
from lenetc.compiler.function import CompiledFunction
from lenetc.nn import functional as F
from passes.tiling import division
from tests.support import run_model

Run = Callable[[Mapping[str, Array]], dict[str, Array]]
BATCH, STEPS = 4, 3
TILE = 16


class Mixed(nn.Module):
    """Embedding, batch and layer normalization, GELU, dropout; the dropout's mask is a result besides."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.batch, self.layer = nn.Embedding(20, 16), nn.BatchNorm1d(8), nn.LayerNorm(16)
        self.up, self.down, self.out = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(128, 10)

    def forward(self, tokens: Any) -> tuple[Any, Any]:
        x = self.batch(self.layer(self.embedding(tokens)))
        mask = F.dropout(lenetc.ones_like(x), 0.3)
        return self.out((x + mask * self.down(F.gelu(self.up(x)))).flatten(1)), mask


def lenet(batch: int = BATCH) -> tuple[Any, tuple[Array, Array]]:
    rng = np.random.default_rng(0)
    net = models.lenet(nn)
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    def step(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step, (rng.standard_normal((batch, 1, 32, 32)).astype(np.float32), rng.integers(0, 10, batch))


def mixed() -> tuple[Any, tuple[Array, Array]]:
    rng = np.random.default_rng(0)
    net = Mixed()
    optimizer = optim.Adam(net.parameters(), lr=0.01)

    def step(tokens: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        scores, mask = net(tokens)
        loss = F.cross_entropy(scores, labels)
        loss.backward()
        optimizer.step()
        return {"loss": loss, "mask": mask}

    return step, (rng.integers(0, 20, (BATCH, 8)), rng.integers(0, 10, BATCH))


def in_onnxruntime(model: onnx.ModelProto, batch: Mapping[str, Array]) -> Run:
    names = [output.name for output in model.graph.output]
    return lambda feeds: dict(zip(names, run_model(model, feeds), strict=True))


def in_reference(model: onnx.ModelProto, batch: Mapping[str, Array]) -> Run:
    evaluator = ReferenceEvaluator(model)
    wanted = set(evaluator.input_names)

    def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
        with np.errstate(all="ignore"):  # it computes with NumPy, integers that wrap around included
            found = evaluator.run(None, {name: value for name, value in feeds.items() if name in wanted})
        return dict(zip(evaluator.output_names, found, strict=True))

    return run


def in_openvino(model: onnx.ModelProto, batch: Mapping[str, Array]) -> Run:
    """For one size of the batch: OpenVINO's convolutions take no kernels whose size it does not know."""
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed; the extra 'runtimes' brings it")
    import openvino

    core = openvino.Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    network = core.read_model(model.SerializeToString())
    network.reshape({name: value.shape for name, value in batch.items()})
    compiled = core.compile_model(network, "CPU", exact)
    taken = [next(iter(port.names & {i.name for i in model.graph.input})) for port in compiled.inputs]

    def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
        found = compiled([np.asarray(feeds[name]) for name in taken])
        return {name: found[port].copy() for port in compiled.outputs for name in port.names}

    return run


RUNTIMES = {"onnx.reference": in_reference, "openvino": in_openvino}


def trained(
    folder: Path, run: Run, batch: Mapping[str, Array]
) -> tuple[list[dict[str, Array]], dict[str, Array]]:
    """Results of each step, and the state after them, as a host computes them."""
    manifest = read_manifest(folder)
    model = manifest["models"]["train"]
    state = load_file(folder / "state.safetensors")
    rates = {h["name"]: np.asarray(h["default"], h["dtype"]) for h in manifest["hyperparameters"]}
    results = []
    for _ in range(STEPS):
        found = run({**batch, **rates, **state})
        results.append({port["name"]: found[port["name"]] for port in model["results"]})
        state.update({name: found[output] for name, output in model["updates"].items()})
    return results, state


@dataclass
class Exported:
    """A folder, its model, the batch of its training, and what ONNX Runtime makes of that."""

    folder: Path
    model: onnx.ModelProto
    batch: dict[str, Array]
    wanted: list[dict[str, Array]]
    last: dict[str, Array]


CASES = {
    f"{build.__name__}, {operators}": (build, {"operators": operators})
    for build in (lenet, mixed)
    for operators in ("portable", "web")
} | {"lenet, in tiles": (partial(lenet, 2 * TILE + 3), {"batch": 2 * TILE})}


@pytest.fixture(scope="module", params=CASES, ids=CASES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    build, options = CASES[request.param]
    folder = tmp_path_factory.mktemp("exported")
    lenetc.manual_seed(0)
    step, arrays = build()
    with pytest.MonkeyPatch.context() as small:
        small.setattr(division, "_SMALLEST", TILE)
        small.setattr(division, "_SHARED_TILE_BYTES", 0)
        CompiledFunction(step, "cpu").lower(*arrays).export(folder, **options)
    model = onnx.load(folder / "train.onnx")
    assert any(node.op_type == "Loop" for node in model.graph.node) == ("batch" in options)
    names = [port["name"] for port in read_manifest(folder)["models"]["train"]["inputs"]]
    batch = dict(zip(names, arrays, strict=True))
    return Exported(folder, model, batch, *trained(folder, in_onnxruntime(model, batch), batch))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_runtimes_train_alike(runtime: str, exported: Exported) -> None:
    results, state = trained(
        exported.folder, RUNTIMES[runtime](exported.model, exported.batch), exported.batch
    )
    assert exported.wanted[0]["loss"] != exported.wanted[-1]["loss"]
    for found, want in zip(results, exported.wanted, strict=True):
        np.testing.assert_allclose(found["loss"], want["loss"], rtol=2e-5)
        if "mask" in want:
            np.testing.assert_array_equal(found["mask"], want["mask"])
    for name, value in exported.last.items():
        np.testing.assert_allclose(state[name], value, rtol=1e-3, atol=1e-4, err_msg=name)
