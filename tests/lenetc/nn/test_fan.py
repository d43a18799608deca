"""Gains and fans against values that PyTorch 2.13 gave."""

import pytest

from lenetc.nn.fan import calculate_gain, fan_in_and_fan_out

GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 1.6666666666666667,
    "relu": 1.4142135623730951,
    "leaky_relu": 1.4141428569978354,
    "selu": 0.75,
}


@pytest.mark.parametrize("nonlinearity", GAINS)
def test_gain(nonlinearity):
    assert calculate_gain(nonlinearity) == GAINS[nonlinearity]


def test_gain_of_leaky_relu_with_a_slope():
    assert calculate_gain("leaky_relu", 0.2) == 1.3867504905630728
    assert calculate_gain("leaky_relu", 1) == 1.0


@pytest.mark.parametrize("slope", [True, "0.2", [0.2]])
def test_slope_that_is_no_number(slope):
    with pytest.raises(ValueError, match="negative slope"):
        calculate_gain("leaky_relu", slope)


def test_unknown_nonlinearity_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'elu'.*tanh.*leaky_relu"):
        calculate_gain("elu")


@pytest.mark.parametrize(
    ("shape", "fans"),
    [((120, 400), (400, 120)), ((6, 1, 5, 5), (25, 150)), ((16, 3, 2, 3, 4), (72, 384)), ((4, 0), (0, 4))],
)
def test_fans(shape, fans):
    assert fan_in_and_fan_out(shape) == fans


@pytest.mark.parametrize("shape", [(), (10,)])
def test_fans_of_a_vector(shape):
    with pytest.raises(ValueError, match="at least 2 dimensions"):
        fan_in_and_fan_out(shape)
