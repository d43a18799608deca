"""In lanes, for the runtime's direct convolutions on a CPU.

The backends have the same files, so that a gap shows: conv, max_pool and avg_pool build, costs and limits tell.
May import ir, layouts, what strategies share.
"""

from passes.strategies.lanes import conv as conv
from passes.strategies.lanes import costs as costs
from passes.strategies.lanes import limits as limits
