"""Sums, means and extremes."""

from __future__ import annotations

from collections.abc import Sequence

from lenetc.importer.registry import operator
from lenetc.importer.values import Sizes, numbers
from lenetc.tensors.tensor import Tensor


@operator
def ReduceMean(
    x: Tensor,
    axes_: Sizes | None = None,
    /,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    which = numbers(axes_) if axes_ is not None else list(axes or ())
    if not which and noop_with_empty_axes:
        return x
    return x.mean(dim=tuple(which) or tuple(range(x.ndim)), keepdim=bool(keepdims))
