"""Options of the test suite; no costs measured on the machine that it runs on, and one thread for the libraries."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Read when NumPy and PyTorch are imported: beside other tests their threads wait for one another by spinning, and
# tensors are too small to be divided.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens",
        action="store_true",
        help="write the stored texts anew from what the code gives; read the diff before committing it",
    )


def pytest_collectstart() -> None:
    """Thousands of tests and the libraries stay until the end: the search for garbage need not go through them."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_measured_costs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Programs are compiled by the built-in model, as on a machine where nobody tuned."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("costs")
        patch.setenv("LENETC_CACHE", str(folder))
        yield folder
