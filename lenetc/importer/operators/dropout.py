"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import lenetc.nn.functional as F
from ir.types import bool_
from lenetc.importer.registry import operator
from lenetc.importer.values import Value, to_tensor
from lenetc.operations import elementwise
from lenetc.operations.creation import ones_like, rand_like, zeros_like
from lenetc.tensors.tensor import Tensor


@operator
def Dropout(
    x: Tensor,
    ratio_: Value = None,
    mode: Value = None,
    /,
    *,
    ratio: float = 0.5,
    seed: int = 0,
    is_test: int = 0,
    consumed_inputs: Sequence[int] | None = None,
    training: bool,
    opset: int,
    count: int,
) -> tuple[Tensor, ...]:
    """In training mode, whatever the file says of its own, zeros with the probability `ratio`, the rest scaled; and
    what was kept. The ratio is an input from opset 12 on. A mode that is no constant switches it off where it is false.

    Every step draws another mask, by `lenetc.manual_seed` and not by the file's seed.
    """
    share = ratio if ratio_ is None else float(ratio_.item()) if isinstance(ratio_, np.ndarray) else ratio_
    if not training:
        kept = ones_like(x)
    elif isinstance(share, float):
        kept = F.dropout(ones_like(x), share, True)
    else:
        kept = _kept(x, to_tensor(share))
    if training and isinstance(mode, Tensor):
        kept = elementwise.where(mode, kept, ones_like(x))
    y = x * kept if training else x
    # Before opset 10 the mask has the type of x.
    return (y, (kept != 0).to(bool_ if opset >= 10 else x.dtype))[: max(count, 1)]


def _kept(x: Tensor, ratio: Tensor) -> Tensor:
    """1 / (1 - ratio) where x is kept, else 0."""
    ratio = ratio.to(x.dtype)
    return elementwise.where(rand_like(x) < 1 - ratio, 1 / (1 - ratio), zeros_like(x))
