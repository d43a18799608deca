"""Functions x sizes of 0: values, shapes, errors and gradients are PyTorch's, lazily and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lenetc
from tests.parity.kinds.alike import check_all

SHAPES = [(0,), (0, 3), (3, 0), (2, 0, 3)]

ANY = [
    *("x.prod()", "x.prod(0)", "x.prod(-1)", "x.argmin()", "x.argmin(-1)", "t.prod(x, -1, True)"),
    *(
        "x + x",
        "x * x",
        "x / 2",
        "x == x",
        "x < x",
        "x ** 2",
        "t.maximum(x, x)",
        "abs(x)",
        "x.exp()",
        "x.sqrt()",
    ),
    *(
        "x.tanh()",
        "x.sigmoid()",
        "x.floor()",
        "x.reciprocal()",
        "x.clamp(0, 1)",
        "x.clone()",
        "x.logical_not()",
    ),
    *("F.relu(x)", "t.where(x > 0, x, x)", "t.where(x > 0, x, 1)", "x.float()", "x.long()", "x.bool()"),
    *(
        "x.sum()",
        "x.sum(0)",
        "x.sum(-1)",
        "x.mean()",
        "x.mean(0)",
        "x.mean(-1)",
        "x.var()",
        "x.var(0)",
        "x.std(-1)",
    ),
    *("x.norm()", "x.norm(1, -1)", "x.norm(2, 0)", "x.norm(inf)", "x.norm(inf, -1)", "x.max()", "x.max(0)"),
    *("x.max(-1)", "x.min()", "x.min(-1)", "x.amax()", "x.amax(0)", "x.amax(-1)", "x.amin(-1)", "x.argmax()"),
    *("x.argmax(0)", "x.argmax(-1)", "x.all()", "x.any(0)", "x.all(-1)", "t.equal(x, x)", "t.allclose(x, x)"),
    *(
        "x.view(-1)",
        "x.view(0, -1)",
        "x.reshape(0)",
        "x.reshape(0, 5)",
        "x.reshape(5)",
        "x.flatten()",
        "x.squeeze()",
    ),
    *(
        "x.unsqueeze(0)",
        "x.T",
        "x.transpose(0, -1)",
        "x.expand_as(x)",
        "x.expand(2, *x.shape)",
        "t.cat([x, x])",
    ),
    *(
        "t.cat([x, x], -1)",
        "t.stack([x, x])",
        "x.split(1)",
        "x.split(1, -1)",
        "x.split(0)",
        "x.chunk(2)",
        "x.tril()",
    ),
    *(
        "x[:]",
        "x[0:0]",
        "x[1:]",
        "x[0]",
        "x[-1]",
        "x[..., 0]",
        "x[[]]",
        "x[None]",
        "list(x)",
        "len(x)",
        "x.numel()",
    ),
    *("x.gather(0, t.zeros(x.shape, dtype=t.int64))", "x.index_select(0, t.zeros(0, dtype=t.int64))"),
    *("x.index_select(0, t.tensor([0]))", "x.index_select(-1, t.zeros(0, dtype=t.int64))"),
    *("F.pad(x, (1, 1))", "F.pad(x, (0, 2), value=3)", "x @ x.transpose(0, -1)", "x.tolist()", "x.item()"),
    *("x.fill_(3); x", "x.add_(1); x", "x[:] = 1; x", "x[0:0] = 5; x", "x[x > 0] = 1; x", "x[[]] = 1; x"),
    *(
        "t.zeros_like(x)",
        "t.full_like(x, 2)",
        "t.tensor(x.tolist())",
        "F.one_hot(x.long())",
        "F.one_hot(x.long(), 3)",
    ),
    *(
        "F.embedding(x.long(), t.ones(3, 2))",
        "F.embedding(x.long(), t.ones(0, 2))",
        "x.long().min()",
        "x.long() & 1",
    ),
]
FLOATS = [
    *(
        "F.softmax(x, -1)",
        "F.softmax(x, 0)",
        "F.log_softmax(x, -1)",
        "F.gelu(x)",
        "F.softplus(x)",
        "F.normalize(x, dim=0)",
    ),
    *("F.mse_loss(x, x)", "F.mse_loss(x, x, reduction='sum')", "F.l1_loss(x, x)", "F.huber_loss(x, x)"),
    *("F.binary_cross_entropy_with_logits(x, x)", "F.layer_norm(x, x.shape[-1:])", "F.dropout(x, 0.5)"),
    *(
        "F.linear(x, t.ones(4, x.shape[-1]))",
        "F.linear(x, t.ones(4, x.shape[-1]), t.ones(4))",
        "t.lerp(x, x, 0.5)",
    ),
    *("F.linear(x, t.ones(0, x.shape[-1]))", "x @ t.ones(x.shape[-1])", "x @ t.ones(x.shape[-1], 2)"),
]
FIXED = [
    *("F.conv2d(t.ones(0, 2, 5, 5), t.ones(3, 2, 3, 3))", "F.conv2d(t.ones(1, 2, 0, 5), t.ones(3, 2, 3, 3))"),
    *(
        "F.conv2d(t.ones(0, 2, 5, 5), t.ones(3, 2, 3, 3), t.ones(3), 2, 1)",
        "F.max_pool2d(t.ones(0, 2, 4, 4), 2)",
    ),
    *("F.conv2d(t.ones(1, 2, 5, 5), t.ones(0, 2, 3, 3))", "F.max_pool2d(t.ones(2, 0, 4, 4), 2)"),
    *(
        "F.avg_pool2d(t.ones(0, 2, 4, 4), 2)",
        "F.avg_pool2d(t.ones(2, 2, 0, 4), 2)",
        "F.pad(t.ones(0, 2, 4, 4), (1, 1))",
    ),
    *("F.adaptive_avg_pool2d(t.ones(0, 2, 4, 4), 2)", "F.adaptive_avg_pool2d(t.ones(0, 2, 4, 4), 1)"),
    *(
        "F.batch_norm(t.ones(0, 2, 4, 4), t.zeros(2), t.ones(2))",
        "F.batch_norm(t.ones(0, 2), t.zeros(2), t.ones(2), training=True)",
    ),
    *(
        "F.cross_entropy(t.ones(0, 3), t.zeros(0, dtype=t.int64))",
        "F.cross_entropy(t.ones(0, 3), t.zeros(0, 3))",
    ),
    *(
        "F.cross_entropy(t.ones(0, 3), t.zeros(0, dtype=t.int64), reduction='sum')",
        "t.ones(0, 3) @ t.ones(3, 0)",
    ),
    *(
        "F.cross_entropy(t.ones(0, 3), t.zeros(0, dtype=t.int64), label_smoothing=0.1)",
        "t.ones(3, 0) @ t.ones(0, 3)",
    ),
    *("F.nll_loss(t.ones(0, 3, 2), t.zeros(0, 2, dtype=t.int64))", "t.ones(2, 0, 3) @ t.ones(3, 2)"),
    *(
        "t.ones(2, 3, 0) @ t.ones(2, 0, 3)",
        "t.cat([t.ones(0), t.ones(2, 3)])",
        "t.cat([t.ones(2, 0), t.ones(2, 3)], 1)",
    ),
    *(
        "t.arange(0)",
        "t.eye(0)",
        "t.linspace(0, 1, 0)",
        "t.rand(0, 3)",
        "t.randint(3, (0, 2))",
        "t.tensor([[], []])",
    ),
    *("t.zeros(1, 3).expand(0, 3)", "t.ones(2, 0).max(1)", "t.ones(0, 2).max(1)", "t.ones(1).var()"),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["f32", "i64", "bool", "u8"])
def test_values(shape: tuple[int, ...], dtype: str) -> None:
    refused = {"x @ x.transpose(0, -1)"} if dtype == "bool" and len(shape) == 2 else set()
    codes = [code for code in ANY if dtype != "bool" or "tril" not in code]
    check_all(codes, {"x": (np.zeros(shape), dtype)}, refused)
    if dtype == "f32":
        check_all(FLOATS, {"x": (np.zeros(shape), dtype)})


def test_values_of_fixed_shapes() -> None:
    check_all(FIXED, {})


CONSTANT = (
    "floor",
    "==",
    "<",
    "logical_not",
    "argmax",
    "long",
    "bool",
    "all",
    "any",
    "equal",
    "one_hot",
    "embedding",
)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients(shape: tuple[int, ...]) -> None:
    codes = [
        c
        for c in (*ANY, *FLOATS)
        if not any(word in c for word in (*CONSTANT, ";", "list", "len", "numel", "item"))
    ]
    tail = "; (y if isinstance(y, t.Tensor) else y[0]).sum().backward(); x.grad"
    check_all([f"y = {code}{tail}" for code in codes], {"x": (np.zeros(shape), "f32")}, grad=True)


COMPILED = [
    code
    for code in ANY
    if not any(
        word in code
        for word in (";", "list", "len", "item", "equal", "allclose", "numel", "one_hot(x.long())", "[0, -1]")
    )
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_compiled(shape: tuple[int, ...]) -> None:
    """What it is uncompiled: the value, or the error."""
    failures = []
    for code in (*COMPILED, *FLOATS):
        if "dropout" in code or ".reshape(5)" in code:
            continue
        space = {"t": lenetc, "F": lenetc.nn.functional, "inf": np.inf}
        function = eval(f"lambda x: {code}", space)
        x = lenetc.zeros(shape)
        expected = outcome(function, x)
        found = outcome(lenetc.compile(function), x)
        if str(found) != str(expected):
            failures.append(f"{code}: {found} for {expected}")
    assert not failures, "\n".join(failures)


def outcome(function: Any, x: Any) -> Any:
    try:
        found = function(x)
    except (lenetc.nn.functional.LabelError, RuntimeError, ValueError, IndexError, TypeError) as error:
        return type(error)
    parts = found if isinstance(found, (tuple, list)) else [found]
    return [(p.dtype, tuple(p.shape), p.tolist()) if isinstance(p, lenetc.Tensor) else p for p in parts]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_a_training_step_on_no_samples(kind: str, compiled: bool) -> None:
    """And one on some, with a parameter that has no elements."""
    found = []
    for library in (lenetc, torch):
        nn, F = library.nn, library.nn.functional
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
        with library.no_grad():
            for i, p in enumerate(net.parameters()):
                p.copy_(library.arange(float(p.numel())).reshape(p.shape) * 0.01 * (i + 1))
        nothing = nn.Parameter(library.zeros(0, 3))
        optimizer = getattr(library.optim, kind)([*net.parameters(), nothing], lr=0.1)

        def step(
            x: Any, y: Any, net: Any = net, optimizer: Any = optimizer, F: Any = F, nothing: Any = nothing
        ) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y, reduction="sum") + nothing.sum()
            loss.backward()
            optimizer.step()
            return loss

        run = lenetc.compile(step) if compiled and library is lenetc else step
        losses = []
        for batch in (0, 2, 0):
            x = library.arange(float(batch * 36)).reshape(batch, 1, 6, 6) * 0.01
            losses.append(float(run(x, library.zeros(batch, dtype=library.int64)).detach()))
        found.append((losses, [p.detach().numpy() for p in [*net.parameters(), nothing]]))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4)
    for mine, theirs in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
