"""Reading and writing by index: x[index], gather, scatter, masks. PyTorch's functions of the same names.

A file for each kind. May import `shaping` and `data_dependent` beside it.
"""

from __future__ import annotations

from lenetc.operations.indexing import by_slices, gathering, masks, scattering
from lenetc.operations.indexing.assigning import setitem as setitem
from lenetc.operations.indexing.by_slices import *  # noqa: F403
from lenetc.operations.indexing.gathering import *  # noqa: F403
from lenetc.operations.indexing.masks import *  # noqa: F403
from lenetc.operations.indexing.reading import getitem as getitem
from lenetc.operations.indexing.scattering import *  # noqa: F403

__all__ = [*by_slices.__all__, *gathering.__all__, *masks.__all__, *scattering.__all__]
