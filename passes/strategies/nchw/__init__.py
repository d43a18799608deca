"""Batch-first, in the IR's own layout NCHW.

The backends have the same files, so that a gap shows: conv, max_pool and avg_pool build, costs and limits tell.
May import ir, layouts, what strategies share.
"""

from passes.strategies.nchw import avg_pool as avg_pool
from passes.strategies.nchw import conv as conv
from passes.strategies.nchw import costs as costs
from passes.strategies.nchw import limits as limits
from passes.strategies.nchw import max_pool as max_pool
from passes.strategies.nchw import taps as taps
