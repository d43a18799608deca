"""Attention: of queries to keys, and in several heads with projections of all of them."""

from __future__ import annotations

import math

import numpy as np

from ir import ops
from ir.errors import DTypeError, LenetcError, ShapeError
from ir.node import Node
from ir.op import literal, scalar
from ir.types import DType, bool_
from lenetc.evaluation.tracing import here
from lenetc.nn.functional.activation import softmax, warn
from lenetc.nn.functional.dropout import dropout
from lenetc.nn.functional.linear import linear
from lenetc.nn.functional.spatial.padding import pad
from lenetc.operations import creation, elementwise, products, reductions, shaping
from lenetc.operations.autocast import autocasts
from lenetc.tensors.arrays import need_number
from lenetc.tensors.tensor import Tensor, apply, require_tensors


@autocasts
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query key^T * scale + mask) value: query[*,L,E], key[*,S,E], value[*,S,V] -> [*,L,V].

    attn_mask: broadcasts to [*,L,S]; of bools, which keys each query sees, else what is added. A query that sees none
    gives zeros. is_causal: query i sees keys up to i. scale: 1 / sqrt(E) if None. enable_gqa: heads of key and value
    [*,H,S,E] are shared by equal groups of the query's heads. Raises ShapeError and DTypeError for what does not fit,
    LenetcError for both masks. Source: torch.nn.functional.scaled_dot_product_attention.
    """
    what = "scaled_dot_product_attention"
    require_tensors(what, query, key, value, optional=[attn_mask])
    types = f"query {query.type_text()}, key {key.type_text()} and value {value.type_text()}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(
            f"Expected query, key, and value to all be at least 2 dimensional, but got {types}"
        ).at(here())
    if not query.dtype is key.dtype is value.dtype:
        raise DTypeError(f"Expected query, key, and value to have the same dtype, but got {types}").at(here())
    if attn_mask is not None and is_causal:
        raise LenetcError(f"{what}: Explicit attn_mask should not be set when is_causal=True").at(here())
    if attn_mask is not None and attn_mask.dtype is not bool_ and not attn_mask.dtype.is_float:
        raise DTypeError(
            f"Expected attn_mask dtype to be bool or float or to match query dtype, but got {attn_mask.type_text()}"
        ).at(here())
    if enable_gqa:
        key, value = (_shared(x, query, types) for x in (key, value))
    need_number(what, "scale", 1.0 if scale is None else scale)
    factor = 1 / math.sqrt(int(query.shape[-1]) or 1) if scale is None else scale
    scores = products.matmul(query * factor, shaping.transpose(key, -2, -1))
    if is_causal:
        # Added, as in PyTorch's formula, and not put in place of scores: no gradient has to be masked, as weights of
        # zero have none.
        scores = apply("", lambda x: x + _causal(x), scores)
    elif attn_mask is not None and attn_mask.dtype is bool_:
        scores = elementwise.where(attn_mask, scores, _filled(-math.inf, scores.dtype))
    elif attn_mask is not None:
        scores = scores + attn_mask.to(scores.dtype)
    weights = _seen(scores) if attn_mask is not None else softmax(scores, -1)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    return products.matmul(weights.to(value.dtype), value)


def _causal(scores: Node) -> Node:
    """[T,S], minus infinity where a position, a row of `scores`[*,T,S], would look at a later one, else 0."""
    rows, columns = scores.shape[-2:]
    if isinstance(rows, int) and isinstance(columns, int):
        seen = literal(np.tri(rows, columns, dtype=np.bool_))
    else:
        row = ops.reshape(ops.iota(size=rows), shape=(rows, 1))
        seen = ops.logical_not(ops.less(row, ops.reshape(ops.iota(size=columns), shape=(1, columns))))
    return ops.where(seen, scalar(0, scores.dtype), scalar(-math.inf, scores.dtype))


def _shared(x: Tensor, query: Tensor, types: str) -> Tensor:
    """x[*,H,S,E] with each head repeated, so that there are as many as the query has."""
    if min(x.ndim, query.ndim) < 3 or int(query.shape[-3]) % int(x.shape[-3]):
        raise ShapeError(f"Number of heads in key and value must divide the number of heads in {types}").at(
            here()
        )
    heads, times = int(x.shape[-3]), int(query.shape[-3]) // int(x.shape[-3])
    leading, last = tuple(x.shape[:-3]), tuple(x.shape[-2:])
    spread = x.unsqueeze(-3).expand(*leading, heads, times, *last)
    return spread.reshape(*leading, heads * times, *last)


def _filled(value: float, dtype: DType) -> Tensor:
    return creation.full((), value, dtype=dtype)


def _seen(scores: Tensor) -> Tensor:
    """softmax over the last dimension; zeros, with gradients of zero, where all is minus infinity."""

    def build(x: Node) -> Node:
        largest = ops.reduce_max(x, axes=(x.rank - 1,), keepdims=True)
        blind = ops.equal(largest, -math.inf)
        zero = scalar(0, x.dtype)
        return ops.where(blind, zero, ops.softmax(ops.where(blind, zero, x), axis=x.rank - 1))

    return apply("SafeSoftmaxBackward0", build, scores)


def canonical_mask(
    mask: Tensor | None, name: str, dtype: DType, other: Tensor | None = None, other_name: str = ""
) -> Tensor | None:
    """`mask` as what is added to scores: minus infinity where one of bools is true.

    Raises AssertionError for one of integers, as PyTorch does, and warns of an `other` mask of another dtype.
    """
    if mask is None:
        return None
    require_tensors(name, mask)
    if mask.dtype is not bool_ and not mask.dtype.is_float:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if other is not None and other.dtype is not mask.dtype:
        warn(f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.")
    if mask.dtype is not bool_:
        return mask
    return elementwise.where(mask, _filled(-math.inf, dtype), _filled(0.0, dtype))


def _check_masks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Whether there is a dimension of the batch. Raises AssertionError where dimensions do not fit, as PyTorch does."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
        )
    batched = query.ndim == 3
    kind = f"For {'batched' if batched else 'unbatched'} ({query.ndim}-D) `query`, expected"
    if key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(
            f"{kind} `key` and `value` to be {query.ndim}-D but found {key.ndim}-D and {value.ndim}-D tensors "
            "respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != query.ndim - 1:
        raise AssertionError(
            f"{kind} `key_padding_mask` to be `None` or {query.ndim - 1}-D but found {key_padding_mask.ndim}-D "
            "tensor instead"
        )
    if attn_mask is not None and attn_mask.ndim not in (2, 3):
        raise AssertionError(
            f"{kind} `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None and not batched and attn_mask.ndim == 3:
        expected = (num_heads, query.shape[0], key.shape[0])
        if tuple(attn_mask.shape) != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return batched


def _projected(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packed: Tensor | None,
    separate: tuple[Tensor | None, Tensor | None, Tensor | None],
    bias: Tensor | None,
    use_separate: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values by the weights for them, packed[3E,E] or separate ones, and bias[3E]."""
    biases = (None, None, None) if bias is None else tuple(shaping.chunk(bias, 3))
    if not use_separate:
        if packed is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        if query is key and key is value:
            q, k, v = shaping.chunk(linear(query, packed, bias), 3, -1)
            return q, k, v
        w_q, w_k, w_v = shaping.chunk(packed, 3)
        separate = (w_q, w_k, w_v)
    found = []
    for name, x, weight, offset in zip("qkv", (query, key, value), separate, biases, strict=True):
        if weight is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
        found.append(linear(x, weight, offset))
    return found[0], found[1], found[2]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention in several heads (Vaswani et al. 2017): query[L,N,E], key[S,N,K], value[S,N,V] -> [L,N,E], and weights.

    N may be left out. key_padding_mask[N,S]: which keys are left out. attn_mask[L,S] or [N*heads,L,S]: which keys each
    query does not see. Masks that are no bools are added. bias_k, bias_v [1,1,E], add_zero_attn: a key more. static_k,
    static_v [N*heads,S,E/heads]: in place of projected keys and values. The weights are [N,L,S], averaged over the
    heads, or [N,heads,L,S], or None unless need_weights. Raises LenetcError or AssertionError for what does not fit.
    Source: torch.nn.functional.multi_head_attention_forward.
    """
    batched = _check_masks(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same = key is query, value is key
        query = query.unsqueeze(1)
        key = query if same[0] else key.unsqueeze(1)
        value = key if same[1] else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    if is_causal and attn_mask is None:
        raise LenetcError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        ).at(here())
    padding = canonical_mask(key_padding_mask, "key_padding_mask", query.dtype, attn_mask, "attn_mask")
    # Where the hint says that the mask is causal, and nothing else is to be known of it, it is.
    hinted = is_causal and padding is None and not need_weights
    mask = None if hinted else canonical_mask(attn_mask, "attn_mask", query.dtype)
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    size = int(width) // num_heads
    if size * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if key.shape[:2] != value.shape[:2] or (not use_separate_proj_weight and key.shape != value.shape):
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    q, k, v = _projected(query, key, value, in_proj_weight, separate, in_proj_bias, use_separate_proj_weight)
    mask = None if mask is None else _of_heads(mask, batch * num_heads, length, key.shape[0])
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v are given together")
    if bias_k is not None and bias_v is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key or value.")
        k = shaping.cat([k, bias_k.expand(1, batch, width)])
        v = shaping.cat([v, bias_v.expand(1, batch, width)])
        mask, padding = _one_more(mask), _one_more(padding)

    def heads(x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], batch * num_heads, size).transpose(0, 1)

    q = heads(q)
    k = heads(k) if static_k is None else static_k
    v = heads(v) if static_v is None else static_v
    for name, x in (("static_k", k), ("static_v", v)):
        if x.shape[0] != batch * num_heads or x.shape[2] != size:
            raise AssertionError(f"expecting {name} [{batch * num_heads},S,{size}], but got {x.type_text()}")
    if add_zero_attn:
        zeros = creation.zeros((batch * num_heads, 1, size), dtype=k.dtype)
        k, v = shaping.cat([k, zeros], 1), shaping.cat([v, zeros], 1)
        mask, padding = _one_more(mask), _one_more(padding)
    keys = k.shape[1]
    if padding is not None:
        if tuple(padding.shape) != (batch, keys):
            raise AssertionError(
                f"expecting key_padding_mask shape of {(batch, keys)}, but got {padding.shape}"
            )
        spread = padding.reshape(batch, 1, 1, keys).expand(batch, num_heads, 1, keys)
        spread = spread.reshape(batch * num_heads, 1, keys)
        mask = spread if mask is None else mask + spread
    rate = dropout_p if training else 0.0

    def joined(x: Tensor) -> Tensor:
        """[N*heads,L,E/heads] as [L,N,E], by the last weights."""
        rows = x.transpose(0, 1).reshape(length * batch, width)
        found = linear(rows, out_proj_weight, out_proj_bias)
        return found.reshape(length, batch, found.shape[1])

    if not need_weights:
        output = joined(scaled_dot_product_attention(q, k, v, mask, rate, hinted))
        return output if batched else output.squeeze(1), None
    scores = products.matmul(q * math.sqrt(1.0 / size), k.transpose(-2, -1))
    weights = softmax(scores if mask is None else scores + mask, -1)
    if rate:
        weights = dropout(weights, rate)
    output = joined(products.matmul(weights.to(v.dtype), v))
    weights = weights.reshape(batch, num_heads, length, keys)
    if average_attn_weights:
        weights = reductions.mean(weights, 1)
    return (output, weights) if batched else (output.squeeze(1), weights.squeeze(0))


def _of_heads(mask: Tensor, rows: object, length: object, keys: object) -> Tensor:
    """A mask [L,S] or [N*heads,L,S] with three dimensions. Raises LenetcError for another shape."""
    expected = (length, keys) if mask.ndim == 2 else (rows, length, keys)
    if mask.ndim not in (2, 3) or tuple(mask.shape) != expected:
        raise LenetcError(
            f"The shape of the {mask.ndim}D attn_mask is {mask.shape}, but should be {expected}."
        ).at(here())
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


def _one_more(mask: Tensor | None) -> Tensor | None:
    """A mask that lets one key more be seen."""
    return None if mask is None else pad(mask, (0, 1))
