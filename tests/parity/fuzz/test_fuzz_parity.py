"""Random programs of 5 to 40 public functions, forward and gradient, lazily and compiled, against PyTorch.

LENETC_FUZZ=5000 draws that many; without it 60 of the 300 are for every day, the others for `make nightly`.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch

import lenetc
from tests.parity.fuzz import programs as fuzzing

pytestmark = pytest.mark.filterwarnings("ignore")
COUNT = int(os.environ.get("LENETC_FUZZ", "300"))
DAILY = COUNT if "LENETC_FUZZ" in os.environ else 60
GROUP = 20  # programs that are looked at together, so that few are compiled


def expected(seed: int, nudge: float = 0.0) -> list[Any]:
    """Value and gradients by PyTorch, at inputs that are larger by a part of themselves."""
    inputs = [torch.from_numpy(a * (1 + nudge)).requires_grad_() for a in fuzzing.arrays(seed)]
    value = fuzzing.run(torch, fuzzing.draw(seed), inputs, torch.from_numpy)
    slopes = torch.autograd.grad(value, inputs, allow_unused=True)
    return [value.detach().numpy(), *(np.zeros((3, 4)) if g is None else g.numpy() for g in slopes)]


def ours(seed: int, inputs: list[lenetc.Tensor]) -> list[Any]:
    value = fuzzing.run(lenetc, fuzzing.draw(seed), inputs, lenetc.from_numpy)
    slopes = lenetc.autograd.grad(value, inputs, allow_unused=True)
    return [value, *(lenetc.zeros(3, 4) if g is None else g for g in slopes)]


def compare(seed: int, found: list[Any], how: str) -> None:
    wanted = expected(seed)
    if not all(np.isfinite(w).all() and np.abs(w).max() < 1e6 for w in wanted):
        return  # of slopes that exploded rounding is all that is left
    if not all(
        np.allclose(a, b, rtol=1e-7, atol=1e-7) for a, b in zip(wanted, expected(seed, 1e-13), strict=True)
    ):
        return  # the sign of a rounding decides
    for mine, theirs in zip(found, wanted, strict=True):
        scale = max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(
            mine, theirs, rtol=1e-6, atol=1e-7 * scale, err_msg=f"{how}, seed {seed}: {fuzzing.draw(seed)}"
        )


def test_few_programs_hang_on_a_rounding() -> None:
    apart = [
        seed
        for seed in range(60)
        if not all(
            np.allclose(a, b, rtol=1e-7, atol=1e-7)
            for a, b in zip(expected(seed), expected(seed, 1e-13), strict=True)
        )
    ]
    assert len(apart) < 6


def test_every_expression_is_in_the_programs_of_every_day() -> None:
    drawn = {text for seed in range(DAILY) for text, _, _ in fuzzing.draw(seed)}
    assert drawn == {*fuzzing.UNARY, *fuzzing.BINARY}


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(first, marks=[] if first < DAILY else pytest.mark.nightly)
        for first in range(0, COUNT, GROUP)
    ],
)
def test_random_programs(first: int) -> None:
    seeds = range(first, min(first + GROUP, COUNT))
    lazy = [
        ours(seed, [lenetc.from_numpy(a).requires_grad_() for a in fuzzing.arrays(seed)]) for seed in seeds
    ]
    for seed, made in zip(seeds, lazy, strict=True):
        compare(seed, [x.detach().numpy() for x in made], "lazily")
    one = seeds[len(seeds) // 2]
    step = lenetc.compile(lambda x, y: ours(one, [x.detach().requires_grad_(), y.detach().requires_grad_()]))
    made = step(*map(lenetc.from_numpy, fuzzing.arrays(one)))
    compare(one, [x.detach().numpy() for x in made], "compiled")


@pytest.mark.parametrize(
    "text", ["t.copysign(x * x, F.softshrink(x, 0.3))", "F.softshrink(x, 0.3).reciprocal().tanh()"]
)
def test_what_programs_have_found(text: str) -> None:
    results = []
    for t, array in ((torch, torch.from_numpy), (lenetc, lenetc.from_numpy)):
        x = array(fuzzing.arrays(1)[0]).requires_grad_()
        value = eval(text, {"t": t, "F": t.nn.functional, "x": x})
        results.append([value, *t.autograd.grad(value.sum(), [x])])
    for theirs, mine in zip(*results, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-7, atol=1e-12)


def test_every_expression_alone() -> None:
    for text in (*fuzzing.UNARY, *fuzzing.BINARY):
        results = []
        for t, array in ((torch, torch.from_numpy), (lenetc, lenetc.from_numpy)):
            inputs = [array(a).requires_grad_() for a in fuzzing.arrays(1)]
            value = fuzzing.run(t, [(text, 0, 1)], inputs, array)
            slopes = t.autograd.grad(value, inputs, allow_unused=True)
            results.append([value, *(x * 0 if g is None else g for x, g in zip(inputs, slopes, strict=True))])
        for theirs, mine in zip(*results, strict=True):
            np.testing.assert_allclose(
                mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-7, atol=1e-9, err_msg=text
            )
