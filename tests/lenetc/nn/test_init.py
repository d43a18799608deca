"""First values of parameters: distributions, seeds, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lenetc
from lenetc.nn import Conv2d, Linear, Parameter, init


def filled(function: Any, *shape: int, **how: Any) -> Any:
    lenetc.manual_seed(0)
    tensor = Parameter(lenetc.empty(*shape))
    assert function(tensor, **how) is tensor and tensor.requires_grad and tensor.is_leaf
    return tensor.detach().numpy()


def test_uniform_fills_its_interval() -> None:
    values = filled(init.uniform_, 100, 100, a=-2.0, b=3.0)
    assert -2 <= values.min() < -1.99 and 2.99 < values.max() < 3
    assert values.mean() == pytest.approx(0.5, abs=0.05) and values.std() == pytest.approx(
        5 / math.sqrt(12), rel=0.02
    )


def test_normal_has_mean_and_deviation() -> None:
    values = filled(init.normal_, 100, 100, mean=1.0, std=2.0)
    assert values.mean() == pytest.approx(1, abs=0.06) and values.std() == pytest.approx(2, rel=0.02)
    assert np.abs(values - 1).max() > 6


def test_truncated_normal_stays_inside() -> None:
    values = filled(init.trunc_normal_, 100, 100, std=2.0, a=-1.0, b=2.0)
    assert values.min() >= -1 and values.max() <= 2
    assert values.mean() == pytest.approx(0.41, abs=0.03)  # of the density cut at -0.5 and 1 deviations


@pytest.mark.parametrize(
    ("function", "how", "deviation"),
    [
        (init.xavier_uniform_, {"gain": 2.0}, 2 * math.sqrt(2 / (50 * 9 + 40 * 9))),
        (init.xavier_normal_, {}, math.sqrt(2 / (50 * 9 + 40 * 9))),
        (init.kaiming_uniform_, {"nonlinearity": "relu"}, math.sqrt(2 / (50 * 9))),
        (init.kaiming_normal_, {"mode": "fan_out", "a": 1.0}, math.sqrt(1 / (40 * 9))),
    ],
)
def test_scaled_deviations(function: Any, how: dict[str, Any], deviation: float) -> None:
    values = filled(function, 40, 50, 3, 3, **how)
    assert values.std() == pytest.approx(deviation, rel=0.02)
    if "uniform" in function.__name__:
        assert np.abs(values).max() <= deviation * math.sqrt(3) * 1.0001


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 2, 3)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    matrix = filled(init.orthogonal_, *shape, gain=2.0).reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_constants() -> None:
    assert filled(init.constant_, 2, val=3.5).tolist() == [3.5, 3.5]
    assert filled(init.ones_, 2).tolist() == [1, 1] and filled(init.zeros_, 2).tolist() == [0, 0]
    assert filled(init.eye_, 2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_dirac_passes_images_on() -> None:
    layer = Conv2d(2, 4, 3, padding=1, bias=False)
    init.dirac_(layer.weight, groups=2)
    x = lenetc.randn(1, 2, 4, 4)
    expected = np.concatenate([x.numpy()] * 2, axis=1)
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected)


@pytest.mark.parametrize(
    ("make", "bound"),
    [
        (lambda: Linear(100, 300), 0.1),
        (lambda: Conv2d(8, 64, 5, groups=2), 0.1),
        (lambda: Linear(25, 800), 0.2),
    ],
)
def test_layers_start_uniform_within_one_over_the_root_of_fan_in(make: Any, bound: float) -> None:
    lenetc.manual_seed(1)
    for parameter in make().parameters():
        values = parameter.detach().numpy()
        assert 0.9 * bound < np.abs(values).max() <= bound
        assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.15)


def test_sparse_columns_have_their_zeros() -> None:
    values = filled(init.sparse_, 40, 30, sparsity=0.33, std=0.5)
    assert ((values == 0).sum(0) == 14).all() and values[values != 0].std() == pytest.approx(0.5, rel=0.1)
    assert len({tuple(column) for column in (values == 0).T.tolist()}) == 30


@pytest.mark.parametrize(("a", "b"), [(3.0, 4.0), (-9.0, -5.0), (2.0, 100.0)])
def test_normal_numbers_of_a_tail(a: float, b: float) -> None:
    values = filled(init.trunc_normal_, 100, 50, a=a, b=b)
    assert a <= values.min() and values.max() <= b
    x = np.linspace(a, min(b, a + 10), 200_001)
    density = np.exp(-(x**2) / 2 + min(a * a, b * b) / 2)
    assert values.mean() == pytest.approx((x * density).sum() / density.sum(), abs=0.03)


def test_numbers_of_a_generator_and_old_names() -> None:
    state = lenetc.get_rng_state().tolist()
    one, other = (init.kaiming_uniform_(lenetc.empty(3, 4), generator=lenetc.Generator()) for _ in range(2))
    np.testing.assert_array_equal(one.numpy(), other.numpy())
    with pytest.warns(FutureWarning, match="nn.init.xavier_normal_"):
        init.xavier_normal(lenetc.empty(3, 4), generator=lenetc.Generator())
    assert lenetc.get_rng_state().tolist() == state


def test_same_seed_same_values_in_any_dtype() -> None:
    first, second = filled(init.normal_, 10), filled(init.normal_, 10)
    np.testing.assert_array_equal(first, second)
    lenetc.manual_seed(0)
    wide = init.normal_(lenetc.empty(10, dtype=lenetc.float64))
    np.testing.assert_array_equal(wide.numpy().astype(np.float32), first)
    assert not np.array_equal(init.normal_(lenetc.empty(10)).numpy(), first)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init.eye_(lenetc.empty(2)), r"f32\[2\]"),
        (lambda: init.dirac_(lenetc.empty(2, 2)), r"f32\[2,2\]"),
        (lambda: init.dirac_(lenetc.empty(3, 2, 1), groups=2), "groups=2"),
        (lambda: init.orthogonal_(lenetc.empty(2)), r"f32\[2\]"),
        (lambda: init.kaiming_normal_(lenetc.empty(2, 2), mode="fan"), "Mode fan not supported"),
        (lambda: init.xavier_normal_(lenetc.empty(2)), "at least 2 dimensions"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_compiled_code_cannot_initialize() -> None:
    layer = Linear(2, 2)
    with pytest.raises(RuntimeError, match="inside a compiled function"):
        lenetc.compile(lambda x: (init.zeros_(layer.weight), layer(x))[1])(lenetc.ones(1, 2))


def test_a_view_whose_elements_stand_for_several_cannot_be_initialized() -> None:
    with pytest.raises(RuntimeError, match="a view"):
        init.zeros_(lenetc.zeros(3).expand(2, 3))


def test_a_part_of_a_weight_is_initialized_in_its_place() -> None:
    kernels = lenetc.nn.Parameter(lenetc.zeros(3, 4, 4))
    lenetc.nn.init.xavier_normal_(kernels[1])
    lenetc.nn.init.constant_(kernels.data[2, :2], 5.0)
    assert kernels[0].abs().sum().item() == 0.0 and kernels[1].abs().min().item() > 0.0
    assert kernels[2].sum().item() == 40.0 and kernels.is_leaf and kernels.requires_grad
