"""Dtypes: what becomes of two operands of any dtypes, what dtypes hold, and PyTorch's names for all of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import lenetc
from ir.errors import LenetcError
from tests.parity.kinds.alike import name_of

NAMES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


def operands(library: Any) -> Iterator[tuple[str, Any]]:
    """Tensors of every dtype with and without dimensions, and Python's numbers."""
    for name in NAMES:
        dtype = getattr(library, name)
        yield f"{name}[2]", library.ones(2, dtype=dtype)
        yield name, library.ones((), dtype=dtype)
    yield from (("True", True), ("2", 2), ("2.5", 2.5))


PAIRS = [
    (f"{a} and {b}", (x, y), (u, v))
    for ((a, x), (b, y)), ((_, u), (_, v)) in zip(
        itertools.product(operands(lenetc), repeat=2),
        itertools.product(operands(torch), repeat=2),
        strict=True,
    )
]


def test_result_types_of_all_pairs() -> None:
    found = {what: name_of(lenetc.result_type(*mine)) for what, mine, _ in PAIRS}
    assert found == {what: name_of(torch.result_type(*theirs)) for what, _, theirs in PAIRS}


@pytest.mark.parametrize("function", ["mul", "div", "eq"])
def test_operations_have_these_types(function: str) -> None:
    for what, mine, theirs in PAIRS:
        if isinstance(mine[0], lenetc.Tensor):
            expected = getattr(torch, function)(*theirs).dtype
            assert name_of(getattr(lenetc, function)(*mine).dtype) == name_of(expected), what


def test_promotion_and_casts_of_dtypes() -> None:
    for a, b in itertools.product(NAMES, repeat=2):
        mine, theirs = [[getattr(library, name) for name in (a, b)] for library in (lenetc, torch)]
        assert name_of(lenetc.promote_types(*mine)) == name_of(torch.promote_types(*theirs)), (a, b)
        assert lenetc.can_cast(*mine) == torch.can_cast(*theirs), (a, b)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bool"])
def test_ranges(name: str) -> None:
    kind = "iinfo" if "int" in name else "finfo"
    mine, theirs = (getattr(library, kind)(getattr(library, name)) for library in (lenetc, torch))
    fields = ["bits", "min", "max", "dtype"]
    fields += [] if kind == "iinfo" else ["eps", "tiny", "smallest_normal", "resolution"]
    assert [getattr(mine, field) for field in fields] == [getattr(theirs, field) for field in fields]
    with pytest.raises(TypeError):
        (lenetc.finfo if kind == "iinfo" else lenetc.iinfo)(getattr(lenetc, name))


CONVERSIONS = "float double half bfloat16 long int short char byte bool".split()


@pytest.mark.parametrize("method", CONVERSIONS)
def test_conversions(method: str) -> None:
    for name in NAMES:
        mine, theirs = (
            library.tensor([0, 1, 2, 100]).to(getattr(library, name)) for library in (lenetc, torch)
        )
        mine, theirs = getattr(mine, method)(), getattr(theirs, method)()
        assert name_of(mine.dtype) == name_of(theirs.dtype)
        assert mine.tolist() == theirs.tolist()
        assert (mine.type(), mine.element_size(), mine.is_floating_point(), mine.is_signed()) == (
            *(theirs.type(), theirs.element_size(), theirs.is_floating_point(), theirs.is_signed()),
        )
        assert mine.type("torch.LongTensor").dtype is mine.type(lenetc.long).dtype is lenetc.int64
        assert mine.type(lenetc.Tensor).dtype is lenetc.float32


def test_the_default_dtype() -> None:
    assert lenetc.get_default_dtype() is lenetc.float32
    try:
        lenetc.set_default_dtype(lenetc.float64)
        ones = lenetc.ones(2, dtype=lenetc.int32)
        assert (ones / 2).dtype is (ones * 0.5).dtype is ones.exp().dtype is lenetc.float64
        assert lenetc.finfo().bits == 64
    finally:
        lenetc.set_default_dtype(lenetc.float32)
    with pytest.raises(TypeError, match="floating point"):
        lenetc.set_default_dtype(lenetc.int64)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("complex64", "two real tensors"),
        ("quantize_per_tensor", "bfloat16"),
        ("qint8", "bfloat16"),
        ("uint16", "int32"),
    ],
)
def test_kinds_that_are_not_here(name: str, hint: str) -> None:
    assert hasattr(torch, name) and not hasattr(lenetc, name)
    with pytest.raises(lenetc.missing.UnsupportedError, match=hint):
        getattr(lenetc, name)
    with pytest.raises(LenetcError, match="complex numbers"):
        lenetc.ones(2) + 1j


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32"])
@pytest.mark.parametrize("number", [-1, -32, 300, -300, 200, 2**33])
def test_a_number_beside_integers_counts_by_its_last_bits(dtype: str, number: int) -> None:
    def results(library: Any) -> list[Any]:
        x = library.tensor([1, 100, 224], dtype=library.int64).to(getattr(library, dtype))
        return [x + number, number - x, x * number, x & number, x > number, x == number, number < x]

    for found, expected in zip(results(lenetc), results(torch), strict=True):
        assert name_of(found.dtype) == name_of(expected.dtype)
        assert found.tolist() == expected.tolist()
