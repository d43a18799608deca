"""PyTorch's operator database: each name that is here is right on samples of all its entries, and in its variants.

`python -m tests.parity.operators` takes all samples.
"""

from __future__ import annotations

import pytest

from tests.parity.operators.checking import QUICK, failures, is_missing
from tests.parity.operators.database import infos
from tests.parity.operators.page import PAGE, text

pytestmark = pytest.mark.filterwarnings("ignore")
COVERED = 485  # names: a floor under what is here


@pytest.mark.parametrize("name", [name for name in infos() if not is_missing(name)])
def test_as_in_pytorch(name: str) -> None:
    found = failures(name, QUICK)
    assert not found, "\n".join(map(str, found[:5]))


def test_enough_is_here() -> None:
    assert sum(not is_missing(name) for name in infos()) >= COVERED


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == text(), "run python -m tests.parity.operators.page"
