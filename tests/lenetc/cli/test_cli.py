"""The command line as a user runs it: options, progress, Ctrl-C and kill, resuming bit for bit, errors in
one line."""

from __future__ import annotations

import io
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import lenetc
from lenetc import cli
from lenetc.lenet import LeNet
from lenetc.training.progress import Bar, duration
from lenetc.training.trainer import CHECKPOINT, OPTIMIZERS, Trainer, read_checkpoint

ROOT = Path(__file__).parents[3]


def write_idx(path: Path, array: np.ndarray[Any, Any]) -> None:
    path.write_bytes(struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes())


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 training and 20 test images in MNIST's format: a bright square that moves with the
    label."""
    folder = tmp_path_factory.mktemp("digits")
    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 20)):
        labels = rng.integers(0, 10, count).astype(np.uint8)
        images = rng.integers(0, 30, (count, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[label * 2 : label * 2 + 8, 5:20] += 200
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return folder


def train(digits: Path, out: Path, *options: str, epochs: int = 2) -> int:
    """Run `lenetc train` here, on the small digits; the exit status."""
    given = [
        "train",
        "--data",
        str(digits),
        "--out",
        str(out),
        "--epochs",
        str(epochs),
        "--batch",
        "16",
        *options,
    ]
    try:
        return cli.main(given)
    except SystemExit as stop:
        return int(stop.code or 0)


@pytest.fixture
def no_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what is written after training, for tests that look at checkpoints only."""
    monkeypatch.setattr(Trainer, "write_results", lambda self, accuracy: [])


def final(out: Path) -> tuple[dict[str, Any], dict[str, Any], list[float]]:
    """Model, optimizer state and losses of the checkpoint in `out`."""
    state = read_checkpoint(out)
    return state["model"], state["optimizer"]["state"], state["progress"]["losses"].tolist()


def assert_same_bits(one: Path, other: Path) -> None:
    (a_model, a_state, a_losses), (b_model, b_state, b_losses) = final(one), final(other)
    assert a_losses == b_losses
    assert list(a_model) == list(b_model)
    for name, array in a_model.items():
        assert array.tobytes() == b_model[name].tobytes(), name
    assert a_state.keys() == b_state.keys()
    for number, entry in a_state.items():
        for name, array in entry.items():
            assert np.asarray(array).tobytes() == np.asarray(b_state[number][name]).tobytes(), (number, name)


def spawn(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """`python -m lenetc` as a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "LENETC_DEBUG"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "lenetc", *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, cwd=ROOT, **pipes, **options)


# What a run writes.


def test_a_run_writes_the_artifact_and_a_report(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(digits, tmp_path, epochs=1) == 0
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {
        *(CHECKPOINT, "apply.onnx", "eval.onnx", "grad.onnx", "infer.onnx", "init.onnx", "loss.png"),
        *("manifest.json", "train_scan.onnx"),
        *("report.md", "stages", "state.safetensors", "train.onnx"),
    }
    out = capsys.readouterr().out
    assert re.search(r"^LeNet on 40 digits: sgd, lr 0.05, batch 16, seed 0, device cpu$", out, re.M)
    assert re.search(
        r"^epoch 1/1  mean loss \d\.\d{4}  held-out accuracy +\d+\.\d\d%  [\d,]+ samples/s$", out, re.M
    )
    assert "held-out accuracy" in out and "report.md" in out
    assert "…" not in out and "\x1b" not in out  # no terminal: plain lines

    report = (tmp_path / "report.md").read_text()
    assert re.search(r"held-out accuracy: \*\*\d+\.\d\d%\*\* of 20 digits", report)
    assert (
        "sgd, lr 0.05 falling by 20% an epoch, batch 16, 1 epochs of 40 digits, seed 0, device cpu" in report
    )
    assert re.search(
        r"[\d.]+ ms a step \(median of 3; the fastest [\d.]+ ms\), .* compiling took [\d.]+ s", report
    )
    rows = re.findall(r"^\| (\w+) \| (\d+) \|(.*?)\|", report, re.M)
    assert [row[0] for row in rows] == [
        "forward",
        "traced",
        "simplify",
        "tile",
        "strategies",
        "hoist",
        "fuse",
        "order",
        "onnx",
    ]
    assert all(int(nodes) > 10 for _, nodes, _ in rows)
    assert re.search(r"^## Fused: rules.*\n\n- \w+ x\d+", report, re.M)

    # The state is the network's, and loads into it as it is.
    net = LeNet()
    net.load_state_dict(lenetc.load(tmp_path / "state.safetensors"))
    trained = read_checkpoint(tmp_path)["model"]
    for name, tensor in net.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), trained[name])


def test_compiling_is_not_in_the_step_times(digits: Path, tmp_path: Path, no_results: None) -> None:
    config = cli_config(digits, batch=17)  # of which no other test leaves a program behind
    trainer = Trainer(config, tmp_path)
    trainer.run(Console(file=io.StringIO()))
    # 40 digits in batches of 17: two programs, for 17 and for the last 6, both compiled before the first
    # step.
    assert len(trainer.step.programs()) == 2
    assert trainer.compile_seconds > max(trainer.step_seconds)
    assert len(trainer.step_seconds) == len(trainer.progress.losses) == 3


def cli_config(digits: Path, **options: Any) -> Any:
    from lenetc.training.trainer import Config

    return Config(**{"epochs": 1, "batch": 16, "data": str(digits), **options})


def test_no_epochs_and_a_batch_larger_than_the_set(digits: Path, tmp_path: Path) -> None:
    assert train(digits, tmp_path / "zero", epochs=0) == 0
    assert (tmp_path / "zero" / "train.onnx").exists() and (tmp_path / "zero" / CHECKPOINT).exists()
    assert "0 epochs" in (tmp_path / "zero" / "report.md").read_text()
    assert final(tmp_path / "zero")[2] == []


@pytest.mark.parametrize("batch", [1000, 7])
def test_batches_that_do_not_divide_the_set(
    digits: Path, tmp_path: Path, batch: int, no_results: None
) -> None:
    assert train(digits, tmp_path, "--batch", str(batch), epochs=1) == 0
    assert len(final(tmp_path)[2]) == -(-40 // batch)


# The same bits.


def test_the_seed_decides_every_bit(digits: Path, tmp_path: Path, no_results: None) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert train(digits, tmp_path / name, "--seed", seed, epochs=1) == 0
    assert_same_bits(tmp_path / "a", tmp_path / "b")
    assert final(tmp_path / "a")[2] != final(tmp_path / "c")[2]


@pytest.mark.parametrize(("optimizer", "stop_after"), [("sgd", 1), ("adam", 3), ("adam", 4)])
def test_ctrl_c_and_resume_give_the_bits_of_a_run_that_never_stopped(
    digits: Path,
    tmp_path: Path,
    optimizer: str,
    stop_after: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    no_results: None,
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(digits, whole, "--optimizer", optimizer) == 0  # 3 steps an epoch
    original = Bar.advance
    steps = iter(range(1, 100))

    def advance(self: Bar, label: str, note: str) -> None:
        original(self, label, note)
        if next(steps) == stop_after:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Bar, "advance", advance)
    assert train(digits, parts, "--optimizer", optimizer) == 130
    assert f"`lenetc train --resume --out {parts}` goes on" in capsys.readouterr().out
    assert len(final(parts)[2]) == stop_after
    assert cli.main(["train", "--resume", "--out", str(parts)]) == 0
    assert_same_bits(whole, parts)


def test_the_written_state_is_the_same_file(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(digits, whole, "--optimizer", "nesterov") == 0
    original = Trainer.evaluate

    def killed(self: Trainer) -> float:
        if self.progress.epoch == 2:  # in the second epoch, whose checkpoint is never written
            raise MemoryError("out of memory")
        return original(self)

    monkeypatch.setattr(Trainer, "evaluate", killed)
    with pytest.raises(MemoryError):
        train(digits, parts, "--optimizer", "nesterov")
    monkeypatch.setattr(Trainer, "evaluate", original)
    assert read_checkpoint(parts)["progress"]["epoch"] == 1
    assert cli.main(["train", "--resume", "--out", str(parts)]) == 0
    assert (whole / "state.safetensors").read_bytes() == (parts / "state.safetensors").read_bytes()
    assert (whole / CHECKPOINT).read_bytes() == (parts / CHECKPOINT).read_bytes()

    # Resuming what is finished evaluates, and writes the results anew.
    (parts / "report.md").unlink()
    (parts / "state.safetensors").unlink()
    assert cli.main(["train", "--resume", "--out", str(parts)]) == 0
    assert (whole / "state.safetensors").read_bytes() == (parts / "state.safetensors").read_bytes()
    assert "2 epochs" in (parts / "report.md").read_text()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_leaves_a_checkpoint(
    digits: Path, tmp_path: Path, number: signal.Signals, no_results: None
) -> None:
    out = tmp_path / "run"
    process = spawn("train", "--data", str(digits), "--out", str(out), "--epochs", "100000", "--batch", "16")
    try:
        deadline = time.monotonic() + 60
        while not (out / CHECKPOINT).exists():
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert errors == ""
    epochs = read_checkpoint(out)["progress"]["epoch"] + 1
    assert cli.main(["train", "--resume", "--out", str(out), "--epochs", str(epochs)]) == 0
    assert train(digits, tmp_path / "whole", epochs=epochs) == 0
    assert_same_bits(out, tmp_path / "whole")


# What bad input gets: exit status 1 and one line.


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err
    assert error.startswith("lenetc") and error.count("\n") == 1 and "Traceback" not in error, error
    return error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--optimizer", "sgdd"], r"--optimizer: invalid choice: 'sgdd' \(choose from .*adam.*rmsprop"),
        (["--batch", "0"], r"--batch: must be at least 1, not 0"),
        (["--epochs", "-1"], r"--epochs: must be at least 0, not -1"),
        (["--epochs", "many"], r"--epochs: invalid integer value: 'many'"),
        (["--lr", "0"], r"--lr: must be a positive number, not 0"),
        (["--lr", "nan"], r"--lr: must be a positive number, not nan"),
        (["--data", "/no/such/folder"], r"no MNIST folder at /no/such/folder: .*train-images-idx3-ubyte"),
        (["--resume"], r"nothing to resume: there is no .*checkpoint.safetensors"),
        (["--momentum", "0.9"], r"unrecognized arguments: --momentum 0.9"),
    ],
)
def test_wrong_options(
    digits: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(digits, tmp_path / "out", *options) == 1
    assert re.search(message, line_of(capsys))
    assert not (tmp_path / "out").exists()


def test_cuda_where_there_is_none(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "lenetc.runtime.device.cuda_missing", lambda: "there is no NVIDIA driver on this machine"
    )
    assert train(digits, tmp_path / "out", "--device", "cuda") == 1
    assert "device='cuda' cannot be used: there is no NVIDIA driver" in line_of(capsys)
    assert not (tmp_path / "out").exists()


def test_a_resume_that_does_not_fit_is_refused(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_results: None
) -> None:
    assert train(digits, tmp_path / "run") == 0
    before = (tmp_path / "run" / CHECKPOINT).read_bytes()
    capsys.readouterr()

    def refused(*options: str) -> str:
        assert cli.main(["train", "--resume", "--out", str(tmp_path / "run"), *options]) == 1
        assert (tmp_path / "run" / CHECKPOINT).read_bytes() == before
        return line_of(capsys)

    assert "--optimizer adam does not fit the run" in refused("--optimizer", "adam")
    assert "which has batch 16; leave it out" in refused("--batch", "32")
    assert "--lr 0.1 does not fit" in refused("--lr", "0.1")
    assert "--seed 1 does not fit" in refused("--seed", "1")
    assert "has done 2 epochs already, --epochs asks for 1" in refused("--epochs", "1")
    other = tmp_path / "other"
    other.mkdir()
    for file in digits.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    write_idx(other / "t10k-labels-idx1-ubyte", np.zeros(20, np.uint8))
    assert "was trained on other digits" in refused("--data", str(other))
    # The same digits may lie elsewhere now, and more epochs are welcome.
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in digits.iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    again = ["train", "--resume", "--out", str(tmp_path / "run"), "--data", str(moved), "--epochs", "3"]
    assert cli.main([*again, "--seed", "0"]) == 0
    assert read_checkpoint(tmp_path / "run")["progress"]["epoch"] == 3


def test_a_checkpoint_that_is_corrupt_or_of_something_else(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_results: None
) -> None:
    assert train(digits, tmp_path, epochs=1) == 0
    path = tmp_path / CHECKPOINT
    whole = path.read_bytes()
    capsys.readouterr()
    for content, message in (
        (whole[: len(whole) // 2], "truncated, corrupt or not a safetensors file"),
        (whole[:-9] + b"X" + whole[-8:], "is corrupt: the checksum"),
        (b"\x80\x04K\x01.", "is a pickle"),
        (b"", "0 bytes"),
    ):
        path.write_bytes(content)
        assert cli.main(["train", "--resume", "--out", str(tmp_path)]) == 1
        assert message in line_of(capsys)
    lenetc.save({"model": LeNet().state_dict()}, path)
    assert cli.main(["train", "--resume", "--out", str(tmp_path)]) == 1
    assert "is not a checkpoint of this version of `lenetc train`" in line_of(capsys)


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_a_full_disk_keeps_the_checkpoint_before(digits: Path, tmp_path: Path, no_results: None) -> None:
    import resource

    assert train(digits, tmp_path, epochs=1) == 0
    before = (tmp_path / CHECKPOINT).read_bytes()
    allowed = len(before) // 2
    process = spawn(
        *("train", "--resume", "--out", str(tmp_path), "--epochs", "2"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, allowed)),
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert errors.startswith("lenetc: could not write the checkpoint") and "File too large" in errors
    assert errors.count("\n") == 1 and "make room" in errors
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    assert cli.main(["train", "--resume", "--out", str(tmp_path), "--epochs", "2"]) == 0


def test_the_debug_switch_shows_the_traceback(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENETC_DEBUG", "1")
    with pytest.raises(FileNotFoundError, match="no train-images-idx3-ubyte in"):
        train(tmp_path, tmp_path / "out")
    monkeypatch.setenv("LENETC_DEBUG", "0")
    assert train(tmp_path, tmp_path / "out") == 1


def test_the_debug_switch_shows_the_rules_that_fire() -> None:
    code = "import lenetc; print((lenetc.ones(3) * 1.0 + 0.0).sum().item())"
    for switch, expected in (("1", True), ("", False)):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "LENETC_DEBUG": switch}
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert run.stdout == "3.0\n"
        assert bool(re.search(r"^lenetc.rewrite: \w+ at <", run.stderr, re.M)) is expected


def test_the_version() -> None:
    out, errors = spawn("--version").communicate(timeout=120)
    assert out == f"lenetc {lenetc.__version__}\n" and errors == ""


def test_help_tells_the_optimizers_and_the_debug_switch(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    text = capsys.readouterr().out
    assert "{" + ",".join(OPTIMIZERS) + "}" in text
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "LENETC_DEBUG=1" in capsys.readouterr().out


# Progress.


@pytest.mark.parametrize("width", [80, 120])
def test_the_bar_shows_every_number(width: int) -> None:
    out = io.StringIO()
    console = Console(width=width, force_terminal=True, color_system=None, file=out)
    label, note = "epoch 10/10", "loss 0.1608  accuracy 95.09%  123,456 samples/s  ETA 1:15"
    with Bar(console, 1250, 1000) as bar:
        bar.advance(label, note)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    last = [line for line in re.split(r"[\r\n]+", text) if line.strip()][-1]
    assert last.startswith(label) and last.rstrip().endswith(note) and "━━━" in last
    assert len(last.rstrip()) <= width and "…" not in last


def test_durations() -> None:
    assert [duration(s) for s in (0, 9.6, 75, 3725)] == ["0:00", "0:10", "1:15", "1:02:05"]
