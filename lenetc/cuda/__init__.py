"""CUDA as far as scripts ask about it (torch.cuda): whether it is there, and calls that ask for nothing here.

Programs run on the first device; what a call computed is there when it returns.
It may import `amp` and what that may.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ir.errors import UnsupportedError
from lenetc import runtime
from lenetc.cuda import amp as amp
from lenetc.evaluation import random
from lenetc.missing import names_of


def is_available() -> bool:
    """Whether programs can run on CUDA on this machine."""
    return not runtime.cuda_missing()


def missing() -> str:
    """Why CUDA cannot be used, or "" where it can. PyTorch has no such function."""
    return runtime.cuda_missing()


def device_count() -> int:
    """1 where CUDA can be used, else 0: programs run on the first device."""
    return int(is_available())


def is_initialized() -> bool:
    return is_available()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    return is_available()


def current_device() -> int:
    """The number of the device, 0. Raises DeviceError where CUDA cannot be used."""
    runtime.resolve_device("cuda")
    return 0


def set_device(device: Any) -> None:
    """Nothing for the first device; raises UnsupportedError for another."""
    number = getattr(device, "index", None) if isinstance(device, str) else device
    if number not in (None, 0, "cuda", "cuda:0"):
        raise UnsupportedError(f"cuda.set_device({device!r}): programs run on the first device")


def get_device_name(device: Any = None) -> str:
    """What the driver calls the device. Raises DeviceError where CUDA cannot be used, UnsupportedError where the driver
    does not tell."""
    current_device()
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in file.read_text().splitlines():
            if line.startswith("Model:"):
                return line.partition(":")[2].strip()
    raise UnsupportedError("cuda.get_device_name: this system's driver does not tell its name")


class device:
    """A block on a device, which is the first one in any case (torch.cuda.device)."""

    def __init__(self, device: Any) -> None:
        set_device(device)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def manual_seed(seed: int) -> None:
    """Nothing where there is no CUDA, as in PyTorch; there the one generator is the CPU's too."""
    if is_available():
        random.manual_seed(seed)


manual_seed_all = manual_seed


def synchronize(device: Any = None) -> None:
    """Nothing: a call that computes has computed when it returns."""


def empty_cache() -> None:
    """Nothing: the runtime keeps its own memory."""


ipc_collect = reset_peak_memory_stats = reset_max_memory_allocated = empty_cache


def memory_allocated(device: Any = None) -> int:
    """0: the runtime does not tell how much memory it holds."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


class Event:
    """Refused: take time.perf_counter(), or `step.profile`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise UnsupportedError(
            "cuda.Event is not supported: a call has computed when it returns, so time.perf_counter() tells its "
            "time; step.profile(*batch) tells where it goes"
        )


class Stream:
    """Refused: the runtime has its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise UnsupportedError("cuda.Stream is not supported: the runtime orders its own work")


class OutOfMemoryError(RuntimeError):
    """What PyTorch raises where a device has no memory left: scripts catch it."""


if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
