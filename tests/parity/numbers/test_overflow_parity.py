"""Numbers too large for a dtype: infinity where PyTorch has it, no warning of NumPy's, and an error elsewhere."""

from __future__ import annotations

import pytest
import torch

import lenetc

pytestmark = pytest.mark.parity

FILLED = {
    "full": lambda lib: lib.full((1,), -1e6, dtype=lib.float16),
    "full, rounded up": lambda lib: lib.full((1,), 65520.0, dtype=lib.float16),
    "full of bfloat16": lambda lib: lib.full((1,), 1e39, dtype=lib.bfloat16).float(),
    "fill_": lambda lib: lib.ones(1, dtype=lib.float16).fill_(1e6),
    "full_like": lambda lib: lib.full_like(lib.ones(1, dtype=lib.float16), 1e6),
    "new_full": lambda lib: lib.ones(1, dtype=lib.float16).new_full((1,), 1e6),
    "tensor": lambda lib: lib.tensor([1e39]),
    "tensor of a number": lambda lib: lib.tensor(1e6, dtype=lib.float16),
    "multiplied": lambda lib: lib.ones(1, dtype=lib.float16) * 1e6,
    "where": lambda lib: lib.where(lib.tensor([True]), 1e6, lib.ones(1, dtype=lib.float16)),
    "full of one element": lambda lib: lib.full((1, 1, 1), 1e6, dtype=lib.float16),
    "full without dimensions": lambda lib: lib.full((), 1e6, dtype=lib.float16),
    "arange": lambda lib: lib.arange(70000, 70002, dtype=lib.float16),
}


@pytest.mark.parametrize("name", FILLED)
def test_halves_become_infinite_as_in_pytorch(name: str) -> None:
    assert FILLED[name](lenetc).tolist() == FILLED[name](torch).tolist()


def test_an_item_that_is_set_becomes_infinite() -> None:
    x = lenetc.ones(2, dtype=lenetc.float16)
    x[0] = 1e6
    assert x.tolist() == [float("inf"), 1.0]


def test_what_pytorch_refuses_is_refused() -> None:
    for make in (
        lambda lib: lib.full((2,), 1e6, dtype=lib.float16),
        lambda lib: lib.ones(2, 1, dtype=lib.float16).fill_(1e6),
        lambda lib: lib.ones(2, dtype=lib.bfloat16).new_full((2,), 1e39),
        lambda lib: lib.full((0,), 1e6, dtype=lib.float16),
        lambda lib: lib.full((1,), 1e39),
        lambda lib: lib.ones(1, dtype=lib.float16).clamp(max=1e6),
        lambda lib: lib.ones(1, dtype=lib.float16).masked_fill(lib.tensor([True]), 1e6),
    ):
        for lib in (torch, lenetc):
            with pytest.raises(RuntimeError, match="without overflow"):
                make(lib)
