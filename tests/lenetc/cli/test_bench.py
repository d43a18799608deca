"""lenetc bench: a script's step is found, timed and reported; what goes wrong is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lenetc import cli
from lenetc.compiler.function import CompiledFunction

ROOT = Path(__file__).parents[3]

STEP = """
import sys
import numpy as np
import lenetc
from lenetc import nn, optim

net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = optim.SGD(net.parameters(), lr=0.1)
x, y = np.ones((16, 8), np.float32), np.zeros(16, np.int64)

@lenetc.compile(device="cpu")
def evaluate(x):
    return net(x)

@lenetc.compile(device="cpu")
def train_step(x, y):
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(net(x), y)
    loss.backward()
    optimizer.step()
    return loss

def plain_step(x, y):
    return net(x)
"""
LOOP = """
evaluate(x)
for epoch in range(10**9):
    train_step(x, y)
"""
GUARDED = """
def main():
    print("arguments", sys.argv[1:])
    evaluate(x)
    while True:
        train_step(x, y)

if __name__ == "__main__":
    main()
"""
INSIDE = """
if __name__ == "__main__":
    inner = lenetc.compile(train_step.function, device="cpu")
    while True:
        inner(x, y)
"""
MAKE = """
def make():
    return train_step, x, y
"""


def script(folder: Path, *parts: str) -> str:
    path = folder / "train.py"
    path.write_text("".join(parts))
    return str(path)


def benched(tmp_path: Path, *options: str) -> dict[str, Any]:
    """The JSON of a benchmark that works."""
    out = tmp_path / "profile.json"
    assert cli.main(["bench", "--steps", "2", "--json", str(out), *options]) == 0
    found = json.loads(out.read_text())
    assert isinstance(found, dict)
    return found


# A program's own step.


@pytest.mark.parametrize(
    ("parts", "name", "function", "samples"),
    [
        ((STEP, LOOP), "", "train_step", 16),
        ((STEP, LOOP), ":train_step", "train_step", 16),
        ((STEP, LOOP), ":evaluate", "evaluate", 16),
        ((STEP, GUARDED), "", "train_step", 16),
        ((STEP, GUARDED), ":main", "train_step", 16),
        ((STEP, GUARDED), ":train_step", "train_step", 16),
        ((STEP, INSIDE), ":train_step", "train_step", 16),
        ((STEP, MAKE), ":make", "train_step", 16),
        ((STEP, "evaluate(x)\nevaluate(x[:4])\n"), "", "evaluate", 16),
        (
            (STEP, "while True:\n    train_step.scan(np.stack([x] * 3), np.stack([y] * 3))"),
            "",
            "train_step",
            48,
        ),
    ],
)
def test_the_step_of_a_script(
    tmp_path: Path, parts: tuple[str, ...], name: str, function: str, samples: int
) -> None:
    found = benched(tmp_path, script(tmp_path, *parts) + name)
    assert (found["function"], found["samples"], found["device"]) == (function, samples, "cpu")
    assert found["seconds"]["calls"] == 2
    assert {"0", "2"} <= set(found["by_module"])
    assert any("train.py:" in line for line in found["by_line"])


def test_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "bench_me"
    package.mkdir()
    (package / "__init__.py").write_text("")
    script(package, STEP, GUARDED)
    monkeypatch.chdir(tmp_path)
    assert benched(tmp_path, "bench_me.train")["function"] == "train_step"
    assert benched(tmp_path, "bench_me.train:main")["function"] == "train_step"


def test_the_script_gets_its_arguments_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.argv, list(sys.path), CompiledFunction.__call__, CompiledFunction.scan
    assert cli.main(["bench", script(tmp_path, STEP, GUARDED), "--steps", "2", "--", "--epochs", "3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("arguments ['--epochs', '3']\n")
    assert re.search(r"^train_step on cpu: [\d,]+ µs a call, [\d,]+ samples/s, [\d.]+ GFLOP/s$", out, re.M)
    assert re.search(r"^ +module +forward µs +backward µs +update µs +µs +share", out, re.M)
    assert "\x1b" not in out and "…" not in out
    assert (sys.argv, sys.path, CompiledFunction.__call__, CompiledFunction.scan) == before


def test_json_on_standard_output_is_all_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", script(tmp_path, STEP, GUARDED), "--steps", "2", "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["function"] == "train_step"
    assert "arguments []" in captured.err


def test_a_script_that_catches_everything(tmp_path: Path) -> None:
    loop = "while True:\n    try:\n        train_step(x, y)\n    except BaseException:\n        break\n"
    assert benched(tmp_path, script(tmp_path, STEP, loop))["function"] == "train_step"


def test_compiled_functions_in_compiled_functions(tmp_path: Path) -> None:
    """Only the outer one is called by the program."""
    loop = (
        "def twice(x, y):\n    train_step(x, y)\n    return train_step(x, y)\nlenetc.compile(twice)(x, y)\n"
    )
    assert benched(tmp_path, script(tmp_path, STEP, loop))["function"] == "twice"


# The built-in LeNet.


def test_lenet(tmp_path: Path) -> None:
    found = benched(tmp_path, "--batch", "4", "--optimizer", "adam", "--device", "cpu")
    assert (found["function"], found["samples"]) == ("train_step", 4)
    assert {"conv1", "conv2", "fc1", "fc2", "fc3", "(optimizer)"} <= set(found["by_module"])
    assert "Sqrt" in found["by_operator"]  # of Adam


def test_the_command() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "lenetc", "bench", "--batch", "2", "--steps", "2", "--device", "cpu"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert run.returncode == 0 and run.stderr == ""
    assert "train_step on cpu" in run.stdout and "FusedGemm" in run.stdout


# What goes wrong.


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["bench", *arguments]) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["no.py"], r"there is no file no.py: name a script"),
        (["no.py:step"], r"there is no file no.py: name a script"),
        (["no_such_module"], r"there is no script and no module no_such_module"),
        (["no_such.module:step"], r"there is no script and no module no_such.module"),
        (["."], r"there is no file \."),
        (["no.py", "--batch", "4"], r"--batch is of the built-in LeNet; no.py decides that by itself"),
        (["--batch", "0"], r"--batch: must be at least 1, not 0"),
        (["--steps", "1"], r"--steps: must be at least 2, not 1"),
        (["--optimizer", "lion"], r"--optimizer: invalid choice: 'lion'"),
        (["--", "--epochs"], r"what follows -- is for a program: name one"),
    ],
)
def test_wrong_options(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        error = error_of(capsys, *options)
    except SystemExit as stop:
        assert stop.code == 1
        error = capsys.readouterr().err
    assert error.startswith("lenetc") and error.count("\n") == 1 and re.search(message, error), error


@pytest.mark.parametrize(
    ("parts", "name", "message"),
    [
        ((STEP,), "", r"ended without calling a compiled function: put @lenetc.compile before"),
        (
            (STEP, "plain_step(lenetc.from_numpy(x), y)"),
            "",
            r"ended without calling a compiled function: put @lenetc.compile",
        ),
        ((STEP,), ":train_step", r"ended without calling a compiled function train_step: put"),
        ((STEP,), ":no_such", r"ended without calling a compiled function no_such: put"),
        (
            (STEP, "evaluate(x)\ntrain_step(x, y)\n"),
            ":no_such",
            r"no_such; those that it calls: evaluate, train_step",
        ),
        ((STEP,), ":plain_step", r"plain_step takes arguments \(missing a required argument: 'x'\): name a"),
        (
            (STEP, "def make():\n    return plain_step, x, y\n"),
            ":make",
            r"make\(\) called no compiled function and",
        ),
        (
            (STEP, "def make():\n    return train_step, x\n"),
            ":make",
            r"train_step\(x, y\) was called with the wrong",
        ),
        (
            (STEP, "train_step(x)\n"),
            "",
            r"wrong arguments: missing a required argument: 'y' at .*train.py:\d+",
        ),
        ((STEP, "train_step(x[:, :4], y)\n"), "", r"4.*at .*train.py:\d+"),
    ],
)
def test_programs_without_a_step(
    tmp_path: Path, parts: tuple[str, ...], name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = error_of(capsys, script(tmp_path, *parts) + name)
    assert error.count("\n") == 1 and re.search(message, error), error


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import nothing_there", "ModuleNotFoundError"),
        ("1 +", "SyntaxError"),
    ],
)
def test_a_program_that_fails_shows_where(
    tmp_path: Path, line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = error_of(capsys, script(tmp_path, f"def main():\n    {line}\nmain()\n"))
    assert message in error and "train.py" in error
    assert "runpy" not in error and "bench.py" not in error
    assert re.search(
        r"^lenetc: .*train.py failed, as shown above, before a training step could be timed$", error, re.M
    )


def test_arguments_after_two_dashes_are_for_bench_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--", "--epochs", "1"])
    assert "unrecognized arguments: --epochs 1" in capsys.readouterr().err
