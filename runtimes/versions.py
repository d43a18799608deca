"""An exported LeNet, trained in old and new versions of ONNX Runtime: python -m runtimes.versions [--write]

Exports it for the lowest opset and for the one that is the default, and runs examples/hosts/python/train.py, which
imports only NumPy and onnxruntime, on each folder in an environment of each version that has a wheel for a Python that
is here. Fails where a version that should work does not, or gives other losses than the newest. With --write, the
table goes to runtimes/versions.json, which docs/runtimes.md is made of.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import onnx

from benchmarks.environments import NotInstalled
from runtimes.environments import ROOT, python_of

HOST = ROOT / "examples" / "hosts"
FIGURES = Path(__file__).parent / "versions.json"
OPSETS = (17, 18)
CLOSE = 1e-4  # relatively: what losses of 50 steps may differ


# The first two are older than what files are exported for: the page says what happens there.
VERSIONS = ("onnxruntime-1.13", "onnxruntime-1.14", "onnxruntime-1.17", "onnxruntime-1.20", "onnxruntime")
REQUIRED = VERSIONS[2:]


def exported(folder: Path) -> dict[int, Path]:
    """The LeNet of examples/hosts/prepare.py for each opset, and the digits beside them in `folder`/digits."""
    made = runpy.run_path(str(HOST / "prepare.py"))
    made["main"](folder)
    digits = made["load_mnist"]()
    program = made["train_step"].lower(digits.train_images[:64], digits.train_labels[:64])
    folders = {opset: folder / f"opset{opset}" for opset in OPSETS}
    for opset, path in folders.items():
        program.export(path, infer=made["scores"], evaluate=made["evaluate"], opset=opset)
        written = onnx.load(path / "train.onnx").opset_import[0].version
        assert written == opset, f"train.onnx is of opset {written}, not {opset}"
    return folders


def trained(python: Path, artifact: Path, digits: Path) -> list[float] | str:
    """The losses that the host's loop prints, or the last sentence of what it fails with."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, HOST / "python" / "train.py", artifact, digits, Path(folder) / "out.safetensors"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return lines[-1].rpartition(". ")[2] if lines else f"status {done.returncode}"
    return [float(found) for found in re.findall(r"loss (\S+?),?(?:\s|$)", done.stdout)]


def _installed(python: Path) -> dict[str, str]:
    code = "import platform, onnxruntime as o; print(o.__version__, platform.python_version())"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return dict(zip(("version", "python"), done.stdout.split(), strict=True))


def figures() -> list[dict[str, Any]]:
    """For each version: what was installed, and for each opset the losses, or what it failed with."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as work:
        folders = exported(Path(work))
        for name in VERSIONS:
            row: dict[str, Any] = {"asked": name, "required": name in REQUIRED}
            try:
                python = python_of(name)
                row |= _installed(python)
                row["losses"] = {
                    str(o): trained(python, f, Path(work) / "digits") for o, f in folders.items()
                }
            except NotInstalled as error:
                row["not_installed"] = str(error)
            rows.append(row)
    return rows


def difference(losses: list[float], others: list[float]) -> float:
    """The largest relative difference. Infinite where one has more steps."""
    if len(losses) != len(others) or not losses:
        return float("inf")
    return max(abs(a - b) / max(abs(b), 1e-30) for a, b in zip(losses, others, strict=True))


def verdicts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each version and opset what to say, and whether that is as it has to be."""
    newest = rows[-1]["losses"]
    found = []
    for row in rows:
        entry = {"name": row["asked"], "version": row.get("version", "—"), "python": row.get("python", "—")}
        said, good = {}, True
        for opset in map(str, OPSETS):
            losses = row.get("losses", {}).get(opset, row.get("not_installed", ""))
            if isinstance(losses, str):
                said[opset], fits = f"no: {losses}", False
            else:
                apart = difference(losses, newest[opset]) if isinstance(newest[opset], list) else float("inf")
                fits = apart <= CLOSE
                said[opset] = f"trains, losses within {apart:.0e}" if apart else "trains, the same losses"
            good &= fits or not row["required"]
        found.append({**entry, "said": said, "good": good})
    return found


def main(arguments: list[str]) -> int:
    """Print the table; the status is 1 where a version does not do what it has to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write runtimes/versions.json")
    options = parser.parse_args(arguments)
    rows = verdicts(figures())
    for row in rows:
        said = ", ".join(f"opset {opset}: {text}" for opset, text in row["said"].items())
        print(f"onnxruntime {row['version']} on Python {row['python']}: {said}")
    if options.write:
        made = {"made": datetime.date.today().isoformat(), "rows": rows}
        FIGURES.write_text(json.dumps(made, indent=1) + "\n")
    return 0 if all(row["good"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
