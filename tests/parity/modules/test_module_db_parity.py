"""PyTorch's module database: every module that is here over some of its inputs, its copies and dtypes, and what it
refuses.

`python -m tests.parity.modules.module_database` takes all inputs.
"""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest")  # that the database imports

from tests.parity.modules.module_database import (
    conversion_failures,
    error_failures,
    infos,
    is_missing,
    some_failures,
)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", [name for name in infos() if not is_missing(name)])
def test_as_in_pytorch(name: str) -> None:
    found = [*some_failures(name), *conversion_failures(name), *error_failures(name)]
    assert not found, "\n".join(found[:5])


def test_all_are_here() -> None:
    assert not [*filter(is_missing, infos())]
