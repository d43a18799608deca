"""Every sample: gradients to second order, and ONNX Runtime against the interpreter."""

from __future__ import annotations

import pytest

from ir import ops
from ir.types import f32, f64
from lenetc.runtime import lanes
from passes.autodiff.registry import CONSTANT, RULES
from passes.emit.builder import EMISSIONS
from passes.emit.model import IR_VERSIONS, EmitError
from passes.target import Target
from tests.samples import SAMPLES, Sample
from tests.support import check_gradients, check_runtime, lowered, run_onnx


def ids(samples: list[Sample]) -> list[str]:
    return [sample.id for sample in samples]


IN_LANES = {
    ops.to_lanes,
    ops.from_lanes,
    ops.conv2d_lanes,
    ops.conv2d_samples_lanes,
    ops.affine_lanes,
    ops.mean_lanes,
}
LOWERED = {
    ops.gemm,
    ops.max_unpool2d,
    ops.cond,
    ops.split,
    *IN_LANES,
}  # made when gradients are made already
SMOOTH = [s for s in SAMPLES if s.differentiable and s.op not in CONSTANT | LOWERED]
LEAVES = {"input"}  # bound by the caller


def test_every_op_has_a_gradient() -> None:
    known = {op.name for op in (*RULES, *CONSTANT, *LOWERED)} | {"get"}  # the driver handles get
    missing = sorted(set(ops.OPS) - known)
    assert not missing, (
        f"these ops have no rule in passes/autodiff/table.py and are not in CONSTANT: {', '.join(missing)}"
    )


def test_every_op_has_an_emission_or_a_strategy() -> None:
    emitted = {op.name for op in EMISSIONS} | LEAVES
    missing = set(ops.OPS) - emitted
    for sample in SAMPLES:
        if sample.op.name in missing and all(n.op in EMISSIONS for n in lowered(sample.graph()).operations()):
            missing.discard(sample.op.name)
    assert not missing, f"these ops have neither an emission nor a strategy: {', '.join(sorted(missing))}"


@pytest.mark.parametrize("sample", SMOOTH, ids=ids(SMOOTH))
def test_gradient(sample: Sample) -> None:
    check_gradients(sample.graph(f64, 2), sample.values(f64, 2), order=2)


RUN = [s for s in SAMPLES if s.op not in IN_LANES or lanes("cpu")]


@pytest.mark.parametrize("sample", RUN, ids=ids(RUN))
def test_runtime(sample: Sample) -> None:
    check_runtime(sample.graph(f32, 2), sample.values(f32, 2))


@pytest.mark.parametrize("sample", RUN, ids=ids(RUN))
def test_runtime_with_a_symbolic_batch(sample: Sample) -> None:
    """One model for any batch: run it for two sizes."""
    graph = sample.graph(f32)
    for batch in (1, 3):
        check_runtime(graph, sample.values(f32, batch))


# One for each op and dtypes of its operands: what is written otherwise in another opset depends on nothing else.
KINDS = list({(s.op, s.attrs.get("reduction"), *(x.dtype for x in s.operands)): s for s in RUN}.values())
OLDEST, NEWEST = (Target(opset=end(IR_VERSIONS)) for end in (min, max))


@pytest.mark.parametrize("sample", KINDS, ids=ids(KINDS))
def test_oldest_and_newest_opset(sample: Sample) -> None:
    """What one opset lacks is refused, and tells which one has it."""
    graph, values = sample.graph(f32), sample.values(f32)
    if sample.op.name.startswith("bitwise") or sample.attrs.get("reduction") in ("max", "min"):
        with pytest.raises(EmitError, match=f"{sample.op.name} is written with .* export with opset=18"):
            run_onnx(graph, values, target=OLDEST)
    else:
        check_runtime(graph, values, target=OLDEST)
    check_runtime(graph, values, target=NEWEST)
