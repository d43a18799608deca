"""Signals (torch.signal): windows.

It may import `operations` and what that may.
"""

from typing import TYPE_CHECKING

from lenetc.missing import names_of
from lenetc.signal import windows

__all__ = ["windows"]

if not TYPE_CHECKING:
    __getattr__ = names_of(__name__)
