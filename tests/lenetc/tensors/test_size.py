"""`lenetc.Size` behaves as `torch.Size` does, and takes symbolic dims too."""

import pickle

import pytest

from lenetc.tensors.size import Size


class Symbol:
    """A dim known by its name only."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def __rmul__(self, other: int) -> "Symbol":
        return Symbol(f"{other}*{self.name}")

    def __mul__(self, other: int) -> "Symbol":
        return Symbol(f"{self.name}*{other}")


def test_prints_its_dims():
    assert repr(Size([6, 1, 5, 5])) == str(Size((6, 1, 5, 5))) == "lenetc.Size([6, 1, 5, 5])"
    assert repr(Size()) == "lenetc.Size([])"
    assert repr(Size([Symbol("N"), 3])) == "lenetc.Size([N, 3])"


def test_numel_is_the_product():
    assert Size([6, 1, 5, 5]).numel() == 150
    assert Size([]).numel() == 1
    assert Size([3, 0]).numel() == 0
    assert str(Size([Symbol("N"), 4]).numel()) == "1*N*4"


def test_slices_and_sums_are_sizes():
    size, pair = Size([6, 1, 5, 5]), (2, 3)
    pieces = {
        "slice": (size[1:], (1, 5, 5)),
        "reversed": (size[::-1], (5, 5, 1, 6)),
        "sum": (size + pair, (6, 1, 5, 5, 2, 3)),
        "sum with a tuple before": (pair + size, (2, 3, 6, 1, 5, 5)),
        "product": (size[:2] * 2, (6, 1, 6, 1)),
        "product with the count before": (2 * size[:2], (6, 1, 6, 1)),
        "pickled": (pickle.loads(pickle.dumps(size)), (6, 1, 5, 5)),
    }
    for name, (piece, dims) in pieces.items():
        assert type(piece) is Size, name
        assert piece == dims, name


def test_is_its_tuple_to_others():
    size = Size([6, 1])
    assert size == (6, 1) and hash(size) == hash((6, 1)) and len(size) == 2
    assert size[0] == 6 and size[-1] == 1 and type(size[0]) is int
    channels, rows = size
    assert (channels, rows) == (6, 1)


def test_a_list_is_not_added():
    size, dims = Size([1]), [2]
    with pytest.raises(TypeError):
        size + dims
    with pytest.raises(TypeError):
        dims + size
