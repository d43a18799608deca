"""Layers that learn sizes from their first input (torch.nn.modules.lazy)."""

from lenetc.nn.modules.lazy.mixin import LazyModuleMixin as LazyModuleMixin
