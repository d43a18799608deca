"""Attention, masks and positions over sentences of any length."""

from __future__ import annotations

from tests.parity.symbolic.case import case, made, weight


@case("B T 8")
def causal_attention(t, x):
    T = x.shape[1]
    mask = t.triu(t.ones(T, T), diagonal=1).bool()
    s = x @ x.transpose(1, 2) / 8**0.5
    s = s.masked_fill(mask, float("-inf"))
    return t.softmax(s, -1) @ x


@case("B T 8")
def tril_buffer(t, x):
    mask = t.tril(t.ones(16, 16))
    T = x.shape[1]
    s = x @ x.transpose(1, 2)
    s = s.masked_fill(mask[:T, :T] == 0, float("-inf"))
    return t.softmax(s, -1) @ x


@case("B T 8")
def sdpa(t, x):
    q = x.view(x.shape[0], x.shape[1], 2, 4).transpose(1, 2)
    return (
        t.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True)
        .transpose(1, 2)
        .reshape(x.shape[0], x.shape[1], 8)
    )


@case("B T 8")
def mha(t, x):
    a = made(t, lambda: t.nn.MultiheadAttention(8, 2, batch_first=True))
    T = x.size(1)
    mask = t.triu(t.full((T, T), float("-inf")), diagonal=1)
    return a(x, x, x, attn_mask=mask, need_weights=False)[0]


@case("T B 8")
def encoder_layer(t, x):
    a = made(t, lambda: t.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0))
    return a(x, src_mask=t.nn.Transformer.generate_square_subsequent_mask(x.shape[0]))


@case("B T 8")
def encoder_layer_bf(t, x):
    a = made(
        t,
        lambda: t.nn.TransformerEncoderLayer(
            8, 2, 16, dropout=0.0, batch_first=True, norm_first=True, activation="gelu"
        ),
    )
    return a(x)


@case("B T 8")
def pos_slice(t, x):
    pos = weight(t, 20, 8)
    return x + pos[: x.size(1)]


@case("B T 8")
def pos_param3(t, x):
    pos = weight(t, 1, 20, 8)
    return x + pos[:, : x.shape[1]]


@case("10: B T")
def pos_arange(t, x):
    e = made(t, lambda: t.nn.Embedding(10, 6))
    p = made(t, lambda: t.nn.Embedding(20, 6))
    return e(x) + p(t.arange(x.shape[1]))


@case("10: B T")
def pos_arange_expand(t, x):
    e = made(t, lambda: t.nn.Embedding(10, 6))
    p = made(t, lambda: t.nn.Embedding(20, 6))
    B, T = x.size()
    q = t.arange(0, T, device=x.device).unsqueeze(0).expand(B, T)
    return e(x) + p(q)


@case("B T 6")
def sinusoid(t, x):
    T = x.shape[1]
    pos = t.arange(T, dtype=t.float32).unsqueeze(1)
    div = t.exp(t.arange(0, 6, 2).float() * (-2.0))
    pe = t.zeros(T, 6)
    pe[:, 0::2] = t.sin(pos * div)
    pe[:, 1::2] = t.cos(pos * div)
    return x + pe


@case("N T 5", "5: N T")
def ce_transposed(t, x, y):
    return t.nn.functional.cross_entropy(x.transpose(1, 2), y, ignore_index=0)


@case("N T 5", "5: N T")
def nll_mask(t, x, y):
    mask = (y != 0).float()
    each = t.nn.functional.cross_entropy(x.flatten(0, 1), y.flatten(), reduction="none")
    return (each * mask.flatten()).sum() / mask.sum()


@case("B T 4", "3: B")
def lengths_mask(t, x, n):
    mask = t.arange(x.shape[1])[None, :] < n[:, None]
    return (x * mask.unsqueeze(-1)).sum(1)


@case("B T 4")
def gram(t, x):
    return (x.transpose(1, 2) @ x) / x.shape[1]


@case("B T 4")
def meshgrid_bias(t, x):
    T = x.shape[1]
    i = t.arange(T)
    rel = i[:, None] - i[None, :]
    b = weight(t, 41)[rel.clamp(-20, 20) + 20]
    return x @ x.transpose(1, 2) + b


@case("B T 8")
def rope(t, x):
    T = x.shape[1]
    f = 1.0 / (10000 ** (t.arange(0, 8, 2).float() / 8))
    a = t.outer(t.arange(T).float(), f)
    c, s = a.cos(), a.sin()
    x1, x2 = x[..., ::2], x[..., 1::2]
    return t.stack([x1 * c - x2 * s, x1 * s + x2 * c], -1).flatten(-2)


@case("B T 4")
def alibi(t, x):
    T = x.shape[1]
    r = t.arange(T)
    d = -(r[None] - r[:, None]).abs().float()
    return t.softmax(x @ x.transpose(1, 2) + d, -1)


@case("B T 4")
def masked_mean(t, x):
    mask = x.sum(-1) > 0
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


@case("B T 4")
def maxpool_time(t, x):
    return x.max(dim=1).values, x.amax(1), x.transpose(1, 2).max(-1)[0]


@case("B T 4")
def adaptive_time(t, x):
    return t.nn.functional.adaptive_avg_pool1d(x.transpose(1, 2), 1).squeeze(
        -1
    ), t.nn.functional.adaptive_max_pool1d(x.transpose(1, 2), 1).squeeze(-1)


@case("B T 4")
def avg_pool_time(t, x):
    return t.nn.functional.avg_pool1d(x.transpose(1, 2), 1)


@case("B T 4")
def conv_transposed(t, x):
    c = made(t, lambda: t.nn.Conv1d(4, 4, 3, padding=1))
    b = made(t, lambda: t.nn.BatchNorm1d(4))
    return b(c(x.transpose(1, 2))).transpose(1, 2)


@case("B T 4")
def adaptive_max1(t, x):
    return t.nn.functional.adaptive_max_pool1d(x.transpose(1, 2), 1).squeeze(-1)


@case("B T 4", "4: B")
def last_valid(t, x, n):
    return x[t.arange(x.size(0)), n]


@case("B T 4")
def full_mask(t, x):
    mask = t.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)
    return t.softmax(x @ x.transpose(1, 2) + mask, -1)


@case("B T 5", "5: B T")
def sum_over_b(t, x, y):
    return t.nn.functional.cross_entropy(x.reshape(-1, 5), y.reshape(-1), reduction="sum") / x.shape[
        0
    ], x.sum() * x.shape[1]


@case("T B 4")
def lstm_h0(t, x):
    r = made(t, lambda: t.nn.LSTM(4, 5))
    h = t.zeros(1, x.shape[1], 5)
    o, _ = r(x, (h, h))
    return o[-1]


@case("B T 4", "B S 4")
def cross_attention(t, x, y):
    return t.softmax(x @ y.transpose(1, 2), -1) @ y


@case("B T 8", "B S 8")
def mha_cross(t, x, y):
    a = made(t, lambda: t.nn.MultiheadAttention(8, 2, batch_first=True))
    return a(x, y, y)[0]


@case("B T 8", "2: B T")
def key_padding(t, x, p):
    a = made(t, lambda: t.nn.MultiheadAttention(8, 2, batch_first=True))
    pad = t.cat([t.zeros(x.shape[0], 1, dtype=t.bool), (p == 1)[:, 1:]], 1)
    return a(x, x, x, key_padding_mask=pad, need_weights=False)[0]


@case("B T 4")
def posmod(t, x):
    i = t.arange(x.shape[1])
    return x * (i % 2 == 0).float()[None, :, None], x + t.sin(i / 3.0)[:, None]


@case("B T")
def arange_step(t, x):
    return x + t.arange(1, x.shape[1] + 1) / x.shape[1], x * t.arange(x.shape[1] - 1, -1, -1)


@case("B T", "3: B")
def set_at(t, x, i):
    y = x.clone()
    y[t.arange(x.shape[0]), i] = 5.0
    return y


@case("B T 4")
def tril_mul(t, x):
    return t.tril(x @ x.transpose(1, 2)), t.ones(x.shape[1], x.shape[1]).tril()


@case("B T 4")
def bool_tri(t, x):
    mask = t.ones(x.shape[1], x.shape[1], dtype=t.bool).tril()
    return t.where(mask, x @ x.transpose(1, 2), t.tensor(-1e9))
