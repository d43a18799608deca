"""The command line: `lenetc train`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ir.errors import LenetcError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit status: 0, 1 for an error of the user's (told in one line), 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except (LenetcError, OSError, ValueError) as error:
        print(f"lenetc: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lenetc", description="Training as a portable artifact.")
    commands = parser.add_subparsers(required=True, metavar="command")
    train = commands.add_parser("train", help="train LeNet on digits and write the artifact")
    train.set_defaults(command=_train)
    train.add_argument("--epochs", type=_at_least(0), help="passes over the training digits (default 10)")
    train.add_argument("--batch", type=_at_least(1), help="samples a step (default 64)")
    train.add_argument("--lr", type=_positive, help="learning rate (default: the optimizer's own)")
    train.add_argument("--optimizer", choices=("sgd", "adam", "adamw", "rmsprop"), help="default sgd, with momentum 0.9")
    train.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default auto: CUDA where it works, else the CPU")
    train.add_argument("--seed", type=_at_least(0), help="of weights and shuffling (default 0)")
    train.add_argument("--data", metavar="FOLDER", help="original MNIST files (default: the embedded 10,000 digits)")
    train.add_argument("--out", metavar="FOLDER", type=Path, default=Path("runs/lenet"), help="default runs/lenet")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    return parser


def _at_least(low: int) -> Any:
    def integer(text: str) -> int:
        value = int(text)
        if value < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}, not {value}")
        return value

    return integer


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number, not {text}")
    return value


def _train(options: argparse.Namespace) -> int:
    from rich.console import Console

    from lenetc.train import OPTIMIZERS, Config, Interrupted, Trainer, read_checkpoint

    console = Console()
    given = {key: getattr(options, key) for key in asdict(Config()) if getattr(options, key) is not None}
    state: dict[str, Any] | None = None
    if options.resume:
        state = read_checkpoint(options.out)
        differing = {k: v for k, v in given.items() if k not in ("epochs", "device") and state["config"][k] != v}
        if differing:
            key, value = next(iter(differing.items()))
            raise ValueError(
                f"--{key} {value} does not fit the run in {options.out}, which has {key} {state['config'][key]}; "
                "leave it out, or start a new run in another --out"
            )
        given = {**state["config"], **given}
    elif "lr" not in given:
        given["lr"] = OPTIMIZERS[given.get("optimizer", Config.optimizer)][0]
    trainer = Trainer(Config(**given), options.out, options.data)
    if state is not None:
        trainer.resume(state)
    try:
        accuracy = trainer.run(console)
    except Interrupted:
        console.print(f"Stopped. The checkpoint is in {options.out}; go on with --resume")
        return 130
    written = trainer.write_results(accuracy)
    console.print(f"held-out accuracy [bold]{accuracy:.2%}[/bold]")
    console.print(f"written to {options.out}: {', '.join(written)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
