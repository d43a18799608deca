"""Normalization of the last axis, with what is added before."""

from __future__ import annotations

import lenetc.nn.functional as F
from ir.types import f32, f64, i32
from lenetc.importer.registry import MICROSOFT, operator
from lenetc.operations.creation import arange
from lenetc.tensors.tensor import Tensor


@operator
def SimplifiedLayerNormalization(
    x: Tensor, scale: Tensor, /, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> tuple[Tensor, Tensor]:
    """x over the root of its mean square over the axes from `axis` on, which is what else is given; of ONNX Runtime,
    in ONNX's domain. Computed in f32 at least, which is what stash_type says."""
    axis = axis % x.ndim
    y = F.rms_norm(x, list(x.shape[axis:]), scale, epsilon)
    wide = x if x.dtype is f64 else x.to(f32)
    square = (wide * wide).mean(dim=tuple(range(axis, x.ndim)), keepdim=True)
    return y, (square + epsilon).rsqrt()


@operator(domain=MICROSOFT)
def SkipLayerNormalization(
    x: Tensor,
    skip: Tensor,
    gamma: Tensor,
    beta: Tensor | None = None,
    bias: Tensor | None = None,
    /,
    *,
    epsilon: float = 1e-12,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor]:
    """x + skip + bias normalized, and that sum; ONNX Runtime does not give the mean and the deviation between them."""
    total = x + skip if bias is None else x + skip + bias
    return F.layer_norm(total, [total.shape[-1]], gamma, beta, epsilon), None, None, total


@operator(domain=MICROSOFT)
def SkipSimplifiedLayerNormalization(
    x: Tensor,
    skip: Tensor,
    gamma: Tensor,
    bias: Tensor | None = None,
    /,
    *,
    epsilon: float = 1e-12,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor]:
    """As SkipLayerNormalization, over the root of the mean square."""
    total = x + skip if bias is None else x + skip + bias
    return F.rms_norm(total, [total.shape[-1]], gamma, epsilon), None, None, total


@operator(domain=MICROSOFT)
def EmbedLayerNormalization(
    ids: Tensor,
    segments: Tensor | None,
    words: Tensor,
    positions: Tensor,
    kinds: Tensor | None,
    gamma: Tensor,
    beta: Tensor,
    mask: Tensor | None = None,
    places: Tensor | None = None,
    /,
    *,
    epsilon: float = 1e-12,
    mask_index_type: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    """The embeddings of ids[B,S], of their places and segments, normalized; how many of each row the mask[B,S] keeps;
    and the sum."""
    length = ids.shape[1]
    place = positions[arange(length)] if places is None else positions[places.long()]
    total = F.embedding(ids.long(), words) + place
    if kinds is not None and segments is not None:
        total = total + F.embedding(segments.long(), kinds)
    kept = (ids * 0 if mask is None else mask == 1).to(i32).sum(dim=1).to(i32)
    return F.layer_norm(total, [total.shape[-1]], gamma, beta, epsilon), kept, total


@operator(domain=MICROSOFT)
def GroupNorm(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    /,
    *,
    activation: int,
    channels_last: int = 1,
    epsilon: float = 1e-5,
    groups: int,
) -> Tensor:
    """Of x[N,...,C], with channels_last=0 of x[N,C,...]; with activation=1 the silu of it."""
    first = x.movedim(-1, 1) if channels_last else x
    y = F.group_norm(first, groups, gamma.to(x.dtype), beta.to(x.dtype), epsilon)
    y = F.silu(y) if activation else y
    return y.movedim(1, -1) if channels_last else y


@operator(domain=MICROSOFT)
def SkipGroupNorm(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    skip: Tensor,
    bias: Tensor | None = None,
    /,
    *,
    activation: int,
    channels_last: int = 1,
    epsilon: float = 1e-5,
    groups: int,
) -> tuple[Tensor, Tensor]:
    """GroupNorm of x + skip + bias, and that sum. skip: of the type of x, or one number a channel, [N,C]."""
    if skip.ndim == 2:
        skip = skip.reshape([skip.shape[0], 1, 1, skip.shape[1]])
    total = x + skip if bias is None else x + skip + bias
    y = GroupNorm(
        total, gamma, beta, activation=activation, channels_last=channels_last, epsilon=epsilon, groups=groups
    )
    return y, total
