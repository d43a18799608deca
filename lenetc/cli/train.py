"""The command `lenetc train`: train LeNet on digits and write the artifact."""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from lenetc.training.trainer import OPTIMIZERS, Config, Interrupted, Trainer, read_checkpoint


def run(options: argparse.Namespace) -> int:
    """Do what the options of `lenetc train` say. Returns the exit status."""
    logging.getLogger("lenetc.runtime").setLevel(logging.ERROR)  # the first line of the run says the device

    console = Console()
    given = {key: getattr(options, key) for key in asdict(Config()) if getattr(options, key) is not None}
    if "data" in given:
        given["data"] = str(Path(given["data"]).resolve())
    state: dict[str, Any] | None = None
    if options.resume:
        state = read_checkpoint(options.out)
        free = (
            "epochs",
            "device",
            "data",
        )  # more epochs are welcome; the digits are compared by their content
        for key, value in given.items():
            if key not in free and state["config"][key] != value:
                raise ValueError(
                    f"--{key} {value} does not fit the run in {options.out}, which has {key} "
                    f"{state['config'][key]}; "
                    "leave it out, or start a new run in another --out"
                )
        given = {**state["config"], **given}
    elif "lr" not in given:
        given["lr"] = OPTIMIZERS[given.get("optimizer", Config.optimizer)][0]
    trainer = Trainer(Config(**given), options.out)
    if state is not None:
        trainer.resume(state)
    config = trainer.config
    console.print(
        f"LeNet on {len(trainer.images)} digits: {config.optimizer}, lr {config.lr:g}, batch {config.batch}, "
        f"seed {config.seed}, device {trainer.step.device}",
        soft_wrap=True,
        highlight=False,
    )
    try:
        accuracy = trainer.run(console)
    except Interrupted as stop:
        console.print(
            f"stopped in epoch {trainer.progress.epoch + 1}; `lenetc train --resume --out "
            f"{options.out}` goes on",
            soft_wrap=True,
            highlight=False,
        )
        return 128 + stop.signal
    written = trainer.write_results(accuracy)
    console.print(f"held-out accuracy [bold]{accuracy:.2%}[/bold]", highlight=False)
    console.print(
        f"written to {options.out}: {', '.join(written)}", soft_wrap=True, highlight=False, markup=False
    )
    return 0
