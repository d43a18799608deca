"""Functions that go over dimensions, to one value each or to running ones: PyTorch's functions of the same names, by
topic.

They may import `elementwise` and `shaping` beside this.
"""

from lenetc.operations.reductions.comparisons import *
from lenetc.operations.reductions.counts import *
from lenetc.operations.reductions.cumulative import *
from lenetc.operations.reductions.extremes import *
from lenetc.operations.reductions.norms import *
from lenetc.operations.reductions.order import *
from lenetc.operations.reductions.statistics import *
from lenetc.operations.reductions.sums import *
