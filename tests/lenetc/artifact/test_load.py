"""A loaded artifact: what its methods compute, and what they refuse, after which the state is as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import lenetc
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.types import Array
from lenetc.artifact.checkpoint import CheckpointError
from lenetc.artifact.load import Artifact
from lenetc.artifact.manifest import Port, write_manifest
from lenetc.artifact.on_disk.inputs import fitting
from lenetc.evaluation.ranges import LabelError
from tests.lenetc.artifact import folders

X, Y = folders.BATCH["x"], folders.BATCH["y"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("artifact")
    folders.write(path)
    return path


@pytest.fixture
def artifact(folder: Path) -> Artifact:
    return Artifact(folder)


def assert_same(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def step(state: dict[str, Array], x: Array, y: Array, lr: float = 0.05) -> tuple[Array, dict[str, Array]]:
    """The step of the folder, in NumPy."""
    scaled = x * state["scale"]
    error = scaled @ state["w"] - y.astype(np.float32)
    change = np.float32(lr) * (scaled.T @ error * np.float32(2) / np.float32(len(y)))
    new = {
        "w": state["w"] - change,
        "seen": state["seen"] + len(y),
        "optimizer.step": state["optimizer.step"] + 1,
    }
    return np.mean(error**2), {**state, **new}


def close(found: dict[str, Array], expected: dict[str, Array]) -> None:
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-5, err_msg=name)


def test_steps_of_any_batch_one_by_one_and_several_in_one_run(artifact: Artifact) -> None:
    state = dict(folders.STATE)
    for size in (4, 2, 1):
        results = artifact(x=X[:size], y=Y[:size])
        loss, state = step(state, X[:size], Y[:size])
        np.testing.assert_allclose(results["loss"], loss, rtol=1e-5)
        assert list(results) == ["loss"]  # `valid` is not for people
        close(artifact.state, state)
    expected = []
    for _ in range(3):
        loss, state = step(state, X, Y)
        expected.append(loss)
    results = artifact.scan(x=np.stack([X] * 3), y=np.stack([Y] * 3))
    np.testing.assert_allclose(results["loss"], expected, rtol=1e-5)
    close(artifact.state, state)


def test_a_step_in_two_parts_is_the_step(artifact: Artifact) -> None:
    whole = Artifact(artifact.folder)
    for _ in range(2):
        expected = whole(x=X, y=Y)
        seen = artifact.state["seen"]
        results, gradients = artifact.gradients(x=X, y=Y)
        assert results == expected and list(gradients) == ["w"]
        assert (
            artifact.state["seen"] == seen + 4
            and artifact.state["optimizer.step"] < whole.state["optimizer.step"]
        )
        artifact.apply(gradients)
        assert_same(artifact.state, whole.state)
    artifact.apply({"w": [0, 0, 1]}, lr=1)
    close(artifact.state, {"w": whole.state["w"] - np.array([0, 0, 1], np.float32)})


def test_evaluation_and_prediction_are_of_the_present_state(artifact: Artifact) -> None:
    for _ in range(2):
        state = artifact.state
        output = (X * state["scale"]) @ state["w"]
        close(artifact.predict(x=X), {"output": output})
        close(artifact.evaluate(x=X, y=Y), {"loss": np.mean((output - Y) ** 2)})
        assert_same(artifact.state, state)
        artifact(x=X, y=Y)


def test_starting_anew(artifact: Artifact) -> None:
    artifact(x=X, y=Y)
    artifact.initialize(7)
    assert_same(artifact.state, {**folders.STATE, "w": np.full(3, 7, np.float32)})
    artifact.initialize(np.int32(-3))
    assert artifact.state["w"][0] == -3
    for seed in (None, 1.0, True, "1", 2**63, np.zeros(2)):
        with pytest.raises(LenetcError, match="a seed is an integer of 64 bits, not"):
            artifact.initialize(seed)  # type: ignore[arg-type]


def test_what_is_given_may_be_of_any_kind_that_keeps_the_numbers(artifact: Artifact) -> None:
    expected = artifact.predict(x=X)["output"]
    tensor = lenetc.from_numpy(X)
    for x in (
        X.tolist(),
        X.astype(np.float64),
        tensor,
        tensor.requires_grad_(),
        X[::-1][::-1],
        X.astype(">f4"),
    ):
        np.testing.assert_array_equal(artifact.predict(x=x)["output"], expected)
    losses = {
        artifact.evaluate(x=X, y=y)["loss"].item()
        for y in (Y, Y.tolist(), Y.astype(np.uint8), lenetc.from_numpy(Y), Y.astype(np.int8))
    }
    assert len(losses) == 1


def refused(artifact: Artifact, error: type[Exception], says: str, run: Any) -> None:
    before = artifact.state
    with pytest.raises(error, match=says) as raised:
        run(artifact)
    assert isinstance(raised.value, LenetcError) and "test_load.py" in str(raised.value)
    assert_same(artifact.state, before)


@pytest.mark.parametrize(
    ("run", "error", "says"),
    [
        (lambda a: a(X, Y), LenetcError, r"takes x, y; missing: \['x', 'y'\].* without a name: 2"),
        (lambda a: a(x=X), LenetcError, r"train.onnx takes x, y; missing: \['y'\], unknown: \[\]"),
        (lambda a: a(x=X, y=Y, z=1), LenetcError, r"unknown: \['z'\].*may be given lr"),
        (lambda a: a.evaluate(x=X, y=Y, lr=1), LenetcError, r"eval.onnx takes x, y; .*unknown: \['lr'\]"),
        (lambda a: a.predict(x=X, y=Y), LenetcError, r"infer.onnx takes x; .*unknown: \['y'\]"),
        (lambda a: a(x=X[0], y=Y), ShapeError, r"x is float32 \['N', 3\], but was given float32 \[3\]"),
        (lambda a: a(x=X[:, :2], y=Y), ShapeError, r"given float32 \[4, 2\], where N is 4"),
        (
            lambda a: a(x=X, y=Y[:3]),
            ShapeError,
            r"y is int64 \['N'\], but was given int64 \[3\], where N is 4",
        ),
        (lambda a: a(x=X[:0], y=Y[:0]), ShapeError, r"N is 0; N is at least 1"),
        (
            lambda a: a.scan(x=X[None], y=np.stack([Y, Y])),
            ShapeError,
            r"given int64 \[2, 4\], where K is 1 and N is 4",
        ),
        (
            lambda a: a(x=X, y=Y + 0.5),
            DTypeError,
            r"y is int64 .* float64 \[4\]; convert it with .astype\(np.int64",
        ),
        (lambda a: a(x=None, y=Y), DTypeError, r"x is float32 .* given object"),
        (lambda a: a(x="text", y=Y), DTypeError, r"x is float32 .* given <U4"),
        (lambda a: a(x=[[1, 2], [3]], y=Y), DTypeError, "x was given what is no array"),
        (lambda a: a(x=X.astype(complex), y=Y), DTypeError, r"given complex128"),
        (
            lambda a: a(x=X * np.float64(1e300), y=Y),
            DTypeError,
            r"float64 \[4, 3\], with values that float32 does not hold",
        ),
        (lambda a: a(x=X, y=Y.astype(np.uint64) + 2**63), DTypeError, "values that int64 does not hold"),
        (lambda a: a(x=X, y=Y + 9), LabelError, r"label 9 is out of bounds: it must be in 0..8 .*y\[0\]"),
        (
            lambda a: a(x=X + 1000, y=Y),
            LabelError,
            "a label or an index that it computes is out of its range",
        ),
        (lambda a: a.scan(x=np.stack([X, X + 1000]), y=np.stack([Y, Y])), LabelError, "in step 1 of 2"),
        (lambda a: a.apply({}), LenetcError, "gradients of w; missing or unknown: w"),
        (lambda a: a.apply(None), LenetcError, "gradients of w; missing or unknown: w"),
        (lambda a: a.apply({"w": X[0], "b": 1}), LenetcError, "missing or unknown: b"),
        (
            lambda a: a.apply({"w": X}),
            ShapeError,
            r"w \(its gradient\) is float32 \[3\], .* float32 \[4, 3\]",
        ),
        (
            lambda a: a.apply({"w": X[0, :2]}),
            ShapeError,
            r"the gradient of w is \[2\], and the parameter \[3\]",
        ),
        (lambda a: a.apply({"w": ["a", "b", "c"]}), DTypeError, r"w \(its gradient\) is float32 \[3\]"),
        (lambda a: a.apply({"w": X[0]}, momentum=1), LenetcError, "no hyperparameter 'momentum'; it has: lr"),
    ],
)
def test_inputs_that_do_not_fit(run: Any, error: type[Exception], says: str, artifact: Artifact) -> None:
    refused(artifact, error, says, run)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        *(
            (value, "is one finite number")
            for value in (None, float("nan"), float("inf"), True, "0.1", [0.1])
        ),
        *((value, "not an array") for value in (np.zeros(1), np.zeros(()), lenetc.ones(1))),
        (np.float32("nan"), "is one finite number"),
        (np.bool_(True), "is one finite number"),
        (1j, "is one finite number"),
        (1e39, "does not hold 1e"),
        (10**400, "does not hold|is one finite number"),
    ],
)
def test_hyperparameters_that_are_no_numbers(value: Any, says: str, artifact: Artifact) -> None:
    def put(artifact: Artifact) -> None:
        artifact.hyperparameters["lr"] = value

    for run in (
        put,
        lambda a: a(x=X, y=Y, lr=value),
        lambda a: a.apply({"w": X[0]}, lr=value),
        lambda a: a.hyperparameters.update(lr=value),
    ):
        refused(artifact, DTypeError, f"the hyperparameter lr .*{says}", run)
    assert artifact.hyperparameters == {"lr": 0.05}


def test_hyperparameters_are_set_or_given(artifact: Artifact) -> None:
    assert artifact.hyperparameters == {"lr": 0.05}
    _, expected = step(artifact.state, X, Y, 0.25)
    artifact(x=X, y=Y, lr=np.float16(0.25))
    close(artifact.state, expected)
    artifact.hyperparameters["lr"] = 0
    artifact(x=X, y=Y)
    close(artifact.state, {"w": expected["w"]})
    refused(artifact, LenetcError, "no hyperparameter 'rate'", lambda a: a.hyperparameters.update(rate=1))
    refused(artifact, LenetcError, "cannot be left out", lambda a: a.hyperparameters.pop("lr"))


def test_a_model_that_the_folder_does_not_have(tmp_path: Path) -> None:
    manifest = folders.write(tmp_path)
    for kind in ("train", "train_scan", "grad", "apply", "eval", "infer"):
        del manifest["models"][kind]
    write_manifest(tmp_path, manifest)
    for run, says in (
        (lambda a: a(x=X, y=Y), "has no train model, but init"),
        (lambda a: a.scan(x=X, y=Y), "has no train_scan model"),
        (lambda a: a.gradients(x=X, y=Y), "has no grad model"),
        (lambda a: a.apply({}), "has no apply model"),
        (lambda a: a.evaluate(x=X, y=Y), r"has no eval model.*export\(folder, evaluate=function\)"),
        (lambda a: a.predict(x=X), r"has no infer model.*export\(folder, infer=module\) writes one"),
    ):
        refused(Artifact(tmp_path), LenetcError, says, run)


def test_state_is_saved_and_loaded(artifact: Artifact, tmp_path: Path) -> None:
    artifact(x=X, y=Y)
    state, path = artifact.state, tmp_path / "later.safetensors"
    artifact.save(path)
    assert_same(load_file(path), state)
    other = Artifact(artifact.folder)
    assert other.load_state(path) == ([], [])
    assert_same(other.state, state)
    artifact.save(path, trained_only=True)
    assert load_file(path).keys() == state.keys() - {"scale"}
    other.load_state({**state, "scale": state["scale"] + 1})
    assert other.load_state(str(path)) == (["scale"], [])
    assert_same(other.state, state)
    other.load_state({"scale": state["scale"] + 1}, strict=False)
    other.save(path, trained_only=True)  # with what is not as it was exported
    assert_same(load_file(path), other.state)
    other.load_state(state)
    other.load_state({name: lenetc.from_numpy(array) for name, array in state.items()})
    assert_same(other.state, state)
    assert other.load_state({"w": np.ones(3, np.float32), "v": 1}, strict=False) == (
        ["scale", "seen", "optimizer.step"],
        ["v"],
    )
    assert_same(other.state, {**state, "w": np.ones(3, np.float32)})
    state["w"][:] = 5  # a copy, as it was given
    assert other.state["w"][0] == 1


@pytest.mark.parametrize(
    ("change", "strict", "says"),
    [
        ({"w": None}, True, r"w is missing; take a file that this artifact saved"),
        ({"w": None, "seen": None}, True, r"w is missing \(1 more\)"),
        ({"v": np.ones(3)}, True, "v is unknown"),
        ({"w": np.ones(4, np.float32)}, True, r"w is float32 \[3\] here and float32 \[4\] there"),
        ({"w": np.ones(3, np.float64)}, False, r"w is float32 \[3\] here and float64 \[3\] there"),
        ({"w": np.ones(3, ml_dtypes.bfloat16)}, False, r"and bfloat16 \[3\] there"),
        ({"seen": np.ones(1, np.int64)}, False, r"seen is int64 \[\] here and int64 \[1\] there"),
    ],
)
def test_a_state_that_does_not_fit(
    change: dict[str, Any], strict: bool, says: str, artifact: Artifact, tmp_path: Path
) -> None:
    state = {name: array for name, array in {**folders.STATE, **change}.items() if array is not None}
    save_file(state, tmp_path / "other.safetensors")
    before = artifact.state
    for given, name in (
        (tmp_path / "other.safetensors", str(tmp_path / "other.safetensors")),
        (state, "the dict"),
    ):
        with pytest.raises(CheckpointError, match=f"{name} does not hold the state .*{says}"):
            artifact.load_state(given, strict=strict)
        assert_same(artifact.state, before)
    with pytest.raises(DTypeError, match="the state 'w' is no array, but str"):
        artifact.load_state({**folders.STATE, "w": "ones"})


@pytest.mark.parametrize(
    ("shapes", "sizes", "fits"),
    [
        ([["N*2 + 1"], ["N"]], [(7,), (3,)], True),
        ([["N*2 + 1"], ["N"]], [(8,), (3,)], False),
        ([["N*2"], ["N*3"]], [(4,), (6,)], True),
        ([["N*2"], ["N*3"]], [(5,), (6,)], False),
        ([["N*T"], ["N", "T"]], [(12,), (3, 4)], True),
        ([["N*T"], ["N", "T"]], [(12,), (3, 5)], False),
        ([["N*N - N"], ["N"]], [(6,), (3,)], True),
        ([["N - 1"], ["N"]], [(0,), (1,)], True),
        ([["-N + 9"], ["N"]], [(5,), (4,)], True),
        ([["N"]], [(0,)], False),
    ],
)
def test_sizes_that_are_polynomials(shapes: Any, sizes: Any, fits: bool) -> None:
    ports: list[Port] = [
        {"name": f"x{i}", "dtype": "float32", "shape": shape} for i, shape in enumerate(shapes)
    ]
    given = {f"x{i}": np.zeros(shape, np.float32) for i, shape in enumerate(sizes)}
    if fits:
        assert fitting(ports, given).keys() == given.keys()
    else:
        with pytest.raises(ShapeError, match="the input x"):
            fitting(ports, given)
