"""Random programs over the public functions, in one text for lenetc and for PyTorch.

Every value is a matrix f64[3,4]; every expression gives one from one or two, so that any may follow any. `t` is the
library and `F` its nn.functional. What could grow is bounded, so that rounding does not; steps are
beside 0 and 1, where many values are.
"""

from __future__ import annotations

import random
from types import CodeType
from typing import Any

import numpy as np

ROWS, COLUMNS = 3, 4
_UNARY = """
    x.neg().exp().tanh() | x.abs().log1p() | (x * x + 0.5).sqrt() | (x * x + 0.5).rsqrt() | x.expm1().tanh()
    x.sin() | x.cos() | x.tan().tanh() | (x.tanh() * 0.9).asin() | (x.tanh() * 0.9).acos() | x.atan()
    x.sinh().tanh() | x.erf() | x.erfc() | (x.tanh() * 0.9).erfinv() | x.asinh() | (x * x + 1.5).acosh()
    (x.tanh() * 0.9).atanh() | (x.abs() + 0.5).lgamma() | (x.abs() + 0.5).digamma() | t.sinc(x)
    (x * 0.9 + 0.05).frac()
    t.logit(x.sigmoid()) | (x * x + 0.5).log2() | (x * x + 0.5).log10() | x.exp2().tanh()
    t.xlogy(x, x * x + 0.5) | x.clamp(-0.7, 0.8) | F.relu(x) | F.relu6(x * 3) | F.leaky_relu(x, 0.2) | F.elu(x)
    F.celu(x, 0.7) | F.selu(x) | F.gelu(x) | F.silu(x) | F.gelu(x, approximate='tanh') | F.mish(x) | F.softplus(x)
    F.logsigmoid(x) | F.hardswish(x) | F.hardsigmoid(x) | F.hardtanh(x) | F.softsign(x) | F.tanhshrink(x)
    F.softshrink(x, 0.3) | F.hardshrink(x, 0.3) | F.threshold(x, 0.1, -0.2) | F.softmax(x, 1)
    F.log_softmax(x, 0) | F.softmin(x, 0) | F.glu(t.cat([x, x.cos()], 1)) | F.normalize(x, dim=1)
    F.layer_norm(x, (4,)) | F.rms_norm(x, (4,)) | F.group_norm(x.reshape(1, 4, 3), 2).reshape(3, 4)
    F.instance_norm(x[None])[0] | F.batch_norm(x, None, None, training=True)
    F.local_response_norm(x[None], 3)[0] | x.cumsum(0).tanh() | x.tanh().cumprod(1) | x.cummax(1).values
    x.cummin(0).values | x.logcumsumexp(1) | x.sort(1).values | x.sort(0, descending=True).values
    x.topk(4, 1).values | x.kthvalue(2, 1, keepdim=True).values + x * 0 | x.median(1, keepdim=True).values * x
    x.amax(0, keepdim=True) - x | x.amin(1, keepdim=True) + x | x - x.mean(1, keepdim=True)
    x.var(0, keepdim=True).tanh() + x | x.std(1, keepdim=True) * x.tanh() | x.logsumexp(1, keepdim=True) - x
    x.norm(dim=1, keepdim=True) + x | t.linalg.vector_norm(x, 3, dim=0, keepdim=True) * x.tanh()
    x.tanh().prod(0) + x | x.max(1, keepdim=True).values + x.min(0).values | t.linalg.matrix_norm(x).tanh() * x
    x.T.reshape(3, 4) | x.roll(1, 0) | x.flip(1) | x.rot90(2) | x.t().contiguous().t() | x.unsqueeze(1).squeeze(1)
    x.triu() | x.tril(1) | x.diagonal().diag_embed(0)[:, :3].repeat(1, 2)[:, :4] + x | t.cat([x[1:], x[:1]])
    t.stack([x[0], x[2], x[1]]) | t.cat(x.chunk(2, 1)[::-1], 1) | t.cat(x.split([1, 3], 1), 1)
    t.stack(x.unbind(0)[::-1]) | x.movedim(0, 1).reshape(3, 4) | x.repeat_interleave(2, 0)[::2]
    x.expand(2, 3, 4).sum(0) | x.narrow(1, 0, 2).repeat(1, 2) | x.tile(2, 1)[:3] | x.gather(1, i)
    x.scatter(1, i, x.sin()) | x.scatter_add(0, i[:, :4] % 3, x * 0.5) | x.index_select(0, r) | x[r]
    x.index_add(0, r, x * 0.5) | x.index_copy(0, r, x.cos()) | x.index_fill(1, r, 0.3)
    x[:, r].sum(1, keepdim=True).tanh() + x | x.take_along_dim(i, 1) | x.masked_fill(x > 0.2, 0.1)
    t.where(x > 0, x.sin(), x.cos()) | x.lerp(x.cos(), 0.3) | F.pad(x[None], (1, 1), mode='reflect')[0][:, 1:5]
    F.pad(x[None], (1, 1), mode='circular')[0][:, :4] | F.pad(x[None], (2, 0), mode='replicate')[0][:, :4]
    F.conv1d(x[None], k, padding=1)[0].tanh() | F.conv_transpose1d(x[None], k, padding=1)[0].tanh()
    F.max_pool1d(x[None], 3, 1, 1)[0] | F.avg_pool1d(x[None], 3, 1, 1)[0]
    F.adaptive_avg_pool1d(x[None], 2)[0].repeat(1, 2) | F.adaptive_max_pool1d(x[None], 4)[0]
    F.interpolate(x[None], size=8, mode='linear')[0][:, ::2] | F.interpolate(x[None], scale_factor=2)[0][:, 1::2]
    F.unfold(x[None, None], (3, 1))[0].reshape(3, 4) | F.dropout(x, 0.0) | x.softmax(0).log() * 0.1
    t.nan_to_num(x) | F.one_hot(i, 4).double().sum(1) * 0.1 + x | t.heaviside(x.detach(), x.detach() * 0) * x
    x.sgn() * x | x.square().tanh() | -x.reciprocal().tanh()
"""
_BINARY = """
    x + y * 0.5 | x - y | x * y.tanh() | x / (y * y + 0.5) | (x * x + 0.5) ** y.tanh() | t.maximum(x, y)
    t.minimum(x, y) | t.atan2(x, y * y + 0.5) | t.hypot(x, y + 0.1) | t.logaddexp(x, y) | t.fmax(x, y)
    t.copysign(x, y + 0.03) | t.remainder(x, y * y + 0.7) | t.where(y > 0.1, x, y) | (x.tanh() @ y.T).softmax(1) @ x
    t.einsum('ij,kj->ik', x.tanh(), y.tanh()) @ y * 0.3 | t.addcmul(x, y.tanh(), x.tanh(), value=0.3)
    t.addcdiv(x, y, y * y + 1.0, value=0.3) | x.lerp(y, y.sigmoid())
    F.scaled_dot_product_attention(x[None], y[None], x[None])[0] | F.bilinear(x, y, b).tanh()
    x.clamp(min=-y.abs()) | t.cat([x[:2], y[2:]]) | t.stack([x, y]).mean(0)
    t.outer(x[0].tanh(), y[1].tanh())[:3] | x.scatter(1, i, y) | F.smooth_l1_loss(x, y, reduction='none')
    F.huber_loss(x, y, reduction='none').tanh() | F.mse_loss(x, y) + x
    F.kl_div(F.log_softmax(x, 1), F.softmax(y, 1), reduction='none') | F.cosine_similarity(x, y, 1)[:, None] * x
    F.binary_cross_entropy_with_logits(x, y.sigmoid(), reduction='none')
    F.pairwise_distance(x, y)[:, None].tanh() * y | t.cdist(x, y + 3.0).tanh() @ x * 0.2
    t.baddbmm(x[None], x.tanh()[None], (y.T @ y).tanh()[None])[0] * 0.3 | F.prelu(x, y[0, :1])
    t.tensordot(x.tanh(), y.tanh(), ([0], [0]))[:3] | x.index_put((r,), y) | x.sort(1).values * y.tanh()
"""


def _expressions(text: str) -> list[str]:
    return [part.strip() for line in text.strip().splitlines() for part in line.split("|") if part.strip()]


UNARY, BINARY = _expressions(_UNARY), _expressions(_BINARY)
_COMPILED: dict[str, CodeType] = {text: compile(text, text, "eval") for text in (*UNARY, *BINARY)}


def draw(seed: int) -> list[tuple[str, int, int]]:
    """A program of 5 to 40 steps: (expression, operand, other operand), values counted from the two inputs on."""
    rng = random.Random(seed)
    steps = []
    for n in range(2, 2 + rng.randint(5, 40)):
        text = rng.choice(UNARY if rng.random() < 0.6 else BINARY)
        # The latest value half of the time, so that programs are deep as well as wide.
        x = n - 1 if rng.random() < 0.5 else rng.randrange(n)
        steps.append((text, x, rng.randrange(n)))
    return steps


def arrays(seed: int) -> list[np.ndarray[Any, Any]]:
    return list(np.random.default_rng(seed).standard_normal((2, ROWS, COLUMNS)))


def run(t: Any, program: list[tuple[str, int, int]], inputs: list[Any], array: Any) -> Any:
    """The sum of all values that no step reads, each weighed by its place. array: makes a tensor of an array."""
    rng = np.random.default_rng(0)
    scope: dict[str, Any] = {
        "t": t,
        "F": t.nn.functional,
        "i": array(rng.integers(0, 3, (ROWS, COLUMNS)).argsort(1)),
        "r": array(np.array([2, 0, 1])),
        "k": array(rng.standard_normal((ROWS, ROWS, 3)) * 0.3),
        "b": array(rng.standard_normal((COLUMNS, COLUMNS, COLUMNS)) * 0.2),
    }
    values = list(inputs)
    for text, x, y in program:
        values.append(eval(_COMPILED[text], {**scope, "x": values[x], "y": values[y]}))
    read = {i for _, x, y in program for i in (x, y)}
    return sum((values[i].tanh().sum() * (1 + i % 3) for i in range(len(values)) if i not in read), 0.0)
