"""For CUDA, in NCHW: few kernels, each over much memory, as starting one costs more than most do.

Nothing here needs an operator that the CUDA provider lacks (`passes.emit.cuda`).

The backends have the same files, so that a gap shows: conv, max_pool and avg_pool build, costs and limits tell.
May import ir, layouts, what strategies share, nchw.
"""

from passes.strategies.cuda import avg_pool as avg_pool
from passes.strategies.cuda import conv as conv
from passes.strategies.cuda import costs as costs
from passes.strategies.cuda import limits as limits
from passes.strategies.cuda import max_pool as max_pool
