"""Batches prepared ahead: while a step runs, a thread makes the next batch and copies it to the device."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ir.types import Array, Type, dtype_of
from lenetc import runtime
from lenetc.evaluation.cell import Cell
from lenetc.runtime import Value, pinned
from lenetc.tensors.tensor import Tensor

Batch = tuple[Any, ...]
_SMALL = 2**16  # bytes of an array that is not worth a copy of its own


def prefetch(batches: Iterable[tuple[Array, ...]], device: str = "auto", ahead: int = 2) -> Iterator[Batch]:
    """The batches, made and moved to `device` up to `ahead` of the one in use.

    On the CPU they are the arrays as they come. On CUDA arrays of more than 64 KB are tensors there, copied from
    page-locked memory, each valid until the next batch is taken, as its memory is used again; smaller ones (labels,
    whose range a step checks on the host) are copied by the step. An error in `batches` is raised where its batch would
    have come. Raises ValueError for an `ahead` under 1, DeviceError for "cuda" without CUDA.
    """
    if ahead < 1:
        raise ValueError(f"prefetch: ahead is {ahead}: it must be at least 1")
    target = runtime.resolve_device(device)
    return _taken(iter(batches), _Uploads(ahead + 2) if target == "cuda" else None, ahead)


def _taken(batches: Iterator[tuple[Array, ...]], uploads: _Uploads | None, ahead: int) -> Iterator[Batch]:
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(ahead)
    over = threading.Event()

    def put(kind: str, what: Any) -> None:
        while not over.is_set():
            try:
                ready.put((kind, what), timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for batch in batches:
                put("batch", batch if uploads is None else uploads.upload(batch))
                if over.is_set():
                    return
            put("end", None)
        except BaseException as error:  # whatever it is, it belongs to whoever takes the batches
            put("error", error)

    worker = threading.Thread(target=work, name="lenetc-prefetch", daemon=True)
    worker.start()
    try:
        while True:
            kind, what = ready.get()
            if kind == "error":
                raise what
            if kind == "end":
                return
            yield what
    finally:
        over.set()
        worker.join()


class _Uploads:
    """Sets of memory on the device and beside it on the host, taken in turn: one for the batch in use, one for each
    that waits, one for that being made."""

    def __init__(self, count: int) -> None:
        self._sets: list[dict[tuple[int, str, tuple[int, ...]], tuple[Array, Value]]] = [
            {} for _ in range(count)
        ]
        self._turn = 0

    def upload(self, batch: tuple[Array, ...]) -> Batch:
        """The arrays as tensors on the device."""
        memory = self._sets[self._turn]
        self._turn = (self._turn + 1) % len(self._sets)
        arrays = map(np.asarray, batch)
        return tuple(x if x.nbytes <= _SMALL else self._one(memory, i, x) for i, x in enumerate(arrays))

    def _one(self, memory: dict[Any, tuple[Array, Value]], position: int, array: Array) -> Tensor:
        key = (position, array.dtype.str, array.shape)
        if key not in memory:
            staged = pinned.empty(array.shape, array.dtype)
            memory[key] = staged, runtime.empty(array.shape, array.dtype, "cuda")
        staged, value = memory[key]
        np.copyto(staged, array)
        runtime.overwrite(value, staged)
        return Tensor._from_cell(Cell(Type(dtype_of(array), array.shape), value=value))
