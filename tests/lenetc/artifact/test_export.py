"""Exported folders: each file by itself, together, and against the compiled step they came from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors.numpy import load_file

import lenetc
from ir.errors import LenetcError
from ir.types import Array
from lenetc.artifact.load import Artifact
from lenetc.compiler.function import CompiledFunction
from tests.training import TRAININGS, Run, digits, normalized, prepared


@dataclass
class Exported:
    """A training, and the folder that it was exported to before its first step."""

    run: Run
    step: CompiledFunction
    folder: Path

    def session(self, file: str) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(self.folder / file, options, providers=["CPUExecutionProvider"])

    def manifest(self) -> dict[str, Any]:
        return json.loads((self.folder / "manifest.json").read_text())  # type: ignore[no-any-return]


def exported(name: str, folder: Path, batch: int = 64) -> Exported:
    run = prepared(TRAININGS[name], lenetc)
    step = CompiledFunction(run.step, "cpu")
    step.lower(*next(digits(1, batch))).export(folder, infer=run.net)
    return Exported(run, step, folder)


@pytest.fixture(params=["sgd", "adam", "normalized"])
def artifact(request: pytest.FixtureRequest, tmp_path: Path) -> Exported:
    return exported(request.param, tmp_path)


def plain_step(
    session: onnxruntime.InferenceSession, state: dict[str, Array], feeds: dict[str, Array]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """(results, new state) of one run, as a host without this package makes it."""
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, {**feeds, **state}), strict=True))
    new = {name: found.pop(f"{name}.next", value) for name, value in state.items()}
    return found, new


def assert_close(found: Array, expected: Array, name: str) -> None:
    """To 1e-5 of the largest magnitude: a symbolic batch takes other strategies than a fixed one."""
    scale = max(float(np.abs(expected).max(initial=0)), 1e-3)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * scale, err_msg=name)


def test_one_session_trains_64_and_then_5_samples(artifact: Exported) -> None:
    session = artifact.session("train.onnx")
    state = load_file(artifact.folder / "state.safetensors")
    rates = {h["name"]: np.asarray(h["default"], h["dtype"]) for h in artifact.manifest()["hyperparameters"]}
    images, labels = next(digits(1, 138))
    for rows in (slice(0, 64), slice(64, 128), slice(128, 133), slice(133, 138)):
        feeds = {"images": images[rows], "labels": labels[rows]}
        expected = artifact.step(*feeds.values())
        results, state = plain_step(session, state, {**feeds, **rates})
        np.testing.assert_allclose(results["loss"], expected.item(), rtol=1e-5)
    for name, value in artifact.run.net.state_dict().items():
        assert_close(state[name], value.numpy(), name)


def test_the_batch_is_symbolic_and_operators_are_standard(artifact: Exported) -> None:
    for file in (path.name for path in artifact.folder.glob("*.onnx")):
        model = onnx.load(artifact.folder / file)
        onnx.checker.check_model(model, full_check=True)
        assert [opset.domain for opset in model.opset_import] == [""]
    for file in ("train.onnx", "infer.onnx"):
        images = artifact.session(file).get_inputs()[0]
        assert (images.name, images.shape) == ("images", ["N", 1, 32, 32])


def test_the_manifest_describes_every_file(artifact: Exported) -> None:
    manifest = artifact.manifest()
    types = {
        "float32": "tensor(float)",
        "int64": "tensor(int64)",
        "int32": "tensor(int32)",
        "bool": "tensor(bool)",
    }
    state = {entry["name"]: entry for entry in manifest["state"]}
    hyper = {entry["name"]: entry for entry in manifest["hyperparameters"]}
    assert manifest["models"].keys() == {"train", "train_scan", "grad", "apply", "eval", "infer", "init"}
    for kind, model in manifest["models"].items():
        session = artifact.session(model["file"])
        gradients = model.get("gradients", {})
        passed = [{**state[name], "name": name_} for name, name_ in gradients.items()]
        taken = [
            *model["inputs"],
            *(hyper[n] for n in model["hyperparameters"]),
            *(state[n] for n in model["state"]),
        ]
        given = [*model["results"], *({**state[n], "name": name} for n, name in model["updates"].items())]
        (taken if kind == "apply" else given).extend(passed)
        for entries, values in ((taken, session.get_inputs()), (given, session.get_outputs())):
            described = {e["name"]: (types[e["dtype"]], e["shape"]) for e in entries}
            assert described == {value.name: (value.type, value.shape) for value in values}, kind
        proto = onnx.load(artifact.folder / model["file"])
        assert (manifest["opset"], manifest["ir_version"]) == (
            proto.opset_import[0].version,
            proto.ir_version,
        )
    learning_rate = artifact.run.optimizer.param_groups[0]["lr"]
    assert {name: entry["default"] for name, entry in hyper.items()} == {"lr": learning_rate}
    files = {path.name: path.read_bytes() for path in artifact.folder.iterdir() if path.suffix != ".json"}
    assert manifest["files"] == {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
    }
    stored = load_file(artifact.folder / "state.safetensors")
    assert stored.keys() == state.keys()
    for name, value in artifact.run.net.state_dict().items():
        np.testing.assert_array_equal(stored[name], value.numpy(), err_msg=name)


def test_exporting_changes_nothing(tmp_path: Path) -> None:
    def training() -> tuple[Run, CompiledFunction]:
        lenetc.manual_seed(5)
        run = prepared(TRAININGS["adam"], lenetc)
        run.net.conv1.eval()  # a part in another mode than the rest
        step = CompiledFunction(run.step, "cpu")
        step(*next(digits(1, 8)))
        return run, step

    plain, step = training()
    expected = [step(*batch).item() for batch in digits(3, 8)]
    run, step = training()
    modes = [module.training for module in run.net.modules()]
    drawn = lenetc.get_rng_state()
    before = json.dumps({k: v["step"].item() for k, v in run.optimizer.state_dict()["state"].items()})
    step.lower(*next(digits(1, 8))).export(tmp_path, infer=run.net)
    np.testing.assert_array_equal(lenetc.get_rng_state(), drawn)
    assert [module.training for module in run.net.modules()] == modes and not run.net.conv1.training
    after = json.dumps({k: v["step"].item() for k, v in run.optimizer.state_dict()["state"].items()})
    assert after == before
    assert all(parameter.requires_grad for parameter in run.net.parameters())
    assert [step(*batch).item() for batch in digits(3, 8)] == expected
    for name, value in plain.net.state_dict().items():
        np.testing.assert_array_equal(run.net.state_dict()[name].numpy(), value.numpy(), err_msg=name)


def test_adams_step_counter_is_inside(tmp_path: Path) -> None:
    """Bias correction depends on the number of steps, which a host cannot forget to count."""
    exported("adam", tmp_path, 8)
    loaded = lenetc.load(tmp_path)
    counters = [name for name in loaded.state if name.endswith("step")]
    assert counters == ["optimizer.step"]
    for images, labels in digits(3, 8):
        loaded(images=images, labels=labels)
    assert loaded.state["optimizer.step"] == 3


def test_random_masks_are_the_compiled_runs(tmp_path: Path) -> None:
    def training() -> tuple[Run, CompiledFunction]:
        lenetc.manual_seed(11)
        lenetc.rand(3)
        dropped = TRAININGS["normalized"].__class__(
            lambda torch: normalized(torch, 0.5), "nll_loss", "SGD", {"lr": 0.0}
        )
        run = prepared(dropped, lenetc)
        return run, CompiledFunction(run.step, "cpu")

    run, step = training()
    step.lower(*next(digits(1, 32))).export(tmp_path, infer=run.net)
    batch = next(digits(1, 32))
    expected = [step(*batch).item() for _ in range(5)]
    assert len(set(expected)) == 5  # weights stay, masks do not
    loaded = lenetc.load(tmp_path)
    found = [loaded(images=batch[0], labels=batch[1])["loss"].item() for _ in range(5)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert loaded.state["rng.counter"] == lenetc.random.default_generator.cells()[1].numpy()
    again = lenetc.load(tmp_path)
    assert [again(images=batch[0], labels=batch[1])["loss"].item() for _ in range(5)] == found


def test_an_artifact_is_saved_and_goes_on(artifact: Exported, tmp_path: Path) -> None:
    first, rest = list(digits(4, 8))[:2], list(digits(4, 8))[2:]

    def losses(loaded: Artifact, batches: Any) -> list[float]:
        return [loaded(images=images, labels=labels)["loss"].item() for images, labels in batches]

    whole = Artifact(artifact.folder)
    expected = losses(whole, [*first, *rest])
    loaded = Artifact(artifact.folder)
    assert losses(loaded, first) == expected[:2]
    loaded.save(tmp_path / "later.safetensors")
    resumed = Artifact(artifact.folder)
    resumed.load_state(tmp_path / "later.safetensors")
    assert losses(resumed, rest) == expected[2:]
    for name, value in whole.state.items():
        np.testing.assert_array_equal(resumed.state[name], value, err_msg=name)


def test_state_of_another_network_is_refused(tmp_path: Path) -> None:
    exported("sgd", tmp_path / "a", 8)
    exported("normalized", tmp_path / "b", 8)
    loaded = Artifact(tmp_path / "a")
    with pytest.raises(LenetcError, match="does not hold the state of this artifact"):
        loaded.load_state(tmp_path / "b" / "state.safetensors")


def test_hyperparameters_have_defaults_and_can_be_given(tmp_path: Path) -> None:
    exported("sgd", tmp_path, 8)
    images, labels = next(digits(1, 8))
    loaded = Artifact(tmp_path)
    start = loaded.state["fc3.weight"]
    assert loaded.hyperparameters == {"lr": 0.02}
    loaded(images=images, labels=labels, lr=0.0)
    np.testing.assert_array_equal(loaded.state["fc3.weight"], start)
    loaded = Artifact(tmp_path)
    loaded(images=images, labels=labels)
    once = loaded.state["fc3.weight"] - start
    loaded = Artifact(tmp_path)
    loaded.hyperparameters["lr"] = 0.04
    loaded(images=images, labels=labels)
    np.testing.assert_allclose(loaded.state["fc3.weight"] - start, 2 * once, rtol=1e-3, atol=1e-6)
    with pytest.raises(LenetcError, match="missing: \\['labels'\\], unknown: \\['momentum'\\]"):
        loaded(images=images, momentum=0.5)


def test_a_schedule_that_moves_momentum_is_exported_as_an_input(tmp_path: Path) -> None:
    run = prepared(TRAININGS["one_cycle"], lenetc)
    step = CompiledFunction(run.step, "cpu")
    batch = next(digits(1, 8))
    for _ in range(3):
        step(*batch)
        run.schedule.step()
    step.lower(*batch).export(tmp_path)
    group = run.optimizer.param_groups[0]
    defaults = Artifact(tmp_path).hyperparameters
    assert defaults == {"lr": group["lr"], "momentum": group["momentum"]}


def test_a_step_for_one_size_alone_is_exported_for_that_size(tmp_path: Path) -> None:
    layer = lenetc.nn.Linear(4, 4)

    def step(x: lenetc.Tensor, labels: lenetc.Tensor) -> lenetc.Tensor:
        loss = lenetc.nn.functional.cross_entropy(layer(x).view(int(x.shape[0]) * 2, 2), labels)
        loss.backward()
        return loss

    batch = lenetc.ones(3, 4), lenetc.zeros(6, dtype=lenetc.int64)
    program = lenetc.compile(step).lower(*batch)
    with pytest.raises(LenetcError, match="symbolic"):
        program.export(tmp_path / "dynamic", axes={"x": {0: "N"}})
    with pytest.warns(UserWarning, match="takes no other sizes"):
        program.export(tmp_path / "fixed")
    program.export(tmp_path / "asked", static=True)
    for folder in ("fixed", "asked"):
        artifact = Artifact(tmp_path / folder)
        shapes = {entry["name"]: entry["shape"] for entry in artifact.manifest["models"]["train"]["inputs"]}
        assert (shapes["x"], shapes["labels"]) == ([3, 4], [6])


@pytest.mark.parametrize(
    "over",
    [
        lambda x: x.size(0),
        lambda x: x.numel(),
        lambda x: 2 * x.shape[0] - 1,
    ],
)
def test_sizes_meet_tensors_with_a_symbolic_batch(over: Any, tmp_path: Path) -> None:
    def step(x: lenetc.Tensor) -> tuple[lenetc.Tensor, ...]:
        return (x * x).sum() / over(x), over(x) / x.sum(), x.sum() * over(x), over(x) - x.sum()

    lenetc.compile(step).lower(lenetc.ones(3, 4)).export(tmp_path, axes={"x": {0: "N"}})
    session = onnxruntime.InferenceSession(tmp_path / "train.onnx")
    x = np.random.default_rng(0).random((5, 4)).astype(np.float32)
    for found, expected in zip(session.run(None, {"x": x}), step(lenetc.from_numpy(x)), strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


@pytest.mark.parametrize("size", [lambda n: 1 / n, lambda n: n / 2, lambda n: n**0.5, lambda n: 0.5 * n])
def test_a_fraction_of_a_symbolic_batch_is_a_value(size: Any, tmp_path: Path) -> None:
    program = lenetc.compile(lambda x: x.sum() * size(x.shape[0])).lower(lenetc.ones(3, 4))
    program.export(tmp_path, axes={"x": {0: "N"}})
    session = onnxruntime.InferenceSession(tmp_path / "train.onnx")
    for rows in (3, 7):
        (found, *_) = session.run(None, {"x": np.ones((rows, 4), np.float32)})
        np.testing.assert_allclose(found, 4 * rows * size(rows), rtol=1e-6)


@pytest.mark.parametrize("asks", ["if", "assert", "shape"])
def test_a_step_that_asks_for_its_batch_is_exported_for_that_alone(asks, tmp_path):
    weight = lenetc.nn.Parameter(lenetc.ones(3))
    optimizer = lenetc.optim.SGD([weight], lr=0.1)

    @lenetc.compile
    def step(x):
        if asks == "assert":
            assert x.shape[0] in (4, 5)
        is_four = x.shape == (4, 3) if asks == "shape" else x.size(0) == 4
        loss = (x * weight).sum() * (2 if is_four else 3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    with pytest.warns(UserWarning, match="takes no other sizes"):
        step.lower(lenetc.ones(4, 3)).export(tmp_path)
    artifact = lenetc.load(tmp_path)
    assert artifact(x=np.ones((4, 3), np.float32))["loss"] == 24.0
    with pytest.raises(LenetcError):
        artifact(x=np.ones((5, 3), np.float32))
