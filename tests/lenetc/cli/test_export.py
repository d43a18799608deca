"""`lenetc export` and `lenetc examine`, as a user runs them: what they write, and what they say of wrong input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lenetc
from lenetc import cli

MODEL = str(Path(__file__).parents[1] / "migration" / "written" / "mlp.onnx")
GIVEN = ["export", MODEL, "--optimizer", "adamw"]
X, LABELS = np.linspace(-1, 1, 50, dtype=np.float32).reshape(5, 10), np.array([0, 1, 2, 3, 0])
LOSS = """
import lenetc.nn.functional as F
def loss(y, labels, weight):
    return (F.cross_entropy(y, labels, reduction="none") * weight).mean()
not_callable = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "loss.py").write_text(LOSS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_written_that_trains(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*GIVEN, "--loss", "cross_entropy", "--train", "1.*", "2.*", "--out", "artifact"]) == 0
    out = capsys.readouterr().out
    assert "artifact: a step of x:float32[N,10], labels:int64[N]" in out
    assert "4 parameters are trained, 82 numbers" in out
    exported = lenetc.load(folder / "artifact")
    before = {name: array.copy() for name, array in exported.state.items()}
    losses = [float(exported(x=X, labels=LABELS)["loss"]) for _ in range(5)]
    assert losses[-1] < losses[0]
    weights = [name for name in before if name.endswith((".weight", ".bias"))]
    changed = {name for name in weights if (exported.state[name] != before[name]).any()}
    assert changed == {"1.weight", "1.bias", "2.weight", "2.bias"}


def test_with_a_loss_of_ones_own(folder: Path) -> None:
    labels = ["--labels", "labels:int64[N]", "weight[N]"]
    assert cli.main([*GIVEN, "--loss", "loss.py:loss", "--lr", "0.01", *labels, "--out", "artifact"]) == 0
    exported = lenetc.load(folder / "artifact")
    weight = np.zeros(5, np.float32)
    assert exported(x=X, labels=LABELS, weight=weight)["loss"] == 0
    assert exported.hyperparameters == {"lr": pytest.approx(0.01)}


WRONG: dict[str, tuple[list[str], str]] = {
    "no file": (["export", "none.onnx", "--loss", "mse_loss", "--optimizer", "sgd"], "none.onnx"),
    "no model": (["export", "loss.py", "--loss", "mse_loss", "--optimizer", "sgd"], "no ONNX model"),
    "no such loss": ([*GIVEN, "--loss", "entropy"], "cross_entropy, nll_loss"),
    "no such function": ([*GIVEN, "--loss", "loss.py:not_callable"], "no function 'not_callable'"),
    "labels without types": ([*GIVEN, "--loss", "loss.py:loss"], "labels, weight: give its type"),
    "nothing to train": ([*GIVEN, "--loss", "mse_loss", "--train", "fc.*"], "nothing that 'fc.*' means"),
    "no such output": ([*GIVEN, "--loss", "mse_loss", "--outputs", "z"], "no output z; it has y"),
    "no such input": ([*GIVEN, "--loss", "mse_loss", "--inputs", "z[N]"], "no input z; it has x"),
    "another size": ([*GIVEN, "--loss", "mse_loss", "--inputs", "x[N,11]"], "10 at axis 1, not 11"),
    "no input at all": ([*GIVEN, "--loss", "mse_loss", "--inputs", "x:float[N]"], "name:dtype[sizes]"),
    "another label": ([*GIVEN, "--loss", "cross_entropy", "--labels", "l:float32[N]"], "i64"),
    "a name twice": ([*GIVEN, "--loss", "cross_entropy", "--labels", "x:int64[N]"], "rename one"),
    "an old opset": ([*GIVEN, "--loss", "cross_entropy", "--opset", "3"], "17 to 26"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_told_in_one_line(case: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = WRONG[case]
    assert cli.main([*arguments, "--out", "artifact"]) == 1
    told = capsys.readouterr().err
    assert message in told and told.startswith("lenetc: ") and len(told.splitlines()) == 1
    assert not (folder / "artifact").exists()


def test_examine_tells_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["examine", MODEL]) == 0
    out = capsys.readouterr().out
    assert "x: f32[N,10]" in out and "trained 6 (170 numbers)" in out and "Gemm 1.Gemm" in out
    assert cli.main(["examine", MODEL, "--outputs", "h0"]) == 0
    assert "trained 2 (88 numbers)" in capsys.readouterr().out
