"""How many threads a run may take."""

from __future__ import annotations

import os
import sys

_threads: list[int] = []  # what set_num_threads said, if it was called


def threads_set() -> int | None:
    """What `set_num_threads` said; None where it was not called."""
    return _threads[0] if _threads else None


def get_num_threads() -> int:
    """Threads that one run may take (torch.get_num_threads): what `set_num_threads` said, or else one for each
    processor that the process may use."""
    if _threads:
        return _threads[0]
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def set_num_threads(threads: int) -> None:
    """Let programs that are compiled from now on take this many threads (torch.set_num_threads).

    Raises ValueError for fewer than one.
    """
    if threads < 1:
        raise ValueError(f"set_num_threads({threads}): a run takes at least one thread")
    _threads[:] = [threads]
