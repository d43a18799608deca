"""Programs on CUDA, as far as it can be seen without a GPU: what is asked of the runtime, and what the device is told.

The device is a stand-in where one is needed (tests/fake_cuda): ONNX Runtime and its CUDA provider are the real ones.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn.functional as F
from ir import Graph
from lenetc import runtime
from lenetc.compiler.function import CompiledFunction
from lenetc.compiler.structure import type_of
from lenetc.runtime import DeviceError, Session, device, precision, session
from lenetc.runtime.replay import Replay
from passes.emit.cuda import obstacles
from passes.emit.model import to_onnx
from passes.pipeline import run_pipeline
from passes.target import Target
from tests import fake_cuda
from tests.training import TRAININGS, digits, prepared

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
stand_in = pytest.mark.skipif(bool(fake_cuda.missing()), reason=fake_cuda.missing())
BATCH = [["to device", "76800"], ["to device", "512"]]  # f32[64,300] and i64[64]
LOSS = ["on device", "4"]


def has(log: list[list[str]], what: str) -> int:
    return sum(name == what for name, _ in log)


@stand_in
def test_a_step_is_captured_once_for_each_way_round_and_then_replayed() -> None:
    found = fake_cuda.run("training", True)
    first, second, *rest = found["steps"]
    for capturing in (first, second):
        assert has(capturing, "capture") == has(capturing, "replay") == 1
        assert has(capturing, "to host") == 0
    # The runtime executes a step three times before it replays: as many copies inside it.
    inside = [entry for entry in second if entry[0] == "on device" and entry != LOSS]
    assert len(inside) % 3 == 0
    for replayed in rest:
        assert replayed == [*BATCH, ["replay", "1"], LOSS]
    assert found["looked"] == rest[0], "a look at the state must not move it"
    assert found["numbers"] == [1, 2]
    assert found["captures"] and found["obstacles"] == [] and found["on_cpu"] == []
    assert found["distinct"] == 3, "losses that are kept must not share memory"


@stand_in
def test_lenet_is_one_replay_a_step() -> None:
    found = fake_cuda.run("lenet")
    assert {"Conv", "ConvTranspose", "MaxPool", "Gather", "Gemm"} <= set(found["operators"])
    assert [has(step, "capture") for step in found["steps"]] == [1, 1, 0, 0]
    batch = [["to device", str(64 * 1024 * 4)], ["to device", "512"]]
    assert [entry for entry in found["steps"][1] if entry[0] == "to device"] == batch, "a copy in the graph"
    for step in found["steps"][2:]:
        assert step == [*batch, ["replay", "1"], LOSS]


@stand_in
def test_without_graphs_nothing_is_captured_and_nothing_comes_back() -> None:
    found = fake_cuda.run("training", False)
    for step in found["steps"]:
        assert has(step, "capture") == has(step, "replay") == has(step, "to host") == 0
    assert found["steps"][3][:2] == BATCH
    assert not found["captures"] and found["numbers"] == [None, None] and found["distinct"] == 3


@stand_in
def test_steps_in_one_run_are_not_captured_and_say_why() -> None:
    found = fake_cuda.run("scanned")
    assert not found["captures"] and has(found["log"], "capture") == 0
    (reason,) = found["obstacles"]
    assert "(Scan): control flow is decided on the CPU" in reason
    assert found["on_cpu"] == []


@stand_in
def test_gradients_that_add_up_are_not_captured() -> None:
    found = fake_cuda.run("accumulated")
    assert found["grad"]
    assert has(found["log"], "capture") <= 1  # the first call finds no gradient yet


@stand_in
def test_an_operator_on_the_cpu_is_told_and_keeps_the_program_from_being_captured() -> None:
    found = fake_cuda.run("on_the_cpu")
    assert found["on_cpu"] == ["conv1/xor"] and not found["captures"]
    refused, placed = found["told"]
    assert "not captured as CUDA graphs" in refused
    assert "no CUDA kernel" in placed and "conv1/xor" in placed and "net.py" in placed
    assert "conv1/add" not in placed


@stand_in
def test_values_stay_on_the_device() -> None:
    found = fake_cuda.run("moves")
    assert found["between"] == [["on device", "24"]]
    assert found["back"] == [0.0, 1.0, 2.0]
    assert has(found["fed"], "to host") == has(found["fed"], "to device") == 0


def graphs() -> Iterator[tuple[str, Graph]]:
    """The steps of the networks that the tests train, and one with dropout, for a batch of 8."""
    images, labels = next(digits(1, batch=8))
    trainings = {name: prepared(training, lenetc).step for name, training in TRAININGS.items()}
    dropping = lenetc.nn.Sequential(lenetc.nn.Flatten(), lenetc.nn.Linear(1024, 10), lenetc.nn.Dropout(0.3))

    def dropout(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(dropping(x), y)
        loss.backward()
        return loss

    for name, step in (*trainings.items(), ("dropout", dropout)):
        values = {"x": images, "y": labels}
        arguments = dict(zip(inspect.signature(step).parameters, values.values(), strict=True))
        types = {key: type_of(value) for key, value in arguments.items()}
        yield name, CompiledFunction(step, "cpu").capture(arguments, types).graph


def test_every_step_can_be_captured(tmp_path: Path) -> None:
    for name, graph in graphs():
        model = to_onnx(run_pipeline(graph, Target(device="cuda"))[-1].graph).model
        assert obstacles(model) == [], name
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
    if fake_cuda.missing():
        pytest.skip(f"the table alone was asked: {fake_cuda.missing()}")
    left = fake_cuda.run("placement", str(tmp_path))
    assert left == {name: [] for name in (*TRAININGS, "dropout")}


def test_options_of_the_provider() -> None:
    options = session.cuda_options(captures=True)
    assert options["enable_cuda_graph"] == "1" and options["use_tf32"] == "0"
    assert options["cudnn_conv_algo_search"] == "HEURISTIC"
    assert "prefer_nhwc" not in options  # ConvTranspose would go to the CPU
    assert session.cuda_options(captures=False)["enable_cuda_graph"] == "0"
    assert all(isinstance(value, str) for value in options.values())


@pytest.fixture
def restored_precision() -> Iterator[None]:
    before = precision.get_float32_matmul_precision()
    yield
    precision.set_float32_matmul_precision(before)


@pytest.mark.usefixtures("restored_precision")
def test_precision_is_f32_unless_asked() -> None:
    assert lenetc.get_float32_matmul_precision() == "highest"
    for name, tf32 in (("high", "1"), ("medium", "1"), ("highest", "0")):
        lenetc.set_float32_matmul_precision(name)
        assert lenetc.get_float32_matmul_precision() == name
        assert session.cuda_options(captures=False)["use_tf32"] == tf32
    with pytest.raises(ValueError, match="unknown precision 'tf32'; use 'highest', 'high', 'medium'"):
        lenetc.set_float32_matmul_precision("tf32")


def test_cuda_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "DRIVERS", ("/no/such/driver",))
    with pytest.raises(DeviceError, match=r"no NVIDIA driver on this machine.*lenetc\[cuda\]"):
        lenetc.compile(lambda x: x, device="cuda")
    assert lenetc.compile(lambda x: x).device == "cpu"
    monkeypatch.setattr(device.ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match="this build of ONNX Runtime has no CUDA provider"):
        lenetc.compile(lambda x: x, device="cuda")


class Loaded:
    """An inference session as the runtime gives it, of a provider's name and nodes on the CPU."""

    provider, left = "CUDAExecutionProvider", 0
    made: list[dict[str, Any]]

    def __init__(self, model: bytes, options: Any, providers: Any, **kwargs: Any) -> None:
        self.made.append({"providers": providers, **kwargs})
        self.options: list[Any] = []
        self.runs: list[str | None] = []
        self.released: list[int] = []

    def get_providers(self) -> list[str]:
        return [self.provider, "CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self) -> list[Any]:
        return []

    def io_binding(self) -> Loaded:
        return self

    def bind_ortvalue_input(self, name: str, value: Any) -> None: ...

    def bind_ortvalue_output(self, name: str, value: Any) -> None: ...

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        self.runs.append(None if options is None else options.get_run_config_entry("gpu_graph_id"))

    def release_captured_graph(self, number: int) -> None:
        self.released.append(number)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> type[Loaded]:
    Loaded.made = []
    monkeypatch.setattr(session, "InferenceSession", Loaded)
    return Loaded


def test_a_provider_that_did_not_load_is_an_error(
    loaded: type[Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded, "provider", "CPUExecutionProvider")
    with pytest.raises(DeviceError, match="could not load its CUDA provider"):
        Session(b"", "cuda", {})


def test_the_runtime_may_not_fall_back_by_itself(loaded: type[Loaded]) -> None:
    Session(b"", "cuda", {}, captures=True)
    (made,) = loaded.made
    ((name, options),) = made["providers"]
    assert name == "CUDAExecutionProvider" and options["enable_cuda_graph"] == "1"
    assert made["enable_fallback"] == 0


def test_each_binding_has_a_graph_of_its_own(loaded: type[Loaded]) -> None:
    session = Session(b"", "cuda", {}, captures=True)
    values = [runtime.to_device(np.zeros(2, np.float32), "cpu") for _ in range(3)]
    pair = [session.bind({"x": x}, {"y": y}, replay=True) for x, y in (values[:2], values[1::-1])]
    assert all(isinstance(binding, Replay) for binding in pair)
    for turn in (0, 1, 0, 1):
        pair[turn].run()
    session.bind({"x": values[0]}, {}).run()
    raw: Any = session._session
    assert raw.runs == ["1", "2", "1", "2", "-1"]
    pair[1].release()
    assert raw.released == [2]


def test_without_graphs_a_run_has_no_number(loaded: type[Loaded]) -> None:
    session = Session(b"", "cuda", {})
    binding = session.bind({}, {}, replay=True)
    assert not isinstance(binding, Replay)
    binding.run()
    raw: Any = session._session
    assert raw.runs == [None]


def test_what_is_fed_to_a_graph_is_copied_to_where_it_reads(loaded: type[Loaded]) -> None:
    session = Session(b"", "cuda", {}, captures=True)
    memory = runtime.to_device(np.zeros(2, np.float32), "cpu")
    binding = session.bind({"x": memory}, {}, replay=True)
    binding.feed("x", runtime.to_device(np.array([1, 2], np.float32), "cpu"))
    np.testing.assert_array_equal(memory.numpy(), [1, 2])
    binding.feed("x", np.array([3, 4], np.float32))
    np.testing.assert_array_equal(memory.numpy(), [3, 4])
