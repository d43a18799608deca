"""The same input gives the same bits: run after run, with two threads, and from process to process."""

from __future__ import annotations

import gc
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load_file

import lenetc
from ir import to_text
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.program import Compilation, Program
from passes.target import Target
from tests.training import TRAININGS, digits, normalized, prepared

RUNS = 100


def session_of(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def bits(arrays: list[np.ndarray]) -> bytes:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.digest()


def feeds_of(program: Program, batch: int) -> dict[str, np.ndarray]:
    images, labels = next(digits(1, batch))
    state = {name: cell.numpy() for name, cell in program.capture.cells.items()}
    rates = {
        h.input: np.asarray(h.optimizer.option(h.group, h.key), np.float32) for h in program.capture.hypers
    }
    return {"images": images, "labels": labels, **state, **rates}


@pytest.mark.parametrize("name", ["sgd", "normalized"])
@pytest.mark.parametrize("batch", [64, 5])
def test_a_compiled_program_gives_the_same_bits(name: str, batch: int) -> None:
    run = prepared(TRAININGS[name], lenetc)
    program = CompiledFunction(run.step, "cpu").lower(*next(digits(1, batch)))
    session = session_of(program.onnx.SerializeToString())
    feeds = feeds_of(program, batch)
    assert len({bits(session.run(None, feeds)) for _ in range(RUNS)}) == 1


@pytest.mark.parametrize("batch", [64, 5])
def test_compiled_steps_give_the_same_bits(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the compiled function itself, its prepared runs and exchanged buffers; its threads are two."""
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
    run = prepared(TRAININGS["adam"], lenetc)
    step = CompiledFunction(run.step, "cpu")
    images, labels = next(digits(1, batch))
    step(images, labels)
    step(images, labels)  # makes the optimizer's state
    cells = step.lower(images, labels).capture.cells
    start = {name: cell.numpy() for name, cell in cells.items()}
    seen = set()
    for _ in range(RUNS):
        for name, cell in cells.items():
            cell.set_value(start[name].copy())
        loss = step(images, labels)
        seen.add(bits([loss.detach().numpy(), *(cell.numpy() for cell in cells.values())]))
    assert len(seen) == 1


@pytest.mark.parametrize("batch", [64, 5])
def test_the_exported_step_gives_the_same_bits(batch: int, tmp_path: Path) -> None:
    run = prepared(TRAININGS["sgd"], lenetc)
    CompiledFunction(run.step, "cpu").lower(*next(digits(1, 64))).export(tmp_path)
    images, labels = next(digits(1, batch))
    feeds = {"images": images, "labels": labels, "lr": np.asarray(0.02, np.float32)}
    feeds.update(load_file(tmp_path / "state.safetensors"))
    session = session_of((tmp_path / "train.onnx").read_bytes())
    assert len({bits(session.run(None, feeds)) for _ in range(RUNS)}) == 1


def trained() -> str:
    """A digest of everything after some steps: compiled, scanned, uncompiled; random masks and weights."""
    lenetc.manual_seed(123)
    net = normalized(lenetc, 0.3)
    optimizer = lenetc.optim.Adam(net.parameters(), lr=0.002)

    def step(images: object, labels: object) -> object:
        optimizer.zero_grad()
        loss = lenetc.nn.functional.nll_loss(net(lenetc.as_tensor(images)), lenetc.as_tensor(labels))
        loss.backward()
        optimizer.step()
        return loss

    compiled = CompiledFunction(step, "cpu")
    losses = [compiled(*batch).detach().numpy() for batch in digits(3, 16)]
    stacked = [np.stack(arrays) for arrays in zip(*digits(3, 16), strict=True)]
    losses.append(compiled.scan(*stacked).detach().numpy())
    losses.append(step(*next(digits(1, 16))).detach().numpy())  # type: ignore[attr-defined]
    model = compiled.lower(*next(digits(1, 16))).onnx.SerializeToString(deterministic=True)
    state = [value.numpy() for value in net.state_dict().values()]
    return bits([*losses, *state, lenetc.get_rng_state().numpy(), np.frombuffer(model, np.uint8)]).hex()


def test_the_same_seed_gives_the_same_bits_in_another_process() -> None:
    """Programs too: no order of a set or of a hash table gets into them."""
    code = "from tests.test_determinism import trained; print(trained())"
    found = set()
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=Path(__file__).parents[1],
            env={"PYTHONPATH": ".", "PYTHONHASHSEED": seed},
        )
        assert run.returncode == 0, run.stderr
        found.add(run.stdout)
    assert len(found) == 1


def test_the_parts_of_a_program_are_the_same_every_time() -> None:
    """Wherever the nodes are in memory: the order of a set of them is no order of a program."""
    target = Target(threads=2)
    found = set()
    for i in range(5):
        gc.collect()
        scattered = [object() for _ in range(i * 1000)]
        run = prepared(TRAININGS["sgd"], lenetc)
        step = CompiledFunction(run.step, "cpu")
        compiled = Compilation(step.lower(*next(digits(1, 64))).graph("traced"), target)
        assert compiled.split is not None
        found.add("\n".join(map(to_text, compiled.split.programs().values())))
        del scattered, compiled, step, run
    assert len(found) == 1
