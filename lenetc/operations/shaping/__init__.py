"""Operations that move elements and compute nothing: views, joins, repetitions. PyTorch's functions of the same names.

A file for each kind. May import what tensors are made of, and `data_dependent` beside it.
"""

from __future__ import annotations

from lenetc.operations.shaping import (
    diagonals,
    grids,
    joining,
    moving,
    repeating,
    slicing,
    splitting,
    triangles,
    viewing,
)
from lenetc.operations.shaping.diagonals import *  # noqa: F403
from lenetc.operations.shaping.grids import *  # noqa: F403
from lenetc.operations.shaping.grids import one_hot_mask as one_hot_mask
from lenetc.operations.shaping.joining import *  # noqa: F403
from lenetc.operations.shaping.moving import *  # noqa: F403
from lenetc.operations.shaping.moving import transposed as transposed
from lenetc.operations.shaping.repeating import *  # noqa: F403
from lenetc.operations.shaping.repeating import expand as expand
from lenetc.operations.shaping.slicing import *  # noqa: F403
from lenetc.operations.shaping.splitting import *  # noqa: F403
from lenetc.operations.shaping.triangles import *  # noqa: F403
from lenetc.operations.shaping.viewing import *  # noqa: F403
from lenetc.operations.shaping.viewing import as_shape as as_shape

__all__ = [
    *diagonals.__all__,
    *grids.__all__,
    *joining.__all__,
    *moving.__all__,
    *repeating.__all__,
    *slicing.__all__,
    *splitting.__all__,
    *triangles.__all__,
    *viewing.__all__,
]
