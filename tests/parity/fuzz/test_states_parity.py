"""Random programs about autograd's state, lazily and compiled: the same as PyTorch, or refused.

LENETC_FUZZ=5000 draws that many; without it 20 of the 500 are for every day, the others for `make nightly`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import lenetc
from ir.errors import LenetcError
from tests.parity.fuzz import states

pytestmark = pytest.mark.filterwarnings("ignore")
COUNT = int(os.environ.get("LENETC_FUZZ", "500"))
DAILY = COUNT if "LENETC_FUZZ" in os.environ else 20
GROUP = 10


@pytest.fixture(autouse=True)
def always_warned() -> Iterator[None]:
    """What PyTorch warns of once only is not told from one program to the next."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


def alike(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-6 * (abs(a) + 1e-3)
    return type(a) is type(b) and a == b


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(first, marks=[] if first < DAILY else pytest.mark.nightly)
        for first in range(0, COUNT, GROUP)
    ],
)
def test_programs_about_state(first: int) -> None:
    refused = 0
    for seed in range(first, min(first + GROUP, COUNT)):
        program = states.draw(seed, torch)
        wanted = program.run(torch, lambda function: function)
        for how, compile in (("lazily", lambda function: function), ("compiled", lenetc.compile)):
            lenetc.set_grad_enabled(True)
            try:
                found = program.run(lenetc, compile)
            except LenetcError:
                refused += 1
                continue
            assert alike(wanted, found), f"{how}, seed {seed}:\n{program.text()}"
    assert refused <= GROUP  # of twice as many runs


def test_programs_are_of_many_statements() -> None:
    drawn = [states.draw(seed, torch) for seed in range(5)]
    assert sum(len(program.body) for program in drawn) > 15
    assert all(program.is_valid(torch) for program in drawn)
