"""Activations against live PyTorch: values and gradients, kinks included, as functions, in place and as modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402
import lenetc.nn as nn  # noqa: E402
import lenetc.nn.functional as F  # noqa: E402
from tests.parity.both import check  # noqa: E402

tnn, tF = torch.nn, torch.nn.functional
VALUES = np.array([-90, -7, -3.5, -3, -1, -0.5, -1e-4, 0, 1e-4, 0.5, 1, 2.9, 3, 3.5, 6, 90.0]).astype(
    np.float32
)

CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("relu6", ()),
    ("leaky_relu", (0.2,)),
    ("rrelu", ()),
    ("elu", (1.5,)),
    ("celu", (0.7,)),
    ("selu", ()),
    ("silu", ()),
    ("mish", ()),
    ("glu", (0,)),
    ("hardtanh", (-2.0, 3.0)),
    ("hardsigmoid", ()),
    ("hardswish", ()),
    ("hardshrink", ()),
    ("softshrink", (0.3,)),
    ("softsign", ()),
    ("softmin", (0,)),
    ("tanhshrink", ()),
    ("threshold", (0.5, -2.0)),
]


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_activation(name: str, arguments: tuple[Any, ...]) -> None:
    mine, reference = getattr(F, name), getattr(tF, name)
    check(lambda x: mine(x, *arguments), lambda x: reference(x, *arguments), VALUES, chains=False)
    if hasattr(tF, f"{name}_"):
        x = lenetc.tensor(VALUES)
        assert getattr(F, f"{name}_")(x, *arguments) is x
        np.testing.assert_allclose(x.numpy(), mine(lenetc.tensor(VALUES), *arguments).numpy())


def test_prelu() -> None:
    weights = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    for values, factors in ((VALUES.reshape(4, 4), weights), (VALUES, weights[:1]), (VALUES[0], weights[1])):
        check(F.prelu, tF.prelu, values, factors, chains=False)
    with pytest.raises(RuntimeError, match="mismatch of parameter numbers"):
        F.prelu(lenetc.ones(3, 2), lenetc.ones(3))


MODULES: list[tuple[str, dict[str, Any]]] = [
    ("ReLU6", {"inplace": True}),
    ("LeakyReLU", {"negative_slope": 0.3}),
    ("PReLU", {"num_parameters": 4, "init": 0.1}),
    ("RReLU", {"lower": 0.2}),
    ("ELU", {"alpha": 0.5}),
    ("CELU", {"alpha": 0.5}),
    ("SELU", {}),
    ("SiLU", {"inplace": True}),
    ("Mish", {}),
    ("GLU", {"dim": 0}),
    ("LogSigmoid", {}),
    ("Hardtanh", {"min_val": -0.5}),
    ("Hardsigmoid", {}),
    ("Hardswish", {"inplace": True}),
    ("Hardshrink", {"lambd": 0.1}),
    ("Softplus", {"beta": 2, "threshold": 3}),
    ("Softshrink", {"lambd": 0.1}),
    ("Softsign", {}),
    ("Softmin", {"dim": 1}),
    ("Tanhshrink", {}),
    ("Threshold", {"threshold": 0.1, "value": 20}),
]


@pytest.mark.parametrize(("name", "options"), MODULES)
def test_module(name: str, options: dict[str, Any]) -> None:
    mine, reference = getattr(nn, name)(**options).eval(), getattr(tnn, name)(**options).eval()
    assert repr(mine) == repr(reference)
    check(lambda x: mine(x * 1), lambda x: reference(x * 1), VALUES.reshape(4, 4), chains=False)
    assert list(mine.state_dict()) == list(reference.state_dict())


def test_softmax2d() -> None:
    check(nn.Softmax2d(), tnn.Softmax2d(), VALUES.reshape(2, 2, 2, 2), chains=False)
    with pytest.raises(ValueError, match="expected input to be 3D or 4D"):
        nn.Softmax2d()(lenetc.ones(2, 2))


def test_rrelu_and_gumbel_softmax_draw() -> None:
    lenetc.manual_seed(0)
    slopes = -F.rrelu(-lenetc.ones(1000), 0.1, 0.5, training=True).numpy()
    assert 0.1 <= slopes.min() < 0.12 and 0.48 < slopes.max() < 0.5
    assert F.rrelu(lenetc.ones(9), training=True).tolist() == [1] * 9
    logits = lenetc.tensor(np.log([0.5, 0.3, 0.2], dtype=np.float32)).expand(4000, 3)
    hard = F.gumbel_softmax(logits, hard=True).numpy()
    assert np.array_equal(hard.sum(1), np.ones(4000, np.float32))
    np.testing.assert_allclose(hard.mean(0), [0.5, 0.3, 0.2], atol=0.03)
    np.testing.assert_allclose(F.gumbel_softmax(logits, tau=0.5).numpy().sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments"), [("relu6", ()), ("threshold", (1, 3)), ("softsign", ()), ("elu", ())]
)
def test_integers(name: str, arguments: tuple[Any, ...]) -> None:
    values = np.array([-9, 0, 3, 8])
    try:
        expected = getattr(tF, name)(torch.tensor(values), *arguments).numpy()
    except RuntimeError:
        with pytest.raises(RuntimeError, match="not implemented"):
            getattr(F, name)(lenetc.tensor(values), *arguments)
    else:
        found = getattr(F, name)(lenetc.tensor(values), *arguments).numpy()
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected)
