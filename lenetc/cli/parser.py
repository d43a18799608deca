"""The command line: `lenetc train`, `bench`, `examine`, `export`, `tune`, `bake`, `check`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ir.errors import LenetcError
from lenetc import debug
from lenetc.cli import bake, tune
from lenetc.version import __version__

OPTIMIZERS = (
    "sgd",
    "nesterov",
    "adam",
    "adamw",
    "rmsprop",
)  # of lenetc.training.trainer, which is slow to import
RUNTIMES = (
    "ort-1.17",
    "ort-cpu",
    "ort-cuda",
    "ort-web-wasm",
    "ort-web-webgpu",
    "openvino",
)  # of lenetc.artifact.kernels, likewise


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit status: 0; 1 for an error of the user's, told in one line; 128 and the
    number of the signal for Ctrl-C (130) and SIGTERM. With LENETC_DEBUG set, errors come with their
    traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)  # what follows is for the program to be timed
    parser = _parser()
    options = parser.parse_args(given[:end])
    options.arguments = given[end + 1 :]
    if options.arguments and options.command is not _bench:
        parser.error(f"unrecognized arguments: {' '.join(options.arguments)}")
    try:
        return int(options.command(options))
    except KeyboardInterrupt:
        print("lenetc: stopped", file=sys.stderr)
        return 130
    except (LenetcError, ImportError, OSError, ValueError) as error:
        if debug.is_on():
            raise
        print(f"lenetc: {_one_line(error)}", file=sys.stderr)
        return 1


class _Parser(argparse.ArgumentParser):
    """Wrong options are told as every other error: in one line, with status 1."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(1)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lenetc",
        description="PyTorch-style training code becomes one plain ONNX model.",
        epilog="LENETC_DEBUG=1 in the environment shows tracebacks, and the rewrite rules that fire.",
    )
    parser.add_argument("--version", action="version", version=f"lenetc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    train = commands.add_parser("train", help="train LeNet on digits and write the artifact")
    train.set_defaults(command=_train)
    train.add_argument("--epochs", type=_at_least(0), help="passes over the training digits (default 10)")
    train.add_argument("--batch", type=_at_least(1), help="samples a step (default 64)")
    train.add_argument("--lr", type=_positive, help="learning rate (default: the optimizer's own)")
    train.add_argument(
        "--optimizer",
        choices=OPTIMIZERS,
        help="default sgd; sgd and nesterov have momentum 0.9",
    )
    train.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), help="default auto: CUDA where it works, else the CPU"
    )
    train.add_argument("--seed", type=_at_least(0), help="of weights and shuffling (default 0)")
    train.add_argument(
        "--data", metavar="FOLDER", help="original MNIST files (default: the embedded 10,000 digits)"
    )
    train.add_argument(
        "--out", metavar="FOLDER", type=Path, default=Path("runs/lenet"), help="default runs/lenet"
    )
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    bench = commands.add_parser(
        "bench",
        help="time a training step, and show where the time goes",
        description="Runs a program until it calls its compiled training step, and times that: by module, phase, "
        "operator and kernel. Without a program: the step of `lenetc train`.",
        epilog="lenetc bench train.py -- --epochs 3 runs train.py with the arguments --epochs 3.",
    )
    bench.set_defaults(command=_bench)
    bench.add_argument(
        "program",
        nargs="?",
        help="train.py or package.train; train.py:name waits for the compiled function of that name, or calls a "
        "function that returns (compiled function, *arguments)",
    )
    bench.add_argument("--steps", type=_at_least(2), help="calls to time (default: a second of them)")
    bench.add_argument("--json", metavar="FILE", help="write the figures there; - for standard output")
    bench.add_argument("--batch", type=_at_least(1), help="of the built-in LeNet (default 64)")
    bench.add_argument("--optimizer", choices=OPTIMIZERS, help="of the built-in LeNet (default sgd)")
    bench.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), help="of the built-in LeNet (default auto)"
    )
    _add_examine(commands)
    _add_export(commands)
    _add_tune(commands)
    _add_bake(commands)
    _add_check(commands)
    return parser


def _add_examine(commands: Any) -> None:
    examine = commands.add_parser(
        "examine",
        help="tell what an ONNX file holds, and what of it can be trained",
        description="Lists operators and weights of a forward ONNX file, what would be trained and what not, and all "
        "nodes that cannot be imported. The status is 1 where there are such.",
    )
    examine.set_defaults(command=_examine)
    examine.add_argument("model", metavar="MODEL.onnx", type=Path, help="the forward network")
    examine.add_argument(
        "--outputs", metavar="NAME", nargs="+", help="values to cut it at (default: the file's outputs)"
    )


def _add_export(commands: Any) -> None:
    export = commands.add_parser(
        "export",
        help="write the folder that trains the network of an ONNX file",
        description="Imports a forward ONNX file, puts a loss and an optimizer on it, and writes the folder that "
        "trains it from any language.",
        epilog="An input is written name:dtype[sizes]: tokens:int64[N,T=12] has two symbolic sizes, the second of "
        "which is 12 in the example that it is traced with.",
    )
    export.set_defaults(command=_export)
    export.add_argument("model", metavar="MODEL.onnx", type=Path, help="the forward network")
    export.add_argument(
        "--loss",
        required=True,
        help="cross_entropy, mse_loss, ..., or FILE.py:FUNCTION",
    )
    export.add_argument(
        "--optimizer", choices=OPTIMIZERS, required=True, help="sgd and nesterov have momentum 0.9"
    )
    export.add_argument("--lr", type=_positive, help="learning rate (default: the optimizer's own)")
    export.add_argument(
        "--train",
        metavar="PATTERN",
        nargs="+",
        help="names of what is trained, like 'fc.*' (default: all that can be)",
    )
    export.add_argument(
        "--inputs", metavar="INPUT", nargs="+", default=(), help="types that the file does not tell"
    )
    export.add_argument(
        "--labels", metavar="INPUT", nargs="+", default=(), help="types that the loss does not tell"
    )
    export.add_argument(
        "--outputs",
        metavar="NAME",
        nargs="+",
        help="outputs that the loss is given (default: all)",
    )
    export.add_argument("--batch", type=_at_least(1), help="samples that the files are compiled for")
    export.add_argument("--opset", type=_at_least(1), default=18, help="version of ai.onnx (default 18)")
    export.add_argument(
        "--operators", choices=("portable", "web", "ort"), default="portable", help="default portable"
    )
    export.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="the folder to write")


def _add_tune(commands: Any) -> None:
    command = commands.add_parser(
        "tune",
        help="measure on this machine what strategies cost",
        description="Measures what strategies cost on this machine for the shapes of a program, LeNet's by default. "
        "What is compiled afterwards is compiled by these costs. They are kept in the user's folder for caches, or in "
        "the folder that the environment variable LENETC_CACHE names.",
    )
    command.set_defaults(command=tune.run)
    command.add_argument(
        "program",
        nargs="?",
        metavar="FILE.py:FUNCTION",
        help="a function without arguments that returns a program, as from step.lower(images, labels), or a list "
        "of them (default: LeNet)",
    )
    command.add_argument(
        "--batch", type=_at_least(1), nargs="+", help="batch sizes of LeNet (default 1 16 64 256)"
    )
    command.add_argument("--seconds", type=_positive, default=30.0, help="time for each program (default 30)")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default auto")
    command.add_argument("--show", action="store_true", help="show what was measured, and measure nothing")
    command.add_argument("--contains", metavar="TEXT", help="with --show: only what has this text in it")
    command.add_argument("--clear", action="store_true", help="delete what was measured, and measure nothing")


def _add_bake(commands: Any) -> None:
    command = commands.add_parser(
        "bake",
        help="put trained state into the infer.onnx of an exported folder",
        description="Writes the infer.onnx of a folder that program.export wrote with the weights of a state file in "
        "the place of those at export. The model's Python code is not needed.",
    )
    command.set_defaults(command=bake.run)
    command.add_argument("folder", metavar="DIR", type=Path, help="the exported folder")
    command.add_argument(
        "state",
        metavar="STATE.safetensors",
        type=Path,
        help="what a host saved, or PyTorch: weights under the names of the folder's state.safetensors",
    )
    command.add_argument(
        "-o", "--out", metavar="OUT.onnx", type=Path, required=True, help="the file to write"
    )


def _add_check(commands: Any) -> None:
    check = commands.add_parser(
        "check",
        help="tell which nodes of an exported folder a runtime lacks, or runs on another device",
        description="Tells for each model of an exported folder which nodes a runtime has no kernel for, which it runs "
        "on another device, and between which nodes of its own device those stand. The status is 1 where the runtime "
        "cannot run a model.",
        epilog="docs/runtimes.md says what each runtime is, and where its table of operators comes from.",
    )
    check.set_defaults(command=_check)
    check.add_argument("folder", metavar="DIR", help="what program.export() wrote")
    check.add_argument("--runtime", required=True, choices=RUNTIMES, help="what is to run it")
    check.add_argument("--json", action="store_true", help="write what was found as JSON")


# These bring rich, matplotlib and onnx in, which `lenetc --help` should not wait for.


def _train(options: argparse.Namespace) -> int:
    from lenetc.cli import train

    return train.run(options)


def _bench(options: argparse.Namespace) -> int:
    from lenetc.cli import bench

    return bench.run(options)


def _examine(options: argparse.Namespace) -> int:
    from lenetc.cli import examine

    return examine.run(options)


def _export(options: argparse.Namespace) -> int:
    from lenetc.cli import export

    return export.run(options)


def _check(options: argparse.Namespace) -> int:
    from lenetc.cli import check

    return check.run(options)


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


def _one_line(error: BaseException) -> str:
    """What went wrong, without the place in the code, which is not the user's here."""
    return " ".join(str(error).partition("\n  at ")[0].split())
