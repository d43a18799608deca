"""Batches of a dataset, made by threads ahead of their use (torch.utils.data.DataLoader)."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lenetc.evaluation.random import initial_seed
from lenetc.utils.data.collate import default_collate, default_convert
from lenetc.utils.data.dataset import IterableDataset
from lenetc.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler


@dataclass(frozen=True)
class WorkerInfo:
    """A worker: its number, how many there are, its seed and the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _Here(threading.local):
    worker: WorkerInfo | None = None


_here = _Here()


def get_worker_info() -> WorkerInfo | None:
    """The worker that runs this thread, None outside of one (torch.utils.data.get_worker_info)."""
    return _here.worker


class DataLoader:
    """The batches of a dataset (torch.utils.data.DataLoader).

    num_workers: threads that make batches ahead, `prefetch_factor` each; they share the dataset, and their batches
    come in the sampler's order. pin_memory, timeout, multiprocessing_context and persistent_workers are accepted and
    ask for nothing here.

    Raises ValueError for options that exclude one another, with PyTorch's words.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing. let num_workers > 0 to enable "
                "multiprocessing, otherwise set prefetch_factor to None."
            )
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        is_iterable = isinstance(dataset, IterableDataset)
        if is_iterable and shuffle not in (False, None):
            raise ValueError(
                "DataLoader with IterableDataset: expected unspecified shuffle option, but got shuffle={shuffle}"
            )
        if is_iterable and (sampler is not None or batch_sampler is not None):
            raise ValueError(
                "DataLoader with IterableDataset: expected unspecified sampler and batch_sampler option"
            )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
        if sampler is None and not is_iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None and not is_iterable:
            assert sampler is not None
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.generator = generator
        self.pin_memory = pin_memory
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.persistent_workers = persistent_workers
        self._is_batched = batch_size is not None or batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if self._is_batched else default_convert)

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            count = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return count
            return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
        return len(self.batch_sampler if self._is_batched else self.sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.dataset, IterableDataset):
            return self._streamed()
        keys: Any = self.batch_sampler if self._is_batched else self.sampler
        return map(self._batch, iter(keys)) if self.num_workers == 0 else self._ahead(iter(keys))

    def _batch(self, key: Any) -> Any:
        if not self._is_batched:
            return self.collate_fn(self.dataset[key])
        several = getattr(self.dataset, "__getitems__", None)
        samples = several(key) if callable(several) else [self.dataset[i] for i in key]
        return self.collate_fn(samples)

    def _ahead(self, keys: Iterator[Any]) -> Iterator[Any]:
        """Batches made by threads, in order; an error is raised where its batch would have come."""
        assert self.prefetch_factor is not None
        numbers = itertools.count()
        seed = initial_seed()

        def begin() -> None:
            number = next(numbers)
            _here.worker = WorkerInfo(number, self.num_workers, seed + number, self.dataset)
            if self.worker_init_fn is not None:
                self.worker_init_fn(number)

        waiting: deque[Future[Any]] = deque()
        with ThreadPoolExecutor(self.num_workers, "lenetc-loader", begin) as pool:
            try:
                for key in itertools.islice(keys, self.num_workers * self.prefetch_factor):
                    waiting.append(pool.submit(self._batch, key))
                while waiting:
                    batch = waiting.popleft().result()
                    for key in itertools.islice(keys, 1):
                        waiting.append(pool.submit(self._batch, key))
                    yield batch
            finally:
                for future in waiting:
                    future.cancel()

    def _streamed(self) -> Iterator[Any]:
        """The samples of an iterable dataset. Workers would each give the whole of it, unless it shares itself out by
        get_worker_info(), so that they are asked in turn, each in a place of its own."""
        if self.num_workers == 0:
            yield from self._grouped(iter(self.dataset))
            return
        seed = initial_seed()
        infos = [WorkerInfo(i, self.num_workers, seed + i, self.dataset) for i in range(self.num_workers)]
        streams = []
        for info in infos:
            with _working(info):
                if self.worker_init_fn is not None:
                    self.worker_init_fn(info.id)
                streams.append((info, self._grouped(iter(self.dataset))))
        while streams:
            left = []
            for info, stream in streams:
                with _working(info):
                    batch = next(stream, _OVER)
                if batch is not _OVER:
                    yield batch
                    left.append((info, stream))
            streams = left

    def _grouped(self, samples: Iterator[Any]) -> Iterator[Any]:
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)


_OVER = object()


class _working:
    """In the block this thread is a worker."""

    def __init__(self, info: WorkerInfo) -> None:
        self.info = info

    def __enter__(self) -> None:
        self.before, _here.worker = _here.worker, self.info

    def __exit__(self, *error: object) -> None:
        _here.worker = self.before
