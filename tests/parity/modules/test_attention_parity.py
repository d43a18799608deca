"""Attention and transformers against live PyTorch: outputs, weights and gradients, under every kind of mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
import lenetc.nn as nn  # noqa: E402
import lenetc.nn.functional as F  # noqa: E402
from lenetc import optim  # noqa: E402
from tests.parity.both import check, copy_state, ours, theirs  # noqa: E402

tnn, tF = torch.nn, torch.nn.functional
rng = np.random.default_rng(17)


def normal(*shape: int) -> Any:
    return rng.standard_normal(shape)


SEEN = np.array([[True, True, False, True], [False, False, False, False], [True, False, False, False]])
HIDDEN = np.triu(np.ones((3, 3), bool), 1)
PADDING = np.array([[False, False, True], [False, False, False]])
ATTENTIONS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((normal(2, 3, 5), normal(2, 4, 5), normal(2, 4, 6)), {}),
    ((normal(2, 2, 3, 5), normal(2, 2, 4, 5), normal(2, 2, 4, 5)), {"is_causal": True}),
    ((normal(2, 3, 5), normal(2, 4, 5), normal(2, 4, 6)), {"attn_mask": SEEN, "scale": 0.3}),
    ((normal(2, 3, 5), normal(2, 4, 5), normal(2, 4, 6)), {"attn_mask": normal(2, 3, 4)}),
    ((normal(2, 6, 3, 5), normal(2, 2, 4, 5), normal(2, 2, 4, 5)), {"enable_gqa": True}),
    ((normal(3, 5), normal(4, 5), normal(4, 6)), {}),
]


def given(make: Any, options: dict[str, Any]) -> dict[str, Any]:
    return {k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}


@pytest.mark.parametrize(("operands", "options"), ATTENTIONS)
def test_scaled_dot_product_attention(operands: tuple[Any, ...], options: dict[str, Any]) -> None:
    check(
        lambda *x: F.scaled_dot_product_attention(*x, **given(ours, options)),
        lambda *x: tF.scaled_dot_product_attention(*x, **given(theirs, options)),
        *operands,
        chains=False,
        rtol=1e-8,
    )


MULTIHEAD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"batch_first": True, "bias": False}, {"key_padding_mask": PADDING, "average_attn_weights": False}),
    ({"kdim": 5, "vdim": 3}, {"need_weights": False}),
    ({"add_bias_kv": True, "add_zero_attn": True}, {"attn_mask": HIDDEN, "key_padding_mask": PADDING}),
    ({"add_zero_attn": True}, {"attn_mask": normal(3, 3), "need_weights": False}),
    ({}, {"attn_mask": HIDDEN, "is_causal": True, "need_weights": False}),
    ({}, {"attn_mask": np.repeat(HIDDEN[None], 4, 0)}),
]


@pytest.mark.parametrize(("options", "how"), MULTIHEAD)
def test_multihead_attention(options: dict[str, Any], how: dict[str, Any]) -> None:
    mine = nn.MultiheadAttention(6, 2, **options, dtype=lenetc.float64)
    reference = tnn.MultiheadAttention(6, 2, **options, dtype=torch.float64)
    assert repr(mine) == repr(reference)
    assert list(mine.state_dict()) == list(reference.state_dict())
    copy_state(mine, reference)
    shape = (2, 3) if options.get("batch_first") else (3, 2)
    operands = [normal(*shape, n) for n in (6, options.get("kdim", 6), options.get("vdim", 6))]
    same = not {"kdim", "vdim"} & set(options)

    def call(module: Any, make: Any, *x: Any) -> Any:
        output, weights = module(*((x[0],) * 3 if same else x), **given(make, how))
        assert (weights is None) == (how.get("need_weights") is False)
        return output if weights is None else output.sum(-1).sum() + (weights * weights).sum()

    parameters = (list(mine.parameters()), list(reference.parameters()))
    check(
        lambda *x: call(mine, ours, *x),
        lambda *x: call(reference, theirs, *x),
        *(operands[:1] if same else operands),
        parameters=parameters,
        chains=False,
        rtol=1e-7,
        atol=1e-9,
    )


def test_multihead_attention_without_a_batch() -> None:
    mine, reference = nn.MultiheadAttention(6, 2), tnn.MultiheadAttention(6, 2)
    copy_state(mine, reference)
    x = normal(3, 6).astype(np.float32)
    for a, b in zip(mine(ours(x), ours(x), ours(x)), reference(theirs(x), theirs(x), theirs(x)), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize(
    "options",
    [{}, {"norm_first": True, "activation": "gelu"}, {"batch_first": True, "bias": False}],
)
def test_transformer(options: dict[str, Any]) -> None:
    sizes: dict[str, Any] = {
        "num_encoder_layers": 2,
        "num_decoder_layers": 1,
        "dim_feedforward": 5,
        "dropout": 0.0,
    }
    mine = nn.Transformer(6, 2, **sizes, **options, dtype=lenetc.float64)
    reference = tnn.Transformer(6, 2, **sizes, **options, dtype=torch.float64)
    assert repr(mine) == repr(reference)
    assert list(mine.state_dict()) == list(reference.state_dict())
    copy_state(mine, reference)
    shape = (2, 3) if options.get("batch_first") else (3, 2)

    def call(module: Any, make: Any, src: Any, tgt: Any) -> Any:
        return module(
            src,
            tgt,
            tgt_mask=module.generate_square_subsequent_mask(3, dtype=src.dtype),
            src_key_padding_mask=make(PADDING),
            memory_key_padding_mask=make(PADDING),
        )

    check(
        lambda *x: call(mine, ours, *x),
        lambda *x: call(reference, theirs, *x),
        normal(*shape, 6),
        normal(*shape, 6),
        parameters=(list(mine.parameters()), list(reference.parameters())),
        chains=False,
        rtol=1e-6,
        atol=1e-9,
    )


def test_a_compiled_step_of_an_encoder() -> None:
    sizes: dict[str, Any] = {"dim_feedforward": 8, "dropout": 0.0, "batch_first": True}
    mine = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, **sizes), 2)
    reference = tnn.TransformerEncoder(tnn.TransformerEncoderLayer(6, 2, **sizes), 2)
    copy_state(mine, reference)
    x = normal(2, 4, 6).astype(np.float32)
    ahead, behind = optim.SGD(mine.parameters(), lr=0.1), torch.optim.SGD(reference.parameters(), lr=0.1)

    def step(module: Any, optimizer: Any, mask: Any, x: Any) -> Any:
        optimizer.zero_grad()
        loss = (module(x, mask) ** 3).mean()
        loss.backward()
        optimizer.step()
        return loss

    mask, other = (m.Transformer.generate_square_subsequent_mask(4) for m in (nn, tnn))
    compiled = lenetc.compile(lambda x: step(mine, ahead, mask, x))
    for _ in range(3):
        loss = step(reference, behind, other, theirs(x)).item()
        assert compiled(ours(x)).item() == pytest.approx(loss, rel=1e-4)


def test_dropout_in_training_only() -> None:
    layer = nn.MultiheadAttention(6, 2, dropout=0.5)
    x = lenetc.randn(3, 2, 6)
    assert layer(x, x, x)[1].tolist() != layer(x, x, x)[1].tolist()
    layer.eval()
    assert layer(x, x, x)[1].tolist() == layer(x, x, x)[1].tolist()


REFUSED = [
    "F.scaled_dot_product_attention(ones(4), ones(3, 4), ones(3, 4))",
    "F.scaled_dot_product_attention(ones(3, 4), ones(3, 4).double(), ones(3, 4))",
    "F.scaled_dot_product_attention(ones(2, 3, 4), ones(2, 3, 4), ones(2, 3, 4), ones(3, 3).long())",
    "F.scaled_dot_product_attention(ones(4, 3, 4), ones(3, 3, 4), ones(3, 3, 4), enable_gqa=True)",
    "nn.MultiheadAttention(6, 4)",
    "nn.MultiheadAttention(6, 0)",
    "nn.MultiheadAttention(6, 2)(ones(3, 2, 5), ones(3, 2, 5), ones(3, 2, 5))",
    "nn.MultiheadAttention(6, 2)(ones(3, 2, 6), ones(3, 6), ones(3, 6))",
    "nn.MultiheadAttention(6, 2)(ones(3, 2, 6), ones(3, 2, 6), ones(3, 2, 6), attn_mask=ones(2, 3))",
    "nn.MultiheadAttention(6, 2)(ones(3, 2, 6), ones(3, 2, 6), ones(3, 2, 6), ones(3, 2))",
    "nn.MultiheadAttention(6, 2)(ones(3, 2, 6), ones(3, 2, 6), ones(3, 2, 6), is_causal=True)",
    "nn.TransformerEncoderLayer(6, 2, activation='tanh')",
    "nn.Transformer(6, 2, 1, 1, 4)(ones(3, 2, 6), ones(3, 1, 6))",
]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("call", REFUSED)
def test_refusals(call: str) -> None:
    for names in ({"F": tF, "nn": tnn, "ones": torch.ones}, {"F": F, "nn": nn, "ones": lenetc.ones}):
        with pytest.raises((ValueError, RuntimeError, AssertionError)):
            eval(call, dict(names))
