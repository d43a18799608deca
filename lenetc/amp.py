"""Mixed precision (torch.amp)."""

from lenetc.operations.autocast import autocast

__all__ = ["autocast"]
