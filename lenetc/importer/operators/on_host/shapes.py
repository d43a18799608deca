"""Other shapes, parts, joins and repetitions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lenetc.importer.operators.on_host.each import concrete
from lenetc.importer.operators.shaping.cutting import bounds, pieces
from lenetc.importer.operators.shaping.repeating import broadcast
from lenetc.importer.operators.shaping.reshaping import squeezed, unsqueezed, wanted
from lenetc.importer.records import OnnxNode
from lenetc.importer.registry import on_host
from lenetc.importer.values import Host, as_host, dtype_of, listed, need_few, numbers


def _like(found: Host, x: Host) -> Host:
    return as_host(found, dtype_of(x))


@on_host
def Reshape(x: Host, shape: Host, /, *, allowzero: int = 0) -> Host:
    return _like(x.reshape(wanted(x.shape, concrete(shape), allowzero)), x)


@on_host
def Flatten(x: Host, /, *, axis: int = 1) -> Host:
    axis = axis + x.ndim if axis < 0 else axis
    return _like(
        x.reshape(int(np.prod(x.shape[:axis], dtype=int)), int(np.prod(x.shape[axis:], dtype=int))), x
    )


@on_host
def Transpose(x: Host, /, *, perm: Sequence[int] | None = None) -> Host:
    return _like(np.transpose(x, perm), x)


@on_host
def Squeeze(x: Host, axes_: Host | None = None, /, *, axes: Sequence[int] | None = None) -> Host:
    return _like(x.reshape(squeezed(x.shape, listed(axes_, axes))), x)


@on_host
def Unsqueeze(x: Host, axes_: Host | None = None, /, *, axes: Sequence[int] | None = None) -> Host:
    return _like(x.reshape(unsqueezed(x.shape, listed(axes_, axes))), x)


@on_host
def Concat(x: Host, /, *xs: Host, axis: int) -> Host:
    return _like(np.concatenate([x, *xs], axis), x)


@on_host
def Split(
    x: Host,
    split_: Host | None = None,
    /,
    *,
    axis: int = 0,
    split: Sequence[int] | None = None,
    num_outputs: int | None = None,
    node: OnnxNode,
) -> tuple[Host, ...]:
    return tuple(
        _like(x[part], x) for part in pieces(x.shape, axis, listed(split_, split), num_outputs, node)
    )


@on_host
def Slice(
    x: Host,
    starts_: Host | None = None,
    ends_: Host | None = None,
    axes_: Host | None = None,
    steps: Host | None = None,
    /,
    *,
    starts: Sequence[int] | None = None,
    ends: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
) -> Host:
    """Of as many elements as dims say, only where these are numbers."""
    given = [listed(starts_, starts), listed(ends_, ends), listed(axes_, axes), numbers(steps)]
    index, backwards = bounds(x.shape, *given)
    for part in index:
        concrete([part.start, part.stop])
    return _like(np.flip(x[index], tuple(backwards)) if backwards else x[index], x)


@on_host
def Expand(x: Host, shape: Host, /) -> Host:
    sizes = broadcast(x.shape, concrete(shape))
    need_few(sizes)
    return _like(np.broadcast_to(x, sizes), x)


@on_host
def Tile(x: Host, repeats: Host, /) -> Host:
    need_few((x.size, *concrete(repeats)))
    return _like(np.tile(x, concrete(repeats)), x)


@on_host
def Trilu(x: Host, k: Host | None = None, /, *, upper: int = 1) -> Host:
    by = 0 if k is None else concrete(k)[0]
    kept = (np.triu if upper else np.tril)(np.ones(x.shape, bool), by)
    return _like(np.where(kept, x, np.zeros((), x.dtype)), x)
