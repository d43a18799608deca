"""What training scripts import beside networks (torch.utils): datasets and loaders, checkpointing, event files.

It may import `operations` and what that may.
"""

from typing import TYPE_CHECKING

from lenetc.missing import names_of
from lenetc.utils import _pytree, checkpoint, data, tensorboard

__all__ = ["checkpoint", "data", "tensorboard"]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
