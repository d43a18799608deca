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
from lenetc.operations.shaping.moving import hermitian as hermitian
from lenetc.operations.shaping.moving import matrix_transposed as matrix_transposed
from lenetc.operations.shaping.moving import reversed_dims as reversed_dims
from lenetc.operations.shaping.moving import transposed as transposed
from lenetc.operations.shaping.repeating import *  # noqa: F403
from lenetc.operations.shaping.repeating import expand as expand
from lenetc.operations.shaping.repeating import expand_as as expand_as
from lenetc.operations.shaping.repeating import repeat as repeat
from lenetc.operations.shaping.slicing import *  # noqa: F403
from lenetc.operations.shaping.slicing import unfold as unfold
from lenetc.operations.shaping.splitting import *  # noqa: F403
from lenetc.operations.shaping.triangles import *  # noqa: F403
from lenetc.operations.shaping.viewing import *  # noqa: F403
from lenetc.operations.shaping.viewing import as_shape as as_shape
from lenetc.operations.shaping.viewing import contiguous as contiguous
from lenetc.operations.shaping.viewing import element_size as element_size
from lenetc.operations.shaping.viewing import is_contiguous as is_contiguous
from lenetc.operations.shaping.viewing import reshape_as as reshape_as
from lenetc.operations.shaping.viewing import storage_offset as storage_offset
from lenetc.operations.shaping.viewing import stride as stride
from lenetc.operations.shaping.viewing import view as view
from lenetc.operations.shaping.viewing import view_as as view_as

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
