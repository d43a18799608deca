"""A virtual environment for each peer, made when it is first needed and kept in `.bench`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers import Environment

FOLDER = Path(__file__).parents[1] / ".bench"
STAMP = "installed.txt"


class NotInstalled(Exception):
    """A peer's environment cannot be had; the message says why."""


def python_of(name: str, environment: Environment, folder: Path = FOLDER) -> Path:
    """The interpreter of an environment, which is made first where it is missing or holds other versions.

    An environment that is there needs no network. Raises NotInstalled with the installer's last lines.
    """
    home = folder / name
    python = home / "bin" / "python"
    wanted = "\n".join(environment.requirements) + "\n"
    stamp = home / STAMP
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    maker = interpreter(environment)
    shutil.rmtree(home, ignore_errors=True)
    _run([maker, "-m", "venv", "--without-pip", str(home)])
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    _run([*pip, "install", "--disable-pip-version-check", *environment.requirements])
    stamp.write_text(wanted)
    return python


def interpreter(environment: Environment) -> str:
    """A Python of a version that the environment's packages were built for."""
    ours = "{}.{}".format(*sys.version_info)
    if not environment.pythons or ours in environment.pythons:
        return sys.executable
    for version in environment.pythons:
        found = shutil.which(f"python{version}")
        # A shim of a version manager can be there without the version behind it.
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    raise NotInstalled(
        f"needs Python {', '.join(environment.pythons)}: none of them is on the PATH (this is {ours})"
    )


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise NotInstalled("could not be installed: " + (" / ".join(errors[-3:]) or f"{command} failed"))
