"""Layers that learn sizes from their first input (torch.nn.modules.lazy).

They may import the layers that they become.
"""

from lenetc.nn.modules.lazy.mixin import LazyModuleMixin as LazyModuleMixin
