"""Operators on arrays of numbers and dims: what files compute of shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lenetc.importer.registry import on_host
from lenetc.importer.values import Host, as_host


@on_host
def Gather(x: Host, indices: Host, /, *, axis: int = 0) -> Host:
    return as_host(np.take(x, indices.astype(np.int64), axis))


@on_host
def Concat(*xs: Host, axis: int) -> Host:
    return as_host(np.concatenate(xs, axis))


@on_host
def Unsqueeze(x: Host, axes_: Host | None = None, /, *, axes: Sequence[int] | None = None) -> Host:
    return np.expand_dims(x, tuple(axes_.tolist() if axes_ is not None else axes or ()))
