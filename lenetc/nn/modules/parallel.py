"""DataParallel: a network on one device, which is what there is."""

from __future__ import annotations

from typing import Any

from lenetc.nn.modules.module import Module


class DataParallel(Module):
    """`module` as it is, under the name `module` (torch.nn.DataParallel of one device)."""

    module: Module

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)
