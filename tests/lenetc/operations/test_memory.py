"""What scripts ask of a tensor's memory, and diagonals that are filled in place."""

import numpy as np
import pytest

import lenetc as torch
from ir.errors import UnsupportedError


def test_tensors_of_one_storage_have_one_pointer():
    tied = torch.nn.Linear(3, 2)
    other = torch.nn.Linear(3, 2)
    other.weight = tied.weight
    assert tied.weight.data_ptr() == other.weight.data_ptr() == tied.weight.data.view(-1).data_ptr()
    assert tied.weight.data_ptr() != tied.weight.clone().data_ptr()
    with pytest.raises(UnsupportedError, match="a part of a tensor"):
        tied.weight[0].data_ptr()


def test_what_memory_answers():
    x = torch.zeros(2, 3, dtype=torch.float16)
    assert (x.itemsize, x.nbytes, x.get_device(), x.is_pinned(), x.pin_memory() is x) == (
        2,
        12,
        -1,
        False,
        True,
    )
    assert x.is_same_size(torch.ones(2, 3)) and not torch.is_same_size(x, torch.ones(3))
    assert torch.is_nonzero(torch.tensor([2])) and not torch.tensor(0.0).is_nonzero()


@pytest.mark.parametrize(
    ("shape", "wrap", "places"),
    [
        ((2, 2), False, [0, 3]),
        ((5, 2), False, [0, 3]),
        ((5, 2), True, [0, 3, 6, 9]),
        ((2, 5), True, [0, 6]),
        ((2, 2, 2), False, [0, 7]),
    ],
)
def test_diagonals_are_filled_as_pytorch_fills_them(shape, wrap, places):
    x = torch.zeros(shape)
    assert np.flatnonzero(x.fill_diagonal_(3.0, wrap).numpy()).tolist() == places
    assert set(x.reshape(-1)[places].tolist()) == {3.0}


def test_filling_a_diagonal_takes_the_gradient_there_and_refuses_other_shapes():
    x = torch.ones(2, 2, requires_grad=True)
    (x * 2).fill_diagonal_(0).sum().backward()
    assert x.grad.tolist() == [[0.0, 2.0], [2.0, 0.0]]
    for shape in ((3,), (2, 3, 2)):
        with pytest.raises(RuntimeError, match="dimensions"):
            torch.zeros(shape).fill_diagonal_(1)
