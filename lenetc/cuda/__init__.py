"""Whether CUDA can be used here (torch.cuda).

It may import `amp` and what that may.
"""

from __future__ import annotations

from lenetc import runtime
from lenetc.cuda import amp as amp


def is_available() -> bool:
    """Whether programs can run on CUDA on this machine."""
    return not runtime.cuda_missing()


def missing() -> str:
    """Why CUDA cannot be used, or "" where it can. PyTorch has no such function."""
    return runtime.cuda_missing()


def device_count() -> int:
    """1 where CUDA can be used, else 0: programs run on the first device."""
    return int(is_available())
