"""step.profile: what a step costs, brought back to modules, phases and lines; nothing of the user's changes."""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from benchmarks.models import LENET
from ir.errors import LenetcError, ShapeError
from ir.node import Where
from lenetc import nn, optim, runtime
from lenetc.compiler.function import CompiledFunction
from lenetc.profiling.kernels import Kernel
from lenetc.profiling.measure import kernels_of
from lenetc.profiling.profile import BETWEEN, Breakdown, Memory, Profile, Profiled
from lenetc.runtime import Session
from lenetc.runtime.parts import SplitSession
from tests.training import TRAININGS, digits, prepared

ROOT = Path(__file__).parents[3]


def trained(name: str) -> CompiledFunction:
    return CompiledFunction(prepared(TRAININGS[name], lenetc).step, "cpu")


@cache
def of_lenet(scan: bool = False) -> Profile:
    """In one program."""
    gc.collect()  # nodes that other tests have made, and that are still there, have the lines of those
    with threads_of(1):
        images, labels = next(digits(1, 8))
        if scan:
            return trained("sgd").profile(
                images.reshape(2, 4, 1, 32, 32), labels.reshape(2, 4), scan=True, steps=2
            )
        return trained("sgd").profile(images, labels, steps=3)


@contextmanager
def threads_of(threads: int) -> Iterator[None]:
    before = runtime.get_num_threads()
    runtime.set_num_threads(threads)
    try:
        yield
    finally:
        runtime.set_num_threads(before)


@cache
def of_normalized() -> Profile:
    """BatchNorm, dropout, average pooling."""
    images, labels = next(digits(1, 8))
    lenetc.manual_seed(0)
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(1024, 32), nn.BatchNorm1d(32), nn.GELU(), nn.Dropout(0.5), nn.Linear(32, 10)
    )
    optimizer = optim.AdamW(net.parameters())

    def step(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return CompiledFunction(step, "cpu").profile(images, labels, steps=3)


@cache
def of_parts(batch: int = 64, threads: int = 2) -> Profile:
    """Two halves of the batch on threads of their own, or tiles of it."""
    with threads_of(threads):
        images, labels = next(digits(1, batch))
        return trained("sgd").profile(images, labels, steps=3)


PROFILES: dict[str, Callable[[], Profile]] = {
    "lenet": of_lenet,
    "normalized": of_normalized,
    "scan": lambda: of_lenet(True),
    "parts": of_parts,
    "tiles": lambda: of_parts(256, 1),
}


@pytest.fixture(scope="module", params=PROFILES)
def profile(request: pytest.FixtureRequest) -> Profile:
    return PROFILES[request.param]()


@pytest.fixture(scope="module")
def lenet() -> Profile:
    return of_lenet()


@pytest.fixture(scope="module")
def scan() -> Profile:
    return of_lenet(True)


# Every kernel is somebody's.


def test_every_kernel_has_a_place_in_the_users_code(profile: Profile) -> None:
    for kernel in profile.kernels:
        assert kernel.where is not None, kernel
        assert kernel.phase in ("forward", "backward", "update", "(loop)")
        # What cuts the batch into tiles is nobody's line.
        assert kernel.line or (kernel.module in ("(loop)", "(top level)") and kernel.calls == 1), kernel
        assert kernel.provider == "CPUExecutionProvider"
    made = [name for kernel in profile.kernels for name in kernel.made_from]
    assert len(set(made)) == len(made)  # no node is counted twice
    assert "(runtime)" not in profile.by_module


def test_modules_phases_and_lines(lenet: Profile) -> None:
    assert set(lenet.by_module) == {
        *("conv1", "conv2", "fc1", "fc2", "fc3", "(top level)", "(optimizer)", BETWEEN)
    }
    assert set(lenet.by_phase) == {"forward", "backward", "update", BETWEEN}
    lines = (ROOT / LENET).read_text().splitlines()
    forward = next(n for n, line in enumerate(lines, 1) if "self.conv1(images)" in line)
    assert f"{LENET}:{forward}" in lenet.by_line
    sources = (f"{LENET}:", f"{ROOT / 'tests' / 'training.py'}:")
    assert all(line == BETWEEN or line.startswith(sources) for line in lenet.by_line)


def test_modules_of_a_sequential() -> None:
    profile = of_normalized()
    assert {"1", "2", "3", "4", "5", "(optimizer)"} <= set(profile.by_module)
    assert {k.phase for k in profile.kernels if k.module == "2"} == {"forward", "backward"}
    assert profile.samples == 8


def test_fused_kernels_say_what_they_were_made_from(lenet: Profile) -> None:
    fused = [kernel for kernel in lenet.kernels if kernel.operator == "FusedGemm"]
    assert [kernel.module for kernel in fused] == ["fc1", "fc2"]
    assert all(len(kernel.made_from) == 2 for kernel in fused)


def test_a_slow_layer_shows(capsys: pytest.CaptureFixture[str]) -> None:
    net = nn.Sequential(nn.Linear(16, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 4))

    @lenetc.compile(device="cpu")
    def forward(x: Any) -> Any:
        return net(x)

    profile = forward.profile(np.ones((256, 16), np.float32), steps=3)
    assert next(iter(profile.by_module)) == "2"
    assert profile.by_module["2"].share > 0.5
    assert profile.by_module["2"].gflops == pytest.approx(
        2 * 256 * 1024 * 1024 / profile.by_module["2"].seconds / 1e9
    )
    (slow,) = (k for k in profile.kernels if k.name == next(iter(profile.by_kernel)))
    assert slow.module == "2" and slow.phase == "forward"


# The figures fit together.


def test_parts_add_up_to_the_whole(profile: Profile) -> None:
    for parts in (
        *(profile.by_module, profile.by_phase, profile.by_operator),
        *(profile.by_line, profile.by_kernel),
    ):
        assert sum(row.seconds for row in parts.values()) == pytest.approx(profile.profiled.seconds)
        assert sum(row.share for row in parts.values()) == pytest.approx(1)
        assert sum(row.calls for row in parts.values()) == sum(k.calls for k in profile.kernels)
        assert parts[BETWEEN].seconds >= -1e-12
        named = [row.seconds for name, row in parts.items() if name != BETWEEN]
        assert named == sorted(named, reverse=True)
    assert profile.quartiles[0] <= profile.median <= profile.quartiles[1]
    assert all(0 < inside < whole for inside, whole in zip(profile.runtime, profile.times, strict=True))
    assert profile.profiled.profiling >= 0 and 0 <= profile.outside < 1
    assert profile.memory.arena and profile.memory.peak and profile.memory.peak > profile.memory.state


def test_state_is_counted_once() -> None:
    images, labels = next(digits(1, 4))
    profile = trained("sgd").profile(images, labels, steps=2)
    parameters = (6 * 25 + 6) + (16 * 150 + 16) + (400 * 120 + 120) + (120 * 84 + 84) + (84 * 10 + 10)
    assert profile.memory.state == 2 * 4 * parameters  # with momentum
    assert profile.samples == 4 and profile.samples_per_second == pytest.approx(4 / profile.median)


def test_arguments_of_every_kind() -> None:
    w = lenetc.ones(3, requires_grad=True)
    scaled = CompiledFunction(lambda x, by, how="sum": getattr((x * w * by), how)(), "cpu")
    assert scaled.profile(lenetc.ones(5, 3), 0.5, how="mean", steps=2).samples == 5
    assert scaled.profile(lenetc.tensor(2.0), by=0.5, steps=2).samples is None
    alone = CompiledFunction(lambda: (w * 2.0).sum(), "cpu").profile(steps=2)
    assert alone.samples is alone.samples_per_second is alone.gflops is None
    assert json.loads(alone.to_json())["samples"] is None and "samples/s" not in str(alone)


def test_a_scan_counts_its_body(scan: Profile) -> None:
    (loop,) = (kernel for kernel in scan.kernels if kernel.operator == "Scan")
    assert loop.calls == 1 and loop.phase == loop.module == "(loop)"
    inside = [kernel for kernel in scan.kernels if kernel.module.startswith("conv")]
    assert inside and all(kernel.calls == 2 for kernel in inside)
    assert scan.samples == 8


def test_parts_count_together() -> None:
    """Each half of the batch starts the kernels of forward and backward; their sums are joined once."""
    profile = of_parts()
    assert profile.profiled.parts == 2 and "2 parts of the batch run side by side" in str(profile)
    assert all(k.calls == 2 for k in profile.kernels if k.operator in ("FusedGemm", "ConvTranspose"))
    joined = [kernel for kernel in profile.kernels if kernel.name.startswith(("results/", "update/"))]
    assert {kernel.calls for kernel in joined} == {1} and "update" in {kernel.phase for kernel in joined}
    alone = of_parts(threads=1)
    assert alone.profiled.parts == 1 and "side by side" not in str(alone)
    assert sum(k.flops for k in profile.kernels if k.module == "fc1") == pytest.approx(
        sum(k.flops for k in alone.kernels if k.module == "fc1"), rel=0.02
    )


def test_tiles_are_kernels_of_a_body() -> None:
    profile = of_parts(256, 1)
    (loop,) = (kernel for kernel in profile.kernels if kernel.operator == "Scan")
    tiles = {k.calls for k in profile.kernels if k.module == "fc1" and k.phase == "forward"}
    assert loop.calls == 1 and max(tiles) == 8
    assert profile.samples == 256


def test_how_many_kernels_a_scan_starts(lenet: Profile) -> None:
    images, labels = next(digits(1, 8))
    step = trained("sgd")
    with threads_of(1):
        once = kernels_of(step.lower(images[:4], labels[:4]).graph())
        step.scan(images.reshape(2, 4, 1, 32, 32), labels.reshape(2, 4))
    graphs = [program.graph() for program in step.programs()]
    assert max(map(kernels_of, graphs)) >= 1.5 * once


def test_operations_of_a_linear_layer() -> None:
    net = nn.Linear(20, 30)
    forward = CompiledFunction(lambda x: net(x), "cpu")
    profile = forward.profile(np.ones((4, 20), np.float32), steps=2)
    assert sum(kernel.flops for kernel in profile.kernels) == 2 * 4 * 20 * 30
    assert profile.gflops == pytest.approx(2 * 4 * 20 * 30 / profile.median / 1e9)
    assert profile.by_phase[BETWEEN].gflops is None


# Nothing of the user's changes.


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_training_goes_on_as_if_there_had_been_no_profile(name: str) -> None:
    def losses(profiled: bool) -> list[float]:
        run = prepared(TRAININGS[name], lenetc)
        step = CompiledFunction(run.step, "cpu")
        found = []
        for i, (images, labels) in enumerate(digits(4, 8)):
            if profiled and i in (0, 2):
                before = {k: v.numpy() for k, v in run.net.state_dict().items()}
                step.profile(images, labels, steps=2)
                for key, value in run.net.state_dict().items():
                    np.testing.assert_array_equal(value.numpy(), before[key])
            found.append(step(images, labels).item())
        assert run.optimizer._step_count == 4
        return found

    assert losses(True) == losses(False)


def test_gradients_and_random_numbers_are_as_before() -> None:
    w = lenetc.ones(4, requires_grad=True)

    @lenetc.compile(device="cpu")
    def accumulate(x: Any) -> Any:
        loss = (F.dropout(x, 0.5) * w).sum()
        loss.backward()
        return loss

    x = np.ones(4, np.float32)
    lenetc.manual_seed(3)
    accumulate(x)
    assert w.grad is not None
    before, numbers = w.grad.numpy().copy(), lenetc.get_rng_state()
    accumulate.profile(x, steps=2)
    np.testing.assert_array_equal(w.grad.numpy(), before)
    np.testing.assert_array_equal(lenetc.get_rng_state(), numbers)


@pytest.mark.parametrize("batch", [4, 64])
def test_the_profiled_session_has_the_options_of_the_other(
    batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lenetc.runtime.threads._threads", [2])
    step = trained("sgd")
    images, labels = next(digits(1, batch))
    step(images, labels)
    specialization = step.specialization((images, labels), {}, scan=False)

    def sessions(session: Session | SplitSession) -> list[Any]:
        return [session] if isinstance(session, Session) else session.sessions

    pairs = zip(
        sessions(specialization.session), sessions(specialization.load(tmp_path / "profiled")), strict=True
    )
    of_profiling = {"enable_profiling", "profile_file_prefix", "optimized_model_filepath"}
    for plain, profiled in pairs:
        ours, theirs = (s._session.get_session_options() for s in (plain, profiled))
        for name in dir(ours):
            if not name.startswith("_") and not callable(getattr(ours, name)) and name not in of_profiling:
                assert getattr(ours, name) == getattr(theirs, name), name
        key = "session.set_denormal_as_zero"
        assert ours.get_session_config_entry(key) == theirs.get_session_config_entry(key)
        assert plain._session.get_providers() == profiled._session.get_providers()
        profiled.end_profiling()


def test_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    trained("sgd").profile(*next(digits(1, 2)), steps=2)
    assert list(tmp_path.iterdir()) == []


# What comes out.


def test_json(lenet: Profile, tmp_path: Path) -> None:
    lenet.save(tmp_path / "profile.json")
    text = (tmp_path / "profile.json").read_text()
    assert text == lenet.to_json()
    found = json.loads(text)
    assert set(found) == {
        *("format", "function", "device", "samples", "seconds", "samples_per_second", "gflops", "memory"),
        *("profiled", "by_module", "by_phase", "by_operator", "by_line", "kernels"),
    }
    assert (found["format"], found["function"], found["device"], found["samples"]) == (1, "step", "cpu", 8)
    assert set(found["seconds"]) == {"median", "quartiles", "fastest", "calls", "outside_runtime"}
    assert found["seconds"]["calls"] == 3
    parts = found["profiled"]
    assert set(parts) == {"seconds", "kernels", "between_kernels", "profiling", "parts"}
    assert parts["kernels"] + parts["between_kernels"] == pytest.approx(parts["seconds"])
    assert sum(k["seconds"] for k in found["kernels"]) == pytest.approx(parts["kernels"])
    assert set(found["memory"]) == {"peak", "state", "arena"}
    assert set(found["by_module"]["conv1"]) == {"seconds", "share", "calls", "gflops"}
    assert len(found["kernels"]) == len(lenet.kernels)
    for kernel in found["kernels"]:
        assert set(kernel) == {
            *("name", "operator", "provider", "made_from", "module", "phase", "line"),
            *("seconds", "calls", "flops"),
        }


def example() -> Profile:
    where = [
        Where("layers[0]", "forward", "/home/me/net.py", 3),
        Where("", "update", "/home/me/net.py", 9),
        None,
    ]
    kernels = tuple(
        Kernel(
            f"k{i}", operator, "", ("k", "relu")[: 2 - i] if place else (), place, (3 - i) * 1e-6, 1, flops
        )
        for i, (place, operator, flops) in enumerate(
            zip(where, ("Gemm", "Sub", "Memcpy"), (6000, 0, 0), strict=True)
        )
    )
    return Profile(
        "step", "cpu", 8, (20e-6, 10e-6, 30e-6), (18e-6, 9e-6, 27e-6), Profiled(kernels, 8e-6, 1e-6, None),
        Memory(None, 1500, None),
    )  # fmt: skip


def test_the_printed_report() -> None:
    text = str(example())
    assert "step on cpu: 20 µs a call, 400,000 samples/s, 0.3 GFLOP/s" in text
    assert (
        "median of 3 calls; half of them took 15 to 25 µs; 10.0% of a call is outside of the runtime" in text
    )
    assert "memory: state 1.5 kB\n" in text
    assert "in the runtime: 18 µs; profiled: 8 µs, less 1 µs for the profiling itself" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["layers[0]", "3", "3", "37.5%", "2.0"] in rows
    assert ["(optimizer)", "2", "2", "25.0%"] in rows
    assert ["(runtime)", "1", "1", "12.5%"] in rows
    assert ["(between", "kernels)", "2", "25.0%"] in rows
    assert ["k", "+", "relu", "3", "37.5%", "1", "2.0", "Gemm", "forward", "net.py:3"] in rows
    assert all(len(line) <= 120 for line in text.splitlines())


def test_long_tables_are_shortened() -> None:
    profile = of_lenet()
    shown = [line.split() for line in str(profile).splitlines()]
    assert [str(len(profile.kernels) - 12), "others"] in [row[:2] for row in shown]
    assert [str(len(profile.by_operator) - 1 - 12), "others"] in [row[:2] for row in shown]
    assert "others" not in str(profile.by_kernel) and "others" not in str(profile.by_operator)


def test_breakdowns_print_and_are_mappings() -> None:
    parts = example().by_module
    assert isinstance(parts, Breakdown)
    assert list(parts) == ["layers[0]", "(optimizer)", "(runtime)", BETWEEN] and len(parts) == 4
    assert "layers[0]" in str(parts) and repr(parts) == str(parts)
    with pytest.raises(KeyError):
        parts["conv1"]


# Errors.


def test_errors() -> None:
    step = trained("sgd")
    images, labels = next(digits(1, 4))
    with pytest.raises(LenetcError, match="at least 2 steps, not 1"):
        step.profile(images, labels, steps=1)
    with pytest.raises(TypeError, match=r"step\(images, labels\) was called with the wrong arguments"):
        step.profile(images, steps=2)
    with pytest.raises(ShapeError, match="the same leading axis"):
        step.profile(images, labels[:2], scan=True, steps=2)
    inner = CompiledFunction(lambda x: x * 2.0, "cpu")
    outer = CompiledFunction(lambda x: inner.profile(x), "cpu")
    with pytest.raises(LenetcError, match="a function that is being compiled cannot"):
        outer(np.ones(2, np.float32))


def test_a_failing_step_leaves_the_state_as_it_was() -> None:
    run = prepared(TRAININGS["sgd"], lenetc)
    step = CompiledFunction(run.step, "cpu")
    images, labels = next(digits(1, 4))
    before = run.net.conv1.weight.detach().numpy().copy()
    with pytest.raises(LenetcError):
        step.profile(images, labels + 100, steps=2)
    np.testing.assert_array_equal(run.net.conv1.weight.detach().numpy(), before)
    assert run.optimizer._step_count == 0
