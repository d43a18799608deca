"""Settings of the package itself: kept as they are set."""

from __future__ import annotations

from typing import Any

from lenetc.evaluation.lazy import default_device
from lenetc.evaluation.tracing import asked, setting
from lenetc.runtime.device import device, resolve_device

_deterministic = [False]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Programs here compute the same numbers at each run, whatever this says
    (torch.use_deterministic_algorithms)."""
    setting("whether algorithms are deterministic")
    _deterministic[0] = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What was said last (torch.are_deterministic_algorithms_enabled)."""
    asked("a setting")
    return _deterministic[0]


def set_flush_denormal(mode: bool) -> bool:
    """Denormals count as 0 always: whether that is what was asked for (torch.set_flush_denormal)."""
    return bool(mode)


def set_num_interop_threads(threads: int) -> None:
    """Asks for nothing: a program's parts have their threads by set_num_threads
    (torch.set_num_interop_threads)."""


def get_num_interop_threads() -> int:
    """1, whatever was set (torch.get_num_interop_threads)."""
    return 1


def set_default_device(device: Any) -> None:
    """Nothing: programs run where they can. Raises DeviceError for a device that is not there
    (torch.set_default_device)."""
    if device is not None:
        resolve_device(str(device))


_warn_always = [False]


def set_warn_always(b: bool, /) -> None:
    """Asks for nothing (torch.set_warn_always)."""
    setting("how often is warned")
    _warn_always[0] = bool(b)


def is_warn_always_enabled() -> bool:
    """What was said last (torch.is_warn_always_enabled)."""
    asked("a setting")
    return _warn_always[0]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """No: nothing is warned of (torch.is_deterministic_algorithms_warn_only_enabled)."""
    return False


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """use_deterministic_algorithms by number, 0 to 2, or name. Raises ValueError for others
    (torch.set_deterministic_debug_mode)."""
    modes = {"default": 0, "warn": 1, "error": 2}
    mode = modes.get(debug_mode, debug_mode) if isinstance(debug_mode, str) else debug_mode
    if mode not in (0, 1, 2):
        raise ValueError(
            f"invalid value of debug_mode, expected 0, 1, 2, default, warn or error, but got {debug_mode}"
        )
    use_deterministic_algorithms(bool(mode))


def get_deterministic_debug_mode() -> int:
    """2 where determinism was asked for, else 0 (torch.get_deterministic_debug_mode)."""
    return 2 if are_deterministic_algorithms_enabled() else 0


def get_default_device() -> device:
    """Where lazy programs run (torch.get_default_device)."""
    return device(default_device())


def is_storage(obj: Any) -> bool:
    """No: storages of their own are not here (torch.is_storage)."""
    return False


def typename(obj: Any, /) -> str:
    """The name of a type, or of that of an object, with its module (torch.typename)."""
    kind = obj if isinstance(obj, type) else type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _assert(condition: Any, message: str) -> None:
    """assert, which tracers of PyTorch's can follow (torch._assert)."""
    assert condition, message
