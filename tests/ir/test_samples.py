"""Every sample: the type rule against the reference, and the text form."""

from __future__ import annotations

import pytest

from ir import ops, parse, to_text, verify
from ir.interpret import run
from ir.types import DTYPES, f64
from tests.samples import SAMPLES, Sample


def ids(samples: list[Sample]) -> list[str]:
    return [sample.id for sample in samples]


def test_every_op_has_a_sample() -> None:
    sampled = {node.op.name for sample in SAMPLES for node in sample.graph().nodes()}
    missing = sorted(set(ops.OPS) - sampled)
    assert not missing, f"these ops have no record in tests/samples.py: {', '.join(missing)}"


def test_samples_differ() -> None:
    assert len(set(ids(SAMPLES))) == len(SAMPLES)


@pytest.mark.parametrize("sample", SAMPLES, ids=ids(SAMPLES))
def test_reference_keeps_its_type_rule(sample: Sample) -> None:
    """The interpreter checks shapes against the rule and casts to its dtype; the cast must change nothing."""
    graph = sample.graph(f64)
    for batch in (1, 2, 5):
        values = sample.values(f64, batch)
        for (name, node), result in zip(graph.results, run(graph, values), strict=True):
            assert result.dtype == node.dtype.numpy, name
    verify(graph)


@pytest.mark.parametrize("sample", SAMPLES, ids=ids(SAMPLES))
def test_text_gives_the_same_object_back(sample: Sample) -> None:
    for dtype in (f64, DTYPES["f16"]):
        graph = sample.graph(dtype)
        text = to_text(graph)
        assert parse(text) is graph
        assert to_text(parse(text)) == text
