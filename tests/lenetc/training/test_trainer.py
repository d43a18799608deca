"""The trainer itself: it learns, counts, and can be stopped; what it keeps and what it reports."""

from __future__ import annotations

import io
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import lenetc
from lenetc.artifact.checkpoint import CheckpointError
from lenetc.data import Mnist
from lenetc.training import trainer as train
from lenetc.training.progress import interruptible
from lenetc.training.trainer import Config, Interrupted, Trainer, read_checkpoint


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> Mnist:
    """60 training and 30 test images, three easy classes, in place of the embedded ones."""
    rng = np.random.default_rng(1)
    labels = np.arange(90) % 3
    images = rng.integers(0, 20, (90, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * 9 : label * 9 + 9] += 200
    made = Mnist(images[:60], labels[:60].astype(np.int64), images[60:], labels[60:].astype(np.int64))
    monkeypatch.setattr(train, "load_mnist", lambda folder: made)
    return made


def quiet() -> Console:
    return Console(file=io.StringIO())


def test_it_learns(digits: Mnist, tmp_path: Path) -> None:
    trainer = Trainer(Config(epochs=6, batch=10, optimizer="adam", lr=0.002), tmp_path)
    accuracy = trainer.run(quiet())
    losses = trainer.progress.losses
    assert len(losses) == 36 and losses[0] > 2 and losses[-1] < 0.1
    assert accuracy == 1.0 == trainer.evaluate()
    assert trainer.progress.accuracies[-1] == [36, 1.0]
    assert trainer.net.training
    recognized = trainer.net(lenetc.tensor(trainer.test_images)).argmax(1).numpy()
    np.testing.assert_array_equal(recognized, digits.test_labels)


def test_the_checkpoint_holds_the_run(digits: Mnist, tmp_path: Path) -> None:
    trainer = Trainer(Config(epochs=1, batch=20, optimizer="adam", lr=0.002, seed=5), tmp_path)
    trainer.run(quiet())
    state = read_checkpoint(tmp_path)
    assert state["config"]["seed"] == 5 and state["config"]["optimizer"] == "adam"
    other = Trainer(Config(epochs=1, batch=20, optimizer="adam", lr=0.002, seed=6), tmp_path)
    drawn = lenetc.get_rng_state().tolist()
    other.resume(state)
    assert lenetc.get_rng_state().tolist() == state["rng"].tolist() != drawn
    for ours, theirs in zip(trainer.net.parameters(), other.net.parameters(), strict=True):
        assert ours.detach().numpy().tobytes() == theirs.detach().numpy().tobytes()
    ours_state, theirs_state = trainer.optimizer.state_dict(), other.optimizer.state_dict()
    assert ours_state["param_groups"] == theirs_state["param_groups"]
    for number, entry in ours_state["state"].items():
        for name, tensor in entry.items():
            assert tensor.numpy().tobytes() == theirs_state["state"][number][name].numpy().tobytes()
    assert other.progress == trainer.progress


def test_a_refused_resume_changes_nothing(
    digits: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trainer(Config(epochs=2, batch=20), tmp_path).run(quiet())
    state = read_checkpoint(tmp_path)
    trainer = Trainer(Config(epochs=1, batch=20, seed=9), tmp_path)
    before = [p.detach().numpy() for p in trainer.net.parameters()]
    with pytest.raises(CheckpointError, match="has done 2 epochs already, --epochs asks for 1"):
        trainer.resume(state)
    changed = replace(digits, test_labels=digits.test_labels[::-1].copy())
    monkeypatch.setattr(train, "load_mnist", lambda folder: changed)
    on_others = Trainer(Config(epochs=3, batch=20), tmp_path)
    with pytest.raises(CheckpointError, match="was trained on other digits than the embedded ones"):
        on_others.resume(state)
    with pytest.raises(ValueError, match="Adam"):
        Trainer(Config(epochs=3, optimizer="adam"), tmp_path).optimizer.load_state_dict(state["optimizer"])
    for parameter, value in zip(trainer.net.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.detach().numpy(), value)
    assert trainer.progress.losses == [] == on_others.progress.losses


def test_an_interrupted_run_tells_the_signal(
    digits: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(Config(epochs=2, batch=20), tmp_path)
    step = trainer.step

    def stopping(*batch: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return step(*batch)

    monkeypatch.setattr(stopping, "lower", step.lower, raising=False)
    trainer.step = stopping  # type: ignore[assignment]
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as raised:
        trainer.run(quiet())
    assert raised.value.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    progress = read_checkpoint(tmp_path)["progress"]
    assert (progress["epoch"], progress["step"], len(progress["losses"])) == (0, 1, 1)


def test_a_second_ctrl_c_ends_the_run_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible() as stopped:
        assert stopped() == 0
        signal.raise_signal(signal.SIGINT)
        assert stopped() == signal.SIGINT
        signal.raise_signal(signal.SIGINT)


def test_a_loss_that_becomes_nan_is_still_reported(digits: Mnist, tmp_path: Path) -> None:
    trainer = Trainer(Config(epochs=1, batch=20, lr=1e30), tmp_path)
    accuracy = trainer.run(quiet())
    assert not np.isfinite(trainer.progress.losses[-1])
    assert trainer.summary(accuracy)[-1].endswith("nan in the last")
    assert np.isnan(read_checkpoint(tmp_path)["progress"]["losses"][-1])
