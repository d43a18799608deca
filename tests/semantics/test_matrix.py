"""Every case compiled is the same as PyTorch, or the refusal that it documents; and so that the cases can tell."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.semantics.case import Case
from tests.semantics.matrix import all_cases
from tests.semantics.runner import Verdict

CASES = all_cases()


@pytest.fixture(scope="session")
def server(no_measured_costs: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has run nothing else, from which each case's is forked."""
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "tests.semantics", "--serve"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield process
        process.stdin.close()  # type: ignore[union-attr]


@pytest.mark.parity
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_compiled_as_uncompiled(case: Case, server: Any) -> None:
    server.stdin.write(f"{case.name}\n")
    server.stdin.flush()
    verdict = Verdict(**json.loads(server.stdout.readline()))
    problem = verdict.problem(case)
    assert not problem, f"{problem}\n{verdict.text(case)}\n{case.text}"
