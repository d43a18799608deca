"""Mixed precision on the CPU: what each function's result is, by its dtype and values, is PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lenetc
from tests.parity.kinds.alike import name_of

# x and y: [2,2,4,4], m and n: [3,3], v: [3], i: integers [3]; each in f32 and in bf16.
ROWS = """
m @ n; t.matmul(m, n); t.mm(m, n); t.addmm(m, m, n); F.linear(m, n, v); F.linear(v, n); t.bmm(x[0], y[0])
t.baddbmm(x[0], x[0], y[0]); t.addbmm(x[0, 0], x[0], y[0]); t.mv(m, v); t.addmv(v, m, v); t.dot(v, v); t.outer(v, v)
t.einsum("ij,jk->ik", m, n); t.tensordot(m, n, 1); t.linalg.vecdot(m, n); t.linalg.multi_dot([m, n, m])
F.conv1d(x[0], y[0]); F.conv2d(x, y); F.conv_transpose2d(x, y); F.prelu(x, v[:1])
F.scaled_dot_product_attention(x, y, y); F.bilinear(m, n, t.ones(2, 3, 3, dtype=m.dtype))
t.exp(m); t.log(m.abs() + 1); m ** 2; t.softmax(m, 0); F.log_softmax(m, 1); m.sum(); m.mean(0); m.norm(); m.cumsum(0)
t.logsumexp(m, 0); F.softplus(m); F.gelu(m); F.relu(m); m.var(0); t.prod(m, 0); m.trace(); F.cosine_similarity(m, n)
F.layer_norm(m, (3,), v, v); F.group_norm(x, 1); F.batch_norm(x, v[:2], v[:2].abs(), None, None, False)
F.mse_loss(m, n); F.l1_loss(m, n); F.smooth_l1_loss(m, n); F.huber_loss(m, n); F.cross_entropy(m, i)
F.nll_loss(m, i); F.kl_div(m, n.abs(), reduction="sum"); F.binary_cross_entropy_with_logits(m, n.abs().clamp(max=1))
F.binary_cross_entropy(m.sigmoid(), n.abs().clamp(max=1)); F.poisson_nll_loss(m, n); F.multi_margin_loss(m, i)
F.hinge_embedding_loss(m, n.sign()); F.triplet_margin_loss(m, n, m + 1); F.soft_margin_loss(m, n.sign())
F.gaussian_nll_loss(m, n, m.abs() + 1); t.cdist(m, n); F.max_pool2d(x, 2); F.avg_pool2d(x, 2); F.avg_pool3d(x, 2)
F.adaptive_avg_pool2d(x, 1); F.adaptive_avg_pool3d(x, 1); F.interpolate(x, scale_factor=2)
F.interpolate(x, scale_factor=2, mode="bilinear"); F.grid_sample(x, t.zeros(2, 1, 1, 2), align_corners=False)
F.layer_norm(m, (3,), v.float(), v.float()); F.group_norm(x, 1, v[:2].float())
F.instance_norm(x, None, None, v[:2].float())
F.batch_norm(x, v[:2].float(), v[:2].float().abs(), v[:2].float(), None, True)
F.batch_norm(x, v[:2].float(), v[:2].float().abs())
t.cat([m, n.float()]); t.stack([m, n.float()]); t.linalg.inv(m + 4 * t.eye(3)); t.quantile(m, 0.5)
t.atan2(m, n); t.addcmul(m, m, n); m + n.float(); m * 2; t.where(m > 0, m, n)
t.nn.functional.embedding(i, m); m.double() @ n.double(); F.pad(x, (1, 1, 1, 1), mode="reflect"); t.linalg.norm(m)
""".replace("\n", ";")


def values(library: Any, code: str, dtype: str) -> Any:
    rng = np.random.default_rng(3)
    shapes = {"x": (2, 2, 4, 4), "y": (2, 2, 4, 4), "m": (3, 3), "n": (3, 3), "v": (3,)}
    names: dict[str, Any] = {
        name: library.tensor(rng.standard_normal(shape).astype(np.float32)).to(getattr(library, dtype))
        for name, shape in shapes.items()
    }
    names |= {"t": library, "F": library.nn.functional, "i": library.tensor([0, 2, 1])}
    with library.autocast("cpu"):
        try:
            return eval(code, names)
        except (RuntimeError, TypeError, ValueError) as error:
            return error


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_functions_give_within_it(dtype: str) -> None:
    codes = [code.strip() for code in ROWS.split(";") if code.strip()]
    expected, found = ([values(lib, code, dtype) for code in codes] for lib in (torch, lenetc))
    wrong = []
    for code, theirs, mine in zip(codes, expected, found, strict=True):
        if isinstance(theirs, Exception):
            if not isinstance(mine, Exception):
                wrong.append(f"{code}: {mine.dtype} where PyTorch raises {theirs}")
        elif isinstance(mine, Exception):
            wrong.append(f"{code}: {mine}")
        elif mine.dtype is not getattr(lenetc, str(theirs.dtype).removeprefix("torch.")):
            wrong.append(f"{code}: {mine.dtype}, PyTorch has {theirs.dtype}")
        elif dtype == "float32":  # of halves it would take long to compute them all
            a, b = mine.detach().float().numpy(), theirs.detach().float().numpy()
            if not np.allclose(a, b, 2e-2, 2e-2, equal_nan=True):
                wrong.append(f"{code}: {a} where PyTorch has {b}")
    assert not wrong, "\n".join(wrong)


MODULES = """
nn.LSTM(4, 4, 2, bidirectional=True); nn.GRU(4, 4); nn.RNN(4, 4); nn.LSTMCell(4, 4); nn.GRUCell(4, 4); nn.RNNCell(4, 4)
nn.Sequential(nn.Linear(4, 4), nn.LSTM(4, 4)); nn.Sequential(nn.Linear(4, 4), nn.GRU(4, 4)); nn.MultiheadAttention(4, 2)
nn.TransformerEncoderLayer(4, 2, 8); nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.GELU(), nn.PReLU())
nn.Sequential(nn.Conv1d(3, 2, 1), nn.BatchNorm1d(2), nn.ReLU())
""".replace("\n", ";")


def modules(t: Any) -> dict[str, list[str]]:
    """The dtypes of what modules give and of the gradients of their parameters."""
    found = {}
    for code in filter(None, map(str.strip, MODULES.split(";"))):
        net = eval(code, {"nn": t.nn})
        x = t.ones(3, 4) if "Cell" in code else t.ones(2, 3, 4)
        with t.autocast("cpu"):
            result = net(*[x] * (3 if "Multihead" in code else 1))
        tensors = [result]
        while any(isinstance(part, tuple) for part in tensors):
            tensors = [x for part in tensors for x in (part if isinstance(part, tuple) else (part,))]
        sum(part.float().sum() for part in tensors).backward()
        found[code] = [name_of(x.dtype) for x in (*tensors, *(p.grad for p in net.parameters()))]
    return found


def test_modules() -> None:
    assert modules(lenetc) == modules(torch)


def told(t: Any) -> list[Any]:
    """What the modes of nested blocks are, and what a product is in them."""
    found: list[Any] = []

    def tell() -> None:
        product = t.ones(2, 2) @ t.ones(2, 2)
        found.append(
            [
                t.is_autocast_enabled("cpu"),
                t.is_autocast_enabled(),
                t.get_autocast_dtype("cpu"),
                product.dtype,
            ]
        )

    @t.autocast("cpu", dtype=t.float16)
    def decorated() -> None:
        tell()
        with t.autocast("cpu"):
            tell()
        with t.amp.autocast("cpu", enabled=False):
            tell()
            with t.autocast("cpu", dtype=t.bfloat16):
                tell()

    tell()
    decorated()
    t.set_autocast_enabled("cpu", True)
    tell()
    t.set_autocast_enabled("cpu", False)
    with pytest.warns(UserWarning, match="Disabling autocast"), t.autocast("cpu", dtype=t.float32):
        tell()
    tell()
    return [[str(x).rpartition(".")[2] if isinstance(x, t.dtype) else x for x in row] for row in found]


def test_modes() -> None:
    names = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}
    assert [[names.get(x, x) for x in row] for row in told(lenetc)] == told(torch)
