"""Memory formats and layouts by PyTorch's names: values have no order in memory here, so that they ask for nothing."""

from __future__ import annotations

__all__ = ["channels_last", "channels_last_3d", "contiguous_format", "preserve_format", "strided"]


class memory_format:
    """An order of elements in memory (torch.memory_format)."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"lenetc.{self.name}"


class layout(memory_format):
    """How a tensor is stored (torch.layout): every one is strided."""


preserve_format = memory_format("preserve_format")
contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
strided = layout("strided")
