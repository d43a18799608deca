"""Attention, and the rotation that tells it of positions."""

from __future__ import annotations

import math
from functools import reduce

import lenetc.nn.functional as F
from ir.dims import Dim
from ir.errors import ShapeError, UnsupportedError
from ir.types import bool_, f16, f32, f64
from lenetc.importer.registry import operator
from lenetc.operations import elementwise, products
from lenetc.operations.creation import arange, full
from lenetc.operations.shaping import cat, stack
from lenetc.tensors.tensor import Tensor

_PRECISIONS = {1: f32, 10: f16, 11: f64}


def heads_apart(x: Tensor, heads: int | None, what: str) -> Tensor:
    """x[B,S,H*E] as [B,H,S,E]; one of rank 4 as it is."""
    if x.ndim == 4:
        return x
    if x.ndim != 3 or not heads:
        raise ShapeError(f"{what} {x.type_text()} needs to be [B,H,S,E], or [B,S,H*E] with a number of heads")
    batch, length, width = x.shape
    if width % heads:
        raise ShapeError(f"{what} {x.type_text()} cannot be divided into {heads} heads")
    return x.reshape([batch, length, heads, width // heads]).transpose(1, 2)


def _shared(x: Tensor, heads: Dim) -> Tensor:
    """x[B,H,S,E] with each head repeated, so that there are `heads`."""
    batch, own, length, width = x.shape
    if own == heads:
        return x
    if heads % own:
        raise ShapeError(f"{own} heads of keys and values cannot be shared by {heads} heads of queries")
    spread = x.unsqueeze(2).expand(batch, own, heads // own, length, width)
    return spread.reshape([batch, heads, length, width])


@operator
def Attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    valid: Tensor | None = None,
    /,
    *,
    is_causal: int = 0,
    kv_num_heads: int | None = None,
    left_window_size: int = -1,
    q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = -1,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: int | None = None,
    count: int,
) -> tuple[Tensor, ...]:
    """softmax(cap(query key^T * scale) + mask) value. valid[B]: how many of the keys are no padding.

    A query that sees no key gives zeros. Results: y, the keys and values with those of the past before them, and the
    scores, at the step that `qk_matmul_output_mode` says.
    """
    is_flat = query.ndim == 3
    query = heads_apart(query, q_num_heads, "the query")
    key, value = (heads_apart(x, kv_num_heads, "the key or the value") for x in (key, value))
    if past_key is not None and past_value is not None:
        key, value = cat([past_key, key], dim=2), cat([past_value, value], dim=2)
    present_key, present_value = key, value
    heads, width = query.shape[1], int(query.shape[3])
    key, value = _shared(key, heads), _shared(value, heads)
    root = math.sqrt(
        1 / math.sqrt(width) if scale is None else scale
    )  # each side's, so that halves do not overflow
    scores = products.matmul(query * root, key.transpose(-2, -1) * root)
    steps = [scores]
    if softcap:
        scores = (scores / softcap).tanh() * softcap
    steps.append(scores)
    past = 0 if past_key is None else past_key.shape[2]
    seen = _seen(scores, past, valid, is_causal, left_window_size, right_window_size)
    bias = None if mask is None else _padded(mask, scores)
    if bias is not None and bias.dtype is bool_:
        seen, bias = bias if seen is None else elementwise.logical_and(seen, bias), None
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    if seen is not None:
        scores = elementwise.where(seen, scores, full((), -math.inf, dtype=scores.dtype))
    steps.append(scores)
    weights = scores if softmax_precision is None else scores.to(_precision(softmax_precision))
    weights = (F.softmax(weights, -1) if seen is bias is None else _softmax(weights)).to(query.dtype)
    steps.append(weights)
    y = products.matmul(weights, value)
    if is_flat:
        batch, _, length, each = y.shape
        y = y.transpose(1, 2).reshape([batch, length, heads * each])
    if not 0 <= qk_matmul_output_mode < len(steps):
        raise UnsupportedError(f"qk_matmul_output_mode is 0 to 3, not {qk_matmul_output_mode}")
    return (y, present_key, present_value, steps[qk_matmul_output_mode])[: max(count, 1)]


def _precision(number: int) -> object:
    if number not in _PRECISIONS:
        raise UnsupportedError(f"softmax_precision is 1, 10 or 11 (f32, f16 or f64), not {number}")
    return _PRECISIONS[number]


def _softmax(scores: Tensor) -> Tensor:
    """softmax over the last axis; zeros, with gradients of zero, where all is minus infinity."""
    blind = (scores.amax(-1, True) == -math.inf).detach()
    zero = full((), 0, dtype=scores.dtype)
    return elementwise.where(blind, zero, F.softmax(elementwise.where(blind, zero, scores), -1))


def _padded(mask: Tensor, scores: Tensor) -> Tensor:
    """`mask` with as many columns as there are keys: the keys beyond it are not seen."""
    missing = scores.shape[-1] - mask.shape[-1]
    if missing == 0 or mask.shape[-1] == 1:
        return mask
    rest = full([*mask.shape[:-1], missing], False if mask.dtype is bool_ else -math.inf, dtype=mask.dtype)
    return cat([mask, rest], dim=-1)


def _seen(
    scores: Tensor, past: Dim, valid: Tensor | None, is_causal: int, left: int, right: int
) -> Tensor | None:
    """Which keys, columns, each query, a row, may see by its position and theirs; None for all."""
    rows, columns = scores.shape[-2:]
    found = []
    if valid is not None:
        valid = valid.reshape([-1, 1, 1, 1])
    if is_causal or left >= 0 or right >= 0:
        keys = arange(columns).reshape([1, columns])
        queries = arange(rows).reshape([rows, 1])
        queries = queries + (
            valid - rows if valid is not None and isinstance(past, int) and not past else past
        )
        if is_causal:
            found.append(keys <= queries)
        if left >= 0:
            found.append(keys >= queries - left)
        if right >= 0:
            found.append(keys <= queries + right)
    if valid is not None:
        found.append(arange(columns).reshape([1, 1, 1, columns]) < valid)
    return reduce(elementwise.logical_and, found) if found else None


@operator
def RotaryEmbedding(
    x: Tensor,
    cosines: Tensor,
    sines: Tensor,
    positions: Tensor | None = None,
    /,
    *,
    interleaved: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> Tensor:
    """x[B,H,S,E], or x[B,S,H*E], its pairs of elements turned by angles (Su et al. 2021).

    cosines, sines: [max,R/2] with positions[B,S], or [B,S,R/2]; R elements of a head are turned, all if 0.
    """
    if positions is not None:
        cosines, sines = (table[positions] for table in (cosines, sines))
    return rotated(x, cosines, sines, interleaved=interleaved, heads=num_heads, width=rotary_embedding_dim)


def rotated(x: Tensor, cosines: Tensor, sines: Tensor, *, interleaved: int, heads: int, width: int) -> Tensor:
    """x turned by what stands in cosines and sines [B,S,R/2], as RotaryEmbedding has it."""
    apart = heads_apart(x, heads, "the input")
    size = int(apart.shape[-1])
    width = width or size
    turned, rest = apart[..., :width], apart[..., width:]
    if interleaved:
        first, second = turned[..., 0::2], turned[..., 1::2]
    else:
        first, second = turned[..., : width // 2], turned[..., width // 2 :]
    c, s = (table.unsqueeze(1) for table in (cosines, sines))
    parts = [c * first - s * second, s * first + c * second]
    y = stack(parts, dim=-1).reshape(turned.shape) if interleaved else cat(parts, dim=-1)
    y = y if width == size else cat([y, rest], dim=-1)
    return y.transpose(1, 2).reshape(x.shape) if x.ndim == 3 else y
