"""Making tensors: from data, of a constant, of ranges, of random numbers. PyTorch's functions of the same names.

They may import the rooms beside this but `dense`, `methods` and `products`.
"""

from __future__ import annotations

from lenetc.operations.creation import candidates, data, filled, likes, ranges, sampling, typed
from lenetc.operations.creation.candidates import *
from lenetc.operations.creation.data import *
from lenetc.operations.creation.filled import *
from lenetc.operations.creation.likes import *
from lenetc.operations.creation.ranges import *
from lenetc.operations.creation.sampling import *
from lenetc.operations.creation.typed import *

__all__ = [
    *candidates.__all__,
    *data.__all__,
    *filled.__all__,
    *likes.__all__,
    *ranges.__all__,
    *sampling.__all__,
    *typed.__all__,
]
