"""Autocast within one's own autograd functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from ir.types import DType, f64
from lenetc.operations.autocast import autocast_as, autocast_modes, is_autocast_enabled
from lenetc.tensors.tensor import Tensor


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: DType | None = None
) -> Any:
    """A decorator of an autograd function's `forward`: its `backward`, if that is `custom_bwd`, computes as it did
    (torch.amp.custom_fwd).

    device_type: "cpu" or "cuda". cast_inputs: where that is in autocast, float tensors among the arguments, but those
    of f64, have this dtype, and autocast is off inside.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        modes = autocast_modes()
        if cast_inputs is None or not is_autocast_enabled(device_type):
            ctx._autocast_modes = modes
            return fwd(ctx, *args, **kwargs)
        ctx._autocast_modes = tuple(mode for mode in modes if mode[0] != device_type)
        with autocast_as(ctx._autocast_modes):
            return fwd(ctx, *_cast(args, cast_inputs), **_cast(kwargs, cast_inputs))

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """A decorator of the `backward` that belongs to a `custom_fwd`."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast_as(ctx._autocast_modes):
            return bwd(ctx, *args, **kwargs)

    return backward


def _cast(value: Any, dtype: DType) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype) if value.dtype.is_float and value.dtype is not f64 else value
    if isinstance(value, Mapping):
        return {key: _cast(part, dtype) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_cast(part, dtype) for part in value)
    return value
