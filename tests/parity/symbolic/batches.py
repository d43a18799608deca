"""Batches of any size."""

from __future__ import annotations

from tests.parity.symbolic.case import case, made, weight


@case("B 6")
def set_first(t, x):
    x = x.clone()
    x[:, 0] = 0
    return x


@case("B 3 4")
def view_sizes(t, x):
    return x.view(x.size(0), -1)


@case("B 4")
def zeros_rows(t, x):
    return t.cat([t.zeros(x.shape[0], 1), x], 1)


@case("B 4")
def new_zeros(t, x):
    return x.new_zeros(x.size(0), 4) + x


@case("B 4")
def mean0(t, x):
    return x - x.mean(0), x.std(0), x.var(0, unbiased=False)


@case("B 4")
def mean_size(t, x):
    return x.sum() / x.shape[0]


@case("B 4")
def numel_div(t, x):
    return x.pow(2).sum() / x.numel()


@case("5: B")
def one_hot(t, x):
    return t.nn.functional.one_hot(x, 5).float()


@case("B 4")
def expand(t, x):
    return t.ones(1, 4).expand(x.shape[0], 4) * x, t.ones(4).expand_as(x)


@case("B 4")
def repeat(t, x):
    return t.ones(1, 4).repeat(x.shape[0], 1) * x


@case("B 4")
def tile_cls(t, x):
    cls = weight(t, 1, 1, 4)
    return t.cat([cls.expand(x.shape[0], -1, -1), x.unsqueeze(1)], 1)


@case("B 3 4")
def flatten(t, x):
    return t.flatten(x, 1), x.flatten(), t.flatten(x, 0, 1)


@case("B 3 4")
def unbind(t, x):
    a, b, c = x.unbind(1)
    return a * b + c


@case("B 9")
def chunk_features(t, x):
    q, k, v = x.chunk(3, dim=-1)
    return q * k + v


@case("B 9")
def split_features(t, x):
    q, k, v = x.split([2, 3, 4], dim=1)
    return q.sum(1) + k.sum(1) + v.sum(1)


@case("N 5", "5: N")
def pick(t, x, y):
    return x[t.arange(x.shape[0]), y].mean()


@case("N 5", "5: N")
def gather(t, x, y):
    return x.gather(1, y.unsqueeze(1)).squeeze(1)


@case("N 4")
def batchnorm1(t, x):
    b = made(t, lambda: t.nn.BatchNorm1d(4))
    return b(x)


@case("B 4", "B 4")
def contrastive(t, a, b):
    s = a @ b.t()
    y = t.arange(s.shape[0])
    return t.nn.functional.cross_entropy(s, y)


@case("B 4", "B 4")
def pair_mask(t, a, b):
    s = a @ b.T
    eye = t.eye(s.shape[0], dtype=t.bool)
    return s.masked_fill(eye, 0.0).sum()


@case("B 4")
def nt_xent(t, x):
    z = t.cat([x, x * 2], 0)
    s = z @ z.T
    n = s.shape[0]
    s = s - 1e9 * t.eye(n)
    y = (t.arange(n) + n // 2) % n
    return t.nn.functional.cross_entropy(s, y)


@case("B 4")
def stack_list(t, x):
    return t.stack([x, x * 2], 1), t.cat([x, x], 0)


@case("B 4")
def step_slice(t, x):
    return x[:, ::2], x[0] + x[-1]


@case("B 4")
def cdist(t, x):
    return t.cdist(x, x), (x[:, None] - x[None]).pow(2).sum(-1)


@case("B 4")
def detach_item_free(t, x):
    return (x > 0).float().mean(), x.norm(), x.abs().max()


@case("B 4")
def assert_shape(t, x):
    assert x.shape[1] == 4 and x.dim() == 2
    B = x.shape[0]
    assert x.shape == (B, 4)
    return x * 2


@case("B 4", "M 4")
def two_sizes(t, a, b):
    return a @ b.T, t.cat([a, b], 0).mean(0)


@case("B 4", "2: B")
def where_rows(t, x, y):
    return t.where(y[:, None] > 0, x, -x), t.where((y == 1).unsqueeze(1), x, t.zeros(1))


@case("B 4")
def squeeze_any(t, x):
    return x.unsqueeze(1).squeeze(1), x[:, :1].squeeze(1)


@case("B 4")
def norm_rows(t, x):
    return x / x.norm(dim=1, keepdim=True).clamp_min(1e-6), t.nn.functional.cosine_similarity(x, x * 2, dim=1)


@case("B 4")
def bincount(t, x):
    return t.bincount(x.argmax(1), minlength=4)


@case("B 4")
def scatter_onehot(t, x):
    return t.zeros(x.shape[0], 4).scatter_(1, x.argmax(1, keepdim=True), 1.0)


@case("B 4")
def repeat_interleave(t, x):
    return x.repeat_interleave(3, 0)


@case("B 4")
def gru_cell(t, x):
    r = made(t, lambda: t.nn.GRUCell(4, 5))
    h = x.new_zeros(x.shape[0], 5)
    for _ in range(3):
        h = r(x, h)
    return h


@case("B 4")
def mixup_flip(t, x):
    return 0.3 * x + 0.7 * x.flip(0), x.roll(1, 0)


@case("B 4", "B 4")
def triplet(t, a, b):
    return t.nn.functional.triplet_margin_loss(a, b, a.flip(0)), t.nn.functional.cosine_embedding_loss(
        a, b, t.ones(a.shape[0])
    )


@case("B 1")
def bce(t, x):
    return t.nn.functional.binary_cross_entropy_with_logits(
        x, t.ones_like(x)
    ), t.nn.functional.binary_cross_entropy(t.sigmoid(x), t.zeros(x.shape[0], 1))


@case("N 4")
def knn(t, h):
    d = t.cdist(h, h)
    i = d.topk(2, largest=False).indices
    return h[i].mean(1)


@case("B 4")
def accuracy(t, x):
    y = t.arange(x.shape[0]) % 4
    return (x.argmax(-1) == y).sum() / x.shape[0], (x.argmax(1) == y).float().mean()


@case("B 6")
def setcols(t, x):
    y = t.zeros(x.shape[0], 8)
    y[:, 1:7] = x
    y[:, 7] += 1
    return y


@case("B 4")
def std_stack(t, x):
    return t.cat([x, x.mean(0, keepdim=True).expand_as(x)], 1), t.cat([x, x.std(0).repeat(x.size(0), 1)], 1)


@case("B 4")
def batch_norm_fn(t, x):
    return (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt(), t.nn.functional.batch_norm(
        x, None, None, training=True
    )


@case("B 4")
def mmd(t, x):
    d = (x[:, None] - x[None]).pow(2).sum(-1)
    k = t.exp(-d)
    n = x.shape[0]
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1))


@case("B 4")
def trace_cov(t, x):
    c = x - x.mean(0)
    return (c.T @ c) / (x.shape[0] - 1), t.trace(x.T @ x)


@case("B 4")
def prod_sizes(t, x):
    return x.reshape(x.numel()), x.view(x.nelement()), x.ravel()


@case("B 2 6")
def max_unbind(t, x):
    a, b = x[:, 0], x[:, 1]
    return t.maximum(a, b), t.stack((a, b)).sum(0), t.hstack((a, b)), t.vstack((a, b))
