"""Environments are made once, made again for other versions, and say why where they cannot be had."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import environments
from benchmarks.environments import STAMP, NotInstalled, interpreter, python_of
from benchmarks.peers import ENVIRONMENTS, PEERS, Environment

ANY = Environment(("numpy==2.4.6",))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have been run; making an environment makes its interpreter's file."""
    made: list[list[str]] = []

    def fake(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        made.append(command)
        if "venv" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()
        failed = command[-1] == "impossible==1"
        lines = "Looking\nLooking further\nERROR: No matching distribution found for impossible==1\n"
        return subprocess.CompletedProcess(command, int(failed), "", lines if failed else "")

    monkeypatch.setattr(environments.subprocess, "run", fake)
    return made


def test_made_once(calls: list[list[str]], tmp_path: Path) -> None:
    python = python_of("a", ANY, tmp_path)
    assert python == tmp_path / "a" / "bin" / "python"
    assert [("venv" in c, "install" in c) for c in calls] == [(True, False), (False, True)]
    assert calls[1][-1] == "numpy==2.4.6"
    assert python_of("a", ANY, tmp_path) == python
    assert len(calls) == 2


def test_made_again_for_other_versions(calls: list[list[str]], tmp_path: Path) -> None:
    python_of("a", ANY, tmp_path)
    (tmp_path / "a" / "left").touch()
    python_of("a", Environment(("numpy==2.4.5",)), tmp_path)
    assert len(calls) == 4
    assert not (tmp_path / "a" / "left").exists()


def test_a_failed_one_is_not_taken_for_whole(calls: list[list[str]], tmp_path: Path) -> None:
    with pytest.raises(
        NotInstalled, match=r"installed: ERROR: No matching distribution found for impossible==1$"
    ):
        python_of("a", Environment(("impossible==1",)), tmp_path)
    assert not (tmp_path / "a" / STAMP).exists()
    with pytest.raises(NotInstalled):
        python_of("a", Environment(("impossible==1",)), tmp_path)


def test_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    assert interpreter(ANY) == environments.sys.executable
    monkeypatch.setattr(environments.shutil, "which", lambda name: None)
    with pytest.raises(NotInstalled, match=r"needs Python 3\.2: none of them is on the PATH"):
        interpreter(Environment((), ("3.2",)))


def test_every_peer_has_its_environment() -> None:
    assert {peer.environment for peer in PEERS.values()} - {None} == ENVIRONMENTS.keys()
    for environment in ENVIRONMENTS.values():
        assert all("==" in requirement for requirement in environment.requirements)
