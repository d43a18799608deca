"""Operations over all steps at once are those of each step, stacked."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ir import Type, ops
from ir.interpret import run
from ir.op import leaf
from ir.types import f64
from passes.autodiff.steps import is_batched, over_steps
from tests.samples import SAMPLES, Sample
from tests.support import graph_to

STEPS = 3


def batched() -> list[Sample]:
    return [s for s in SAMPLES if s.tells_batch and is_batched(s.graph().results[0][1])]


@pytest.mark.parametrize("sample", batched(), ids=lambda s: s.id)
def test_over_steps(sample: Sample) -> None:
    graph = sample.graph(f64, 2)
    node, given = graph.results[0][1], sample.values(f64, 2)
    draws = [np.stack([np.roll(x, k) for k in range(STEPS)]) for x in given]
    for stacked in itertools.product((False, True), repeat=len(given)):
        if not any(stacked):
            continue
        leaves = [
            leaf(f"x{i}", Type(x.dtype, (STEPS, *x.shape) if is_stacked else x.shape))
            for i, (x, is_stacked) in enumerate(zip(node.inputs, stacked, strict=True))
        ]
        whole = over_steps(node, leaves, stacked, STEPS)
        values = [d if s else x for d, x, s in zip(draws, given, stacked, strict=True)]
        (found,) = run(graph_to(whole, inputs=leaves), values)
        for k in range(STEPS):
            operands = [d[k] if s else x for d, x, s in zip(draws, given, stacked, strict=True)]
            np.testing.assert_allclose(found[k], run(graph, operands)[0], rtol=1e-12)


def test_there_are_samples_of_each() -> None:
    expected = "add where matmul reshape concat broadcast_to slice sum with_gradient stop_gradient"
    assert set(expected.split()) <= {s.op.name for s in batched()}
    assert not is_batched(ops.get(ops.split(leaf("x", Type(f64, (4,))), axis=0, sizes=(1, 3)), index=0))
