"""The folder that hosts train from, exported once."""

from __future__ import annotations

import pytest

from tests.hosts.reference import Reference


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference(tmp_path_factory.mktemp("hosts"))
