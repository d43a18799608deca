"""Every op that PyTorch has, and random programs: values and gradients are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir import ops
from ir.interpret import run
from ir.types import DType, f32, f64
from tests.parity.torch_functions import PROGRAMS, TORCH, torch
from tests.programs import IR, draw_program
from tests.samples import SAMPLES, Sample
from tests.support import gradient_graph

LOWERED = {op for op in ops.OPS.values() if op.reference.__module__ == "ir.ops.fused"}  # have no gradient
WITHOUT = {"const", "dim", "scan", "cond", "custom"}  # PyTorch has no such function
COMPARED = [s for s in SAMPLES if s.op.name not in WITHOUT]
GRADED = [s for s in COMPARED if any(x.dtype is None for x in s.operands) and s.op not in LOWERED]


def ids(samples: list[Sample]) -> list[str]:
    return [sample.id for sample in samples]


def test_every_op_has_a_counterpart() -> None:
    assert set(TORCH) == {sample.op.name for sample in COMPARED}
    assert set(IR) <= set(PROGRAMS)


def counterpart(sample: Sample, values: list[Any], dtype: DType, batch: int) -> list[Any]:
    """PyTorch's results, one for each of the op's."""
    node = next(
        n for n in sample.graph(dtype, batch).nodes() if n.op is sample.op
    )  # its attributes have N put in
    found = TORCH[sample.op.name](*values[: len(sample.operands)], **node.attrs)
    return list(found) if isinstance(found, tuple) else [found]


def tensors(values: list[Any]) -> list[Any]:
    return [torch.from_numpy(x.copy()).requires_grad_(x.dtype.kind == "f") for x in values]


@pytest.mark.parametrize("sample", COMPARED, ids=ids(COMPARED))
def test_values(sample: Sample) -> None:
    for dtype in (f32, f64):
        values = sample.values(dtype, 3)
        theirs = [y.numpy(force=True) for y in counterpart(sample, tensors(values), dtype, 3)]
        for got, want in zip(run(sample.graph(dtype, 3), values), theirs, strict=True):
            assert (got.dtype, got.shape) == (want.dtype, want.shape)
            # Some ops are for f32 only.
            rtol, atol = (1e-4, 1e-5) if got.dtype == np.float32 else (1e-10, 1e-12)
            np.testing.assert_allclose(got, want, rtol, atol)


@pytest.mark.parametrize("sample", GRADED, ids=ids(GRADED))
def test_gradients(sample: Sample) -> None:
    """Gradients, and gradients of those, at ties too."""
    graph, values = sample.graph(f64, 2), sample.values(f64, 2)
    theirs = tensors(values)
    outputs = [y for y in counterpart(sample, theirs, f64, 2) if y.is_floating_point()]
    inputs = [x for x in theirs if x.requires_grad]
    for _ in range(2):
        if not any(x.requires_grad for x in outputs):
            return
        made, wrt = gradient_graph(graph)
        rng = np.random.default_rng(1)
        cotangents = [
            torch.from_numpy(rng.standard_normal(y.shape)).to(y.dtype).requires_grad_() for y in outputs
        ]
        pairs = [(y, ct) for y, ct in zip(outputs, cotangents, strict=True) if y.requires_grad]
        expected = torch.autograd.grad(
            [y for y, _ in pairs], inputs, [ct for _, ct in pairs], create_graph=True, allow_unused=True
        )
        values = [*values, *(ct.numpy(force=True) for ct in cotangents)]
        of = dict(zip([n for n in graph.inputs if n.dtype.is_float], expected, strict=False))
        found = dict(zip(wrt, run(made, values), strict=True))
        for node, want in of.items():
            got = found.get(node)
            if want is None or got is None:  # no gradient is a gradient of zero
                rest = got if want is None else want.numpy(force=True)
                assert rest is None or not np.any(rest)
                continue
            np.testing.assert_allclose(got, want.numpy(force=True), rtol=1e-9, atol=1e-9)
        outputs = [of[node] for node in wrt if of[node] is not None]
        inputs = [*inputs, *cotangents]
        graph = made
        if len(outputs) != len(made.results):
            return


def check_program(seed: int) -> None:
    program = draw_program(seed, length=12)
    values = program.inputs(f64)
    theirs = tensors(values)
    all_values = program.run(PROGRAMS, theirs)
    results = [all_values[i] for i in program.results]
    graph = program.graph(f64)
    for got, want in zip(run(graph, values), results, strict=True):
        np.testing.assert_allclose(got, want.numpy(force=True), rtol=1e-8, atol=1e-10)
    rng = np.random.default_rng(seed)
    cotangents = [rng.standard_normal(x.shape) for x in results]
    expected = torch.autograd.grad(
        results, theirs, [torch.from_numpy(ct) for ct in cotangents], allow_unused=True
    )
    made, wrt = gradient_graph(graph)
    found = dict(zip(wrt, run(made, [*values, *cotangents]), strict=True))
    for node, want in zip(graph.inputs, expected, strict=True):
        got = found.get(node, np.zeros(1))
        np.testing.assert_allclose(got, 0 if want is None else want.numpy(force=True), rtol=1e-7, atol=1e-9)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_random_programs(seed: int) -> None:
    check_program(seed)


@pytest.mark.slow
@settings(max_examples=3_000, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_many_random_programs(seed: int) -> None:
    check_program(seed)
