"""Images of any size and number, and graphs of any number of nodes."""

from __future__ import annotations

from tests.parity.symbolic.case import case, made, weight


@case("N N", "N 4")
def adjacency(t, a, h):
    d = a.sum(1, keepdim=True).clamp(min=1)
    return (a @ h) / d


@case("N N", "N 4")
def gcn_norm(t, a, h):
    a = a.abs() + t.eye(a.shape[0])
    d = a.sum(1).pow(-0.5)
    return t.relu((d[:, None] * a * d[None, :]) @ h)


@case("N N", "N 4")
def gcn_diag(t, a, h):
    a = a.abs() + t.eye(a.size(0))
    d = t.diag(a.sum(1).rsqrt())
    return d @ a @ d @ h


@case("N N", "N 4")
def gat(t, a, h):
    s = weight(t, 4)
    e = (h @ s)[:, None] + (h @ s)[None, :]
    e = t.where(a > 0, e, t.full_like(e, -1e9))
    return t.softmax(e, 1) @ h


@case("B N N", "B N 4")
def batched_graph(t, a, h):
    return t.bmm(a, h).mean(1)


@case("4: 2 E", "N 4")
def edges(t, e, h):
    out = t.zeros_like(h)
    return out.index_add(0, e[1], h[e[0]])


@case("4: 2 E", "N 4")
def edges_scatter(t, e, h):
    out = t.zeros(h.shape[0], 4)
    return out.scatter_add(0, e[1][:, None].expand(-1, 4), h[e[0]])


@case("N 3 8 8")
def conv_pool(t, x):
    c = made(t, lambda: t.nn.Conv2d(3, 4, 3, padding=1))
    return t.nn.functional.max_pool2d(t.relu(c(x)), 2).flatten(1)


@case("N 3 8 8")
def conv_stride_adapt(t, x):
    c = made(t, lambda: t.nn.Conv2d(3, 4, 3, stride=2))
    return t.nn.functional.adaptive_avg_pool2d(c(x), 1).squeeze(-1).squeeze(-1)


@case("N 3 H W")
def conv2d_hw(t, x):
    c = made(t, lambda: t.nn.Conv2d(3, 4, 3, padding=1))
    return t.relu(c(x)).mean((2, 3))


@case("N 3 8 8")
def interpolate(t, x):
    return t.nn.functional.interpolate(x, scale_factor=2, mode="nearest"), t.nn.functional.interpolate(
        x, size=(5, 5), mode="bilinear", align_corners=False
    )


@case("N 4 6 6")
def groupnorm(t, x):
    return t.nn.GroupNorm(2, 4)(x), t.nn.InstanceNorm2d(4)(x)


@case("B 1 28 28")
def patches(t, x):
    B, C, H, W = x.shape
    p = x.reshape(B, C, H // 7, 7, W // 7, 7).permute(0, 2, 4, 1, 3, 5).reshape(B, 16, -1)
    return p.mean(-1)


@case("B 3 8 8")
def unfold(t, x):
    return t.nn.functional.unfold(x, 2, stride=2)


@case("B 3 8 8")
def pixel_shuffle(t, x):
    c = made(t, lambda: t.nn.Conv2d(3, 4, 1))
    return t.nn.functional.pixel_shuffle(c(x), 2)


@case("B 3 H W")
def gap(t, x):
    return t.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1), x.mean([2, 3])


@case("B 3 H W")
def adaptive_max2(t, x):
    return t.nn.functional.adaptive_max_pool2d(x, 1).flatten(1)


@case("B 8 4 4")
def convt(t, x):
    c = made(t, lambda: t.nn.ConvTranspose2d(8, 3, 4, 2, 1))
    return t.tanh(c(x))


@case("B 2 8 8")
def unet(t, x):
    a, b, u = (
        made(t, f)
        for f in (
            lambda: t.nn.Conv2d(2, 4, 3, padding=1),
            lambda: t.nn.Conv2d(4, 4, 3, padding=1),
            lambda: t.nn.Upsample(scale_factor=2),
        )
    )
    e = t.relu(a(x))
    d = t.relu(b(t.nn.functional.max_pool2d(e, 2)))
    return t.cat([u(d), e], 1)


@case("B 3 8 8")
def vit(t, x):
    c = made(t, lambda: t.nn.Conv2d(3, 8, 4, 4))
    p = c(x).flatten(2).transpose(1, 2)
    cls = weight(t, 1, 1, 8).expand(p.size(0), -1, -1)
    z = t.cat((cls, p), 1) + weight(t, 1, 5, 8)
    return z[:, 0]


@case("B 3 8 8")
def se(t, x):
    return x * t.sigmoid(x.mean((2, 3), keepdim=True))


@case("N N", "N 4")
def cheb(t, a, h):
    lap = t.eye(a.size(0)) - a
    return h + lap @ h + (2 * lap @ lap - t.eye(h.shape[0])) @ h


@case("N N", "N 4")
def selfloops(t, a, h):
    a = a.clone()
    a.fill_diagonal_(1.0)
    return a @ h
