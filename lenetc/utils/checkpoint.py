"""Activation checkpointing (torch.utils.checkpoint): here the calls alone.

Which values backward keeps and which it computes again is for the compiler to decide, so that nothing is saved by
hand; gradients are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ir.errors import UnsupportedError


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs) (torch.utils.checkpoint.checkpoint)."""
    return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Sequence[Callable[..., Any]], segments: int, input: Any, **kwargs: Any
) -> Any:
    """The functions, or the modules of a Sequential, one after another
    (torch.utils.checkpoint.checkpoint_sequential)."""
    for function in functions:
        input = function(input)
    return input


def get_device_states(*args: Any) -> tuple[list[int], list[Any]]:
    """No device has random numbers of its own: `lenetc.get_rng_state` is the state of all
    (torch.utils.checkpoint.get_device_states)."""
    return [], []


def set_device_states(
    devices: Sequence[int], states: Sequence[Any], *, device_type: str | None = None
) -> None:
    """Nothing to set, as `get_device_states` gives nothing (torch.utils.checkpoint.set_device_states).

    Raises UnsupportedError for states of devices.
    """
    if devices or states:
        raise UnsupportedError(
            "set_device_states: devices have no random numbers of their own; use set_rng_state"
        )
