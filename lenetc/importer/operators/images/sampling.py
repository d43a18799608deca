"""Images read at computed places."""

from __future__ import annotations

import lenetc.nn.functional as F
from ir.errors import ShapeError
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.registry import operator
from lenetc.importer.values import Sizes, numbers
from lenetc.operations import creation
from lenetc.operations.shaping import cat
from lenetc.tensors.tensor import Tensor

_MODES = {
    "bilinear": "bilinear",
    "linear": "bilinear",
    "nearest": "nearest",
    "bicubic": "bicubic",
    "cubic": "bicubic",
}


@operator
def GridSample(
    x: Tensor,
    grid: Tensor,
    /,
    *,
    align_corners: int = 0,
    mode: str = "linear",
    padding_mode: str = "zeros",
) -> Tensor:
    """Lines are images of one row. The modes bilinear and bicubic are called linear and cubic from opset 20 on."""
    if mode not in _MODES:
        raise OnnxOperatorError(f"the mode {mode!r} is not here")
    how = (_MODES[mode], padding_mode, bool(align_corners))
    grid = grid.to(x.dtype)
    if x.ndim != 3:
        return F.grid_sample(x, grid, *how)
    if grid.ndim != 3 or grid.shape[-1] != 1:
        raise ShapeError(f"the grid {grid.type_text()} of a line has no last axis of 1")
    places = cat([grid, creation.zeros_like(grid)], dim=-1).unsqueeze(1)
    return F.grid_sample(x.unsqueeze(2), places, *how).squeeze(2)


@operator
def AffineGrid(theta: Tensor, size: Sizes, /, *, align_corners: int = 0) -> Tensor:
    return F.affine_grid(theta, numbers(size), bool(align_corners))
