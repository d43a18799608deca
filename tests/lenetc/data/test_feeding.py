"""Batches prepared ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from ir.types import Array
from lenetc.data import prefetch
from lenetc.runtime import pinned
from tests import fake_cuda


def threads() -> int:
    return sum(thread.name == "lenetc-prefetch" for thread in threading.enumerate())


def numbered(count: int, made: list[int]) -> Iterator[tuple[Array, Array]]:
    for i in range(count):
        made.append(i)
        yield np.full(3, i), np.array(i)


def test_batches_come_in_order_and_are_made_ahead_but_not_far() -> None:
    made: list[int] = []
    seen = []
    for x, y in prefetch(numbered(20, made), device="cpu", ahead=2):
        assert (x == y).all()
        seen.append(int(y))
        assert len(made) <= len(seen) + 4
    assert seen == list(range(20)) and threads() == 0


def test_an_error_comes_where_its_batch_would_have_come() -> None:
    def failing() -> Iterator[tuple[Array, ...]]:
        yield (np.zeros(1),)
        raise OSError("the disk is gone")

    batches = prefetch(failing(), device="cpu")
    assert len(next(batches)) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)
    assert threads() == 0


def test_leaving_early_ends_the_thread() -> None:
    made: list[int] = []
    batches = prefetch(numbered(1000, made), device="cpu")
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert threads() == 0 and len(made) < 10


def test_ahead_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="ahead is 0: it must be at least 1"):
        prefetch([], device="cpu", ahead=0)
    assert list(prefetch([], device="cpu")) == []


def test_without_cuda_memory_is_ordinary() -> None:
    array = pinned.empty((2, 3), np.dtype(np.float32))
    array[:] = 1
    assert array.shape == (2, 3) and array.dtype == np.float32 and array.sum() == 6
    assert pinned.empty((0, 3), np.dtype(np.int64)).shape == (0, 3)


@pytest.mark.skipif(bool(fake_cuda.missing()), reason=fake_cuda.missing())
def test_on_cuda_batches_are_tensors_there() -> None:
    made = fake_cuda.run("prefetched")
    assert made["threads"] == ["lenetc-prefetch"]
    for i, (device, mean, shape, labels) in enumerate(made["found"]):
        size = 4 if i < 5 else 3
        assert (device, mean, shape, labels) == ("cuda", float(i), [size, 6000], list(range(size)))
    sizes = [
        size for name, size in made["log"] if name == "to device" and size != "4"
    ]  # 4: the look for CUDA
    assert sizes == [*["96000"] * 5, "72000"]
