"""A network in training, lazy and compiled, which an error must not change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lenetc.errors.small import Training


@pytest.fixture(params=[False, True], ids=["lazy", "compiled"])
def training(request: pytest.FixtureRequest) -> Iterator[Training]:
    made = Training(request.param)
    yield made
    made.assert_unchanged()
