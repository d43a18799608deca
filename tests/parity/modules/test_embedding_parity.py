"""Linear and bilinear maps, embeddings and bags of them against live PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
import lenetc.nn as nn  # noqa: E402
import lenetc.nn.functional as F  # noqa: E402
from tests.parity.both import check, check_modules, copy_state  # noqa: E402

tnn, tF = torch.nn, torch.nn.functional
rng = np.random.default_rng(11)
TABLE = rng.standard_normal((6, 3))
INDICES = np.array([[0, 2, 2, 5], [1, 2, 0, 3]])
FLAT, OFFSETS = np.array([0, 2, 2, 5, 1, 2, 0]), np.array([0, 2, 2, 6])


@pytest.mark.parametrize("shape", [(4,), (2, 4), (2, 3, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_bilinear(shape: tuple[int, ...], bias: bool) -> None:
    x, y = (rng.standard_normal((*shape[:-1], n)).astype(np.float32) for n in (4, 5))
    how = {"chains": False, "atol": 1e-5}
    check_modules(nn.Bilinear(4, 5, 6, bias=bias), tnn.Bilinear(4, 5, 6, bias=bias), x, y, **how)


@pytest.mark.parametrize(
    "options", [{}, {"padding_idx": -4}, {"scale_grad_by_freq": True}, {"padding_idx": 0, "norm_type": 1.5}]
)
def test_embedding(options: dict[str, Any]) -> None:
    check(
        lambda w: F.embedding(lenetc.tensor(INDICES), w, **options),
        lambda w: tF.embedding(torch.tensor(INDICES), w, **options),
        TABLE,
        chains=False,
    )
    assert repr(nn.Embedding(6, 3, **options)) == repr(tnn.Embedding(6, 3, **options))


@pytest.mark.parametrize("norm_type", [2.0, 1.0])
def test_max_norm_changes_the_table(norm_type: float) -> None:
    options = {"max_norm": 0.9, "norm_type": norm_type}
    mine, reference = nn.Embedding(6, 3, **options), tnn.Embedding(6, 3, **options)
    assert repr(mine) == repr(reference)
    copy_state(mine, reference)
    step = lenetc.compile(lambda x: mine(x).sum())
    assert step(lenetc.tensor(INDICES)).item() == pytest.approx(
        reference(torch.tensor(INDICES)).sum().item(), 1e-5
    )
    np.testing.assert_allclose(mine.weight.detach().numpy(), reference.weight.detach().numpy(), rtol=1e-5)


BAGS: list[tuple[Any, dict[str, Any]]] = [
    (INDICES, {}),
    (INDICES, {"padding_idx": 2}),
    (FLAT, {"offsets": OFFSETS}),
    (FLAT, {"offsets": np.array([0, 2, 2, 7]), "include_last_offset": True, "padding_idx": 0}),
]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize(("indices", "options"), BAGS)
def test_embedding_bag(mode: str, indices: Any, options: dict[str, Any]) -> None:
    def given(make: Any) -> dict[str, Any]:
        return {k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()} | {"mode": mode}

    check(
        lambda w: F.embedding_bag(lenetc.tensor(indices), w, **given(lenetc.tensor)),
        lambda w: tF.embedding_bag(torch.tensor(indices), w, **given(torch.tensor)),
        TABLE,
        chains=False,
    )


def test_embedding_bag_with_factors() -> None:
    check(
        lambda w, f: F.embedding_bag(lenetc.tensor(INDICES), w, per_sample_weights=f, mode="sum"),
        lambda w, f: tF.embedding_bag(torch.tensor(INDICES), w, per_sample_weights=f, mode="sum"),
        TABLE,
        rng.random((2, 4)),
        chains=False,
    )
    options: dict[str, Any] = {"mode": "sum", "padding_idx": 1, "max_norm": 1.0}
    assert repr(nn.EmbeddingBag(6, 3, **options)) == repr(tnn.EmbeddingBag(6, 3, **options))
    mine, reference = nn.EmbeddingBag(6, 3), tnn.EmbeddingBag(6, 3)
    copy_state(mine, reference)
    bag = mine(lenetc.tensor(FLAT), lenetc.tensor(OFFSETS)).detach().numpy()
    expected = reference(torch.tensor(FLAT), torch.tensor(OFFSETS)).detach().numpy()
    np.testing.assert_allclose(bag, expected, rtol=1e-6)


def test_from_pretrained() -> None:
    table = lenetc.tensor(TABLE)
    frozen = nn.Embedding.from_pretrained(table, padding_idx=0)
    assert not frozen.weight.requires_grad and frozen(lenetc.tensor([2])).tolist() == TABLE[2:3].tolist()
    assert nn.EmbeddingBag.from_pretrained(table, freeze=False, mode="max").weight.requires_grad


def test_refusals() -> None:
    indices, table = lenetc.tensor(INDICES), lenetc.tensor(TABLE)
    with pytest.raises(NotImplementedError, match="leave sparse out"):
        F.embedding(indices, table, sparse=True)
    with pytest.raises(IndexError):
        F.embedding_bag(indices + 4, table)
    for options in ({"mode": "min"}, {"offsets": indices[0]}, {"per_sample_weights": table}):
        with pytest.raises(ValueError):
            F.embedding_bag(indices, table, **options)
    with pytest.raises(RuntimeError, match="features"):
        F.bilinear(lenetc.ones(2, 3), lenetc.ones(2, 4), lenetc.ones(5, 4, 4))


def test_device_and_dtype() -> None:
    made = [
        nn.Linear(2, 3, device="cpu", dtype=lenetc.float64),
        nn.Bilinear(2, 3, 4, dtype=lenetc.float64),
        nn.Embedding(2, 3, dtype=lenetc.float64),
        nn.LayerNorm(2, dtype=lenetc.float64),
        nn.BatchNorm2d(2, dtype=lenetc.float64),
        nn.GroupNorm(1, 2, dtype=lenetc.float64),
        nn.PReLU(dtype=lenetc.float64),
    ]
    for module in made:
        assert {p.dtype for p in module.parameters()} == {lenetc.float64}
    with pytest.raises(RuntimeError):
        nn.Linear(2, 3, device="nowhere")
