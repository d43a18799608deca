"""Batch-last, in the layout CHWN.

The backends have the same files, so that a gap shows: conv, max_pool and avg_pool build, costs and limits tell.
May import ir, layouts, what strategies share, nchw.
"""

from passes.strategies.chwn import avg_pool as avg_pool
from passes.strategies.chwn import conv as conv
from passes.strategies.chwn import costs as costs
from passes.strategies.chwn import limits as limits
from passes.strategies.chwn import max_pool as max_pool
from passes.strategies.chwn import taps as taps
