"""Gains, fans and sizes against live PyTorch."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenetc.nn.fan import calculate_gain, fan_in_and_fan_out
from lenetc.tensors.size import Size

torch = pytest.importorskip("torch")

NONLINEARITIES = [
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "selu",
    "elu",
]


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
@pytest.mark.parametrize("param", [None, 0, 3, 0.2, -0.5, True, "x"])
def test_gain(nonlinearity, param):
    try:
        expected = torch.nn.init.calculate_gain(nonlinearity, param)
    except ValueError:
        with pytest.raises(ValueError):
            calculate_gain(nonlinearity, param)
    else:
        assert calculate_gain(nonlinearity, param) == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=5))
def test_fans(shape):
    try:
        expected = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    except ValueError:
        with pytest.raises(ValueError):
            fan_in_and_fan_out(shape)
    else:
        assert fan_in_and_fan_out(shape) == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=5), st.lists(st.integers(0, 9), max_size=3), st.slices(5))
def test_sizes_print_alike(dims, more, part):
    ours, theirs = Size(dims), torch.Size(dims)
    pairs = [
        (ours, theirs),
        (ours[part], theirs[part]),
        (ours + tuple(more), theirs + tuple(more)),
        (tuple(more) + ours, tuple(more) + theirs),
        (ours * 2, theirs * 2),
    ]
    for our, their in pairs:
        assert repr(our) == repr(their).replace("torch", "lenetc")
        assert our.numel() == their.numel()
