"""Attention over several heads."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lenetc.nn.functional as F
import lenetc.operations.elementwise as E
from ir.dims import Dim
from ir.types import i64
from lenetc.importer.errors import OnnxOperatorError
from lenetc.importer.operators.attention import rotated
from lenetc.importer.registry import MICROSOFT, operator
from lenetc.importer.values import Buffer, Value
from lenetc.operations.creation import arange
from lenetc.operations.shaping import cat, stack
from lenetc.tensors.tensor import Tensor


@operator(domain=MICROSOFT)
def Attention(
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    past: Tensor | None = None,
    added: Tensor | None = None,
    past_length: Tensor | None = None,
    /,
    *,
    do_rotary: int = 0,
    mask_filter_value: float = -10000.0,
    num_heads: int,
    past_present_share_buffer: int = 0,
    qkv_hidden_sizes: Sequence[int] | None = None,
    rotary_embedding_dim: int = 0,
    scale: float | None = None,
    unidirectional: int = 0,
    count: int,
) -> tuple[Tensor, Tensor | None]:
    """Of x[B,S,I] times weights[I,D+D+V]; past[2,B,N,P,H] come before, and with them the present is given.

    mask: of which keys there are, [B] (how many), [2B] (the ends, then the starts), [B,T], [B,S,T] or [B,1,M,M].
    added: to the scores.
    """
    _refuse(do_rotary=do_rotary, past_present_share_buffer=past_present_share_buffer)
    if past_length is not None:
        raise OnnxOperatorError(
            "past_sequence_length is of buffers that past and present share, which is not here"
        )
    projected = x @ weights
    projected = projected if bias is None else projected + bias
    width = weights.shape[1] // 3
    sizes = list(qkv_hidden_sizes or [width] * 3)
    q, k, v = (_heads(part, num_heads) for part in projected.split(sizes, -1))
    if past is not None:
        k, v = cat([past[0], k], dim=2), cat([past[1], v], dim=2)
    before = past.shape[3] if past is not None else 0
    total = _mask(mask, added, q, k, mask_filter_value, before if unidirectional else None)
    y = _merged(F.scaled_dot_product_attention(q, k, v, total, scale=scale or None))
    return y, stack([k, v]) if count > 1 else None


@operator(domain=MICROSOFT)
def MultiHeadAttention(
    query: Tensor,
    key: Tensor | None = None,
    value: Tensor | None = None,
    bias: Tensor | None = None,
    padding: Tensor | None = None,
    added: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    past_length: Tensor | None = None,
    beams: Tensor | None = None,
    /,
    *,
    mask_filter_value: float = -10000.0,
    num_heads: int,
    scale: float | None = None,
    unidirectional: int = 0,
    count: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """query[B,S,D], key[B,L,D] and value[B,L,V]; or all in query[B,S,N,3,H], or key and value in key[B,L,N,2,H], or
    as they come of before, key and value[B,N,L,H]. bias[D+D+V] is added to them; padding: as Attention's mask.

    The present keys and values are given besides the result.
    """
    if past_length is not None or beams is not None or count > 3:
        raise OnnxOperatorError(
            "buffers that past and present share, beams, and products of query and key are not here"
        )
    is_separate = query.ndim == 3 and key is not None and key.ndim == 3 and value is not None
    if query.ndim == 5:
        q, k, v = (query[:, :, :, i].transpose(1, 2) for i in range(3))
    elif key is not None and key.ndim == 5:
        q = _heads(query, num_heads)
        k, v = (key[:, :, :, i].transpose(1, 2) for i in range(2))
    elif key is not None and value is not None:
        q = _heads(query, num_heads)
        k, v = (_heads(part, num_heads) if is_separate else part for part in (key, value))
    else:
        raise OnnxOperatorError("there is no key, or no value")
    if bias is not None:
        sizes = [num_heads * part.shape[-1] for part in (q, k, v)]
        biases = [part.reshape([num_heads, 1, -1]) for part in bias.split(sizes)]
        q = q + biases[0]
        if key is None or key.ndim != 4:
            k, v = k + biases[1], v + biases[2]
    if past_key is not None and past_value is not None:
        k, v = cat([past_key, k], dim=2), cat([past_value, v], dim=2)
    before = past_key.shape[2] if past_key is not None else 0
    total = _mask(padding, added, q, k, mask_filter_value, before if unidirectional else None)
    return _merged(F.scaled_dot_product_attention(q, k, v, total, scale=scale or None)), k, v


def _refuse(**attributes: int) -> None:
    for name, value in attributes.items():
        if value:
            raise OnnxOperatorError(f"{name}={value} is not here")


def _heads(x: Tensor, count: int) -> Tensor:
    """x[B,S,D] as [B,N,S,H]."""
    batch, length, width = x.shape
    return x.reshape([batch, length, count, width // count]).transpose(1, 2)


def _merged(x: Tensor) -> Tensor:
    """x[B,N,S,H] as [B,S,D]."""
    batch, heads, length, width = x.shape
    return x.transpose(1, 2).reshape([batch, length, heads * width])


def _mask(
    mask: Tensor | None, added: Tensor | None, q: Tensor, k: Tensor, filled: float, before: Dim | None
) -> Tensor | None:
    """What is added to the scores [B,N,S,T]: `filled` for keys that are not there, which the query does see, if little;
    -inf for those after it, where `before` tells how many keys come before those of the first query."""
    length, keys = q.shape[2], k.shape[2]
    total = added
    if mask is not None:
        hidden = (1 - _kept(mask, q.shape[0], length, keys).to(q.dtype)) * filled
        total = hidden if total is None else total + hidden
    if before is not None:
        more = keys - before - length
        if isinstance(more, int) and more:
            raise OnnxOperatorError(
                f"unidirectional with {length} queries and {keys - before} new keys is not here"
            )
        seen = arange(length).unsqueeze(1) + before >= arange(keys)
        after = E.where(seen, 0.0, -math.inf).to(q.dtype)
        total = after if total is None else total + after
    return total


def _kept(mask: Tensor, batch: Dim, length: Dim, keys: Dim) -> Tensor:
    """Whether each key is there, to be broadcast to [B,N,S,T]."""
    if mask.ndim == 1:
        places = arange(keys)
        if mask.shape[0] == batch:
            kept = places < mask.to(i64).unsqueeze(1)
        elif mask.shape[0] == batch * 2:
            ends, starts = mask.to(i64).unsqueeze(1).chunk(2)
            kept = E.logical_and(places < ends, places >= starts)
        else:
            raise OnnxOperatorError(f"the mask {mask.type_text()} tells of packed rows, which are not here")
        return kept.unsqueeze(1).unsqueeze(1)
    if mask.ndim == 4:
        mask = mask[:, :, keys - length : keys, :keys]
    elif mask.ndim == 3:
        mask = mask.unsqueeze(1)
    else:
        mask = mask.unsqueeze(1).unsqueeze(1)
    return mask != 0


@operator(domain=MICROSOFT)
def RotaryEmbedding(
    x: Tensor,
    positions: Tensor,
    cosines: Buffer,
    sines: Buffer,
    /,
    *,
    interleaved: int = 0,
    is_packed_batching: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
    scale: float = 1.0,
) -> Tensor:
    """x[B,N,S,H], or x[B,S,N*H], its pairs of elements turned by angles (Su et al. 2021): positions[B,S], or [1] for
    the first one, are rows of cosines and sines [M,H/2]; of rotary_embedding_dim elements of a head only, if given."""
    _refuse(is_packed_batching=is_packed_batching)
    if scale != 1:
        raise OnnxOperatorError(f"scale={scale} is not here: ONNX Runtime does not heed it")
    places = positions.long()
    if positions.ndim == 1:
        places = (places + arange(x.shape[-2])).unsqueeze(0)
    width = 2 * cosines.shape[1]
    c, s = (table[places] for table in (cosines, sines))
    heads = num_heads or x.shape[-1] // width
    return rotated(x, c, s, interleaved=interleaved, heads=heads, width=width)


@operator(domain=MICROSOFT)
def GroupQueryAttention(
    query: Tensor,
    key: Tensor | None,
    value: Tensor | None,
    past_key: Tensor | None,
    past_value: Tensor | None,
    lengths: Buffer,
    total: Value,
    cosines: Buffer | None = None,
    sines: Buffer | None = None,
    positions: Tensor | None = None,
    added: Tensor | None = None,
    /,
    *,
    do_rotary: int = 0,
    kv_num_heads: int,
    local_window_size: int = -1,
    num_heads: int,
    rotary_interleaved: int = 0,
    scale: float | None = None,
    smooth_softmax: int = 0,
    softcap: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Of query[B,S,N*H] and keys and values of fewer heads, or all in query[B,S,(N+2K)*H]: of whole sequences, with no
    past, of which lengths[B]+1 elements are there. Besides the result its keys and values are given, [B,K,S,H].

    do_rotary: whether queries and keys are turned as RotaryEmbedding does. local_window_size: of how many keys before
    it a query sees those nearest to it.
    """
    _refuse(smooth_softmax=smooth_softmax)
    if softcap:
        raise OnnxOperatorError(f"softcap={softcap} is not here")
    if past_key is not None and (not isinstance(past_key.shape[2], int) or past_key.shape[2]):
        raise OnnxOperatorError(
            f"past_key {past_key.type_text()}: only whole sequences, with a past of 0, are here"
        )
    if key is None or value is None:
        size = query.shape[2] // (num_heads + 2 * kv_num_heads)
        query, key, value = query.split([num_heads * size, kv_num_heads * size, kv_num_heads * size], -1)
    q, k, v = _heads(query, num_heads), _heads(key, kv_num_heads), _heads(value, kv_num_heads)
    length = q.shape[2]
    if do_rotary:
        if cosines is None or sines is None:
            raise OnnxOperatorError("do_rotary needs cos_cache and sin_cache")
        start = arange(1) * 0 if positions is None else positions[0, :1]
        q, k = (RotaryEmbedding(x, start, cosines, sines, interleaved=rotary_interleaved) for x in (q, k))
    rows, places = arange(length).unsqueeze(1), arange(length)
    seen = places <= rows
    if local_window_size >= 0:
        seen = E.logical_and(seen, places > rows - local_window_size)
    there = (places <= lengths.to(i64).reshape([-1, 1])).unsqueeze(1).unsqueeze(1)
    mask = E.where(E.logical_and(seen, there), 0.0, -math.inf).to(q.dtype)
    mask = mask if added is None else mask + added
    return _merged(F.scaled_dot_product_attention(q, k, v, mask, scale=scale or None, enable_gqa=True)), k, v
