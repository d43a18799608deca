"""Recurrent layers, windows, losses and reshapes over sentences of any length."""

from __future__ import annotations

from tests.parity.symbolic.case import case, made, weight


@case("T B 4")
def rnn(t, x):
    r = made(t, lambda: t.nn.RNN(4, 5))
    return r(x)[0].sum(0)


@case("T B 4")
def lstm(t, x):
    r = made(t, lambda: t.nn.LSTM(4, 5, num_layers=2))
    o, (h, c) = r(x)
    return o, h, c


@case("B T 4")
def gru_bf_bi(t, x):
    r = made(t, lambda: t.nn.GRU(4, 5, batch_first=True, bidirectional=True))
    return r(x)[0]


@case("B T 4")
def last_step(t, x):
    r = made(t, lambda: t.nn.GRU(4, 5, batch_first=True))
    return r(x)[0][:, -1]


@case("B T")
def set_first_row(t, x):
    x = x.clone()
    x[0] = 1.0
    x[:, -1] = 2.0
    return x


@case("B T")
def set_slice(t, x):
    x = x.clone()
    x[:, 1:] = x[:, :-1] * 2
    return x


@case("B T")
def mul_slice(t, x):
    x = x.clone()
    x[:, 1:] *= 2
    x[1:] += 1
    return x


@case("B T 4")
def reshape_rows(t, x):
    return x.reshape(-1, 4) @ weight(t, 4, 4)


@case("B T 4")
def view_bt(t, x):
    B, T, F = x.shape
    return x.view(B * T, F).sum(1).view(B, T)


@case("B T 4")
def reshape_back(t, x):
    y = x.reshape(-1, 4) @ weight(t, 4, 6)
    return y.reshape(x.shape[0], -1, 6)


@case("N T 5", "5: N T")
def ce_reshaped(t, x, y):
    return t.nn.functional.cross_entropy(
        x.reshape(x.shape[0] * x.shape[1], x.shape[2]), y.reshape(x.shape[0] * x.shape[1])
    )


@case("N T 5", "5: N T")
def ce_view(t, x, y):
    return t.nn.functional.cross_entropy(x.view(-1, x.size(-1)), y.view(-1))


@case("N T 5", "5: N T")
def ce_shift(t, x, y):
    return t.nn.functional.cross_entropy(x[:, :-1].reshape(-1, 5), y[:, 1:].reshape(-1))


@case("N T 4", "N T 4")
def einsum(t, a, b):
    return t.einsum("ntd,nsd->nts", a, b), t.einsum("ntd,ntd->", a, b)


@case("N T 4")
def pad_time(t, x):
    return t.nn.functional.pad(x, (0, 0, 1, 0))[:, :-1]


@case("N T 4")
def shift_cat(t, x):
    return t.cat([t.zeros_like(x[:, :1]), x[:, :-1]], 1)


@case("N 4 T")
def conv1d_time(t, x):
    c = made(t, lambda: t.nn.Conv1d(4, 5, 3, padding=1))
    return c(x).mean(2)


@case("N 4 T")
def conv1d_causal(t, x):
    c = made(t, lambda: t.nn.Conv1d(4, 5, 3, dilation=2))
    return c(t.nn.functional.pad(x, (4, 0)))


@case("N T 4")
def layernorm(t, x):
    return t.nn.LayerNorm(4)(x), t.nn.functional.normalize(x, dim=-1)


@case("B T 4")
def cumsum(t, x):
    return x.cumsum(1), x.flip(1), t.roll(x, 1, 1)


@case("B T")
def softmaxes(t, x):
    return t.log_softmax(x, 1), x.max(1)[0], x.argmax(1), x.logsumexp(1)


@case("B T")
def topk(t, x):
    return x.topk(2, 1).values, x.sort(1).values


@case("B T 4")
def size_arith(t, x):
    b, n, f = x.size()
    return x.reshape(b * n, f).view(b, n * f)


@case("B T 4")
def heads(t, x):
    b, n, f = x.shape
    return x.view(b, n, 2, f // 2).permute(0, 2, 1, 3).contiguous().view(b * 2, n, f // 2)


@case("B T 4")
def loop_over_features(t, x):
    o = 0
    for k in range(x.shape[2]):
        o = o + x[:, :, k] * k
    return o


@case("B T 4")
def swapaxes(t, x):
    return x.swapaxes(0, 1), x.movedim(-1, 0), x.permute(2, 0, 1)


@case("B T 4")
def split_time(t, x):
    return x[:, :1], x[:, 1:] - x[:, :-1], x[:, -1:]


@case("T 4")
def scan_rows(t, x):
    return t.cumsum(x, 0), x - x.mean(), t.softmax(x, 0)


@case("B 4 T")
def maxpool_whole(t, x):
    return t.nn.functional.max_pool1d(x, x.shape[2]).squeeze(2)


@case("B 3 T")
def mean02(t, x):
    return x.mean(dim=(0, 2)), x.var(dim=(0, 2), unbiased=False)


@case("B T 4", "4: B")
def last_valid_gather(t, x, n):
    return x.gather(1, n.view(-1, 1, 1).expand(-1, 1, x.size(2))).squeeze(1)


@case("B T 4")
def concat_time(t, x):
    return t.cat([x[:, -1:], x[:, :-1]], 1), t.cat([x, t.zeros(x.shape[0], 2, 4)], 1)


@case("B T 4")
def layer_scan(t, x):
    return t.nn.functional.glu(t.cat([x, x], -1)), t.nn.functional.gelu(x), t.nn.functional.softplus(x)


@case("B T 4")
def einops_like(t, x):
    B, T, D = x.shape
    return (
        x.reshape(B, T, 2, D // 2)
        .permute(0, 2, 1, 3)
        .reshape(B * 2, T, D // 2)
        .reshape(B, 2, T, D // 2)
        .permute(0, 2, 1, 3)
        .flatten(2)
    )


@case("B T 4")
def window_pairs(t, x):
    return t.stack([x[:, :-1], x[:, 1:]], 2)


@case("B T")
def where_set(t, x):
    y = x.clone()
    y[y < 0] = 0.0
    return y


@case("B T 4")
def ragged_pad(t, x):
    return (
        t.nn.functional.pad(x, (1, 1)),
        t.nn.functional.pad(x, (0, 0, 2, 1)),
        t.nn.functional.pad(x, (0, 0, 0, 0, 1, 0)),
    )
