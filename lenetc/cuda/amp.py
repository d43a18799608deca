"""Mixed precision under the names that it had for CUDA alone (torch.cuda.amp)."""

from __future__ import annotations

import functools

from ir.types import DType, f16
from lenetc import amp
from lenetc.operations.autocast import autocast as any_autocast

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]

custom_fwd = functools.partial(amp.custom_fwd, device_type="cuda")
custom_bwd = functools.partial(amp.custom_bwd, device_type="cuda")


class autocast(any_autocast):
    """lenetc.autocast("cuda", ...)."""

    def __init__(self, enabled: bool = True, dtype: DType = f16, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """lenetc.amp.GradScaler("cuda", ...)."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
