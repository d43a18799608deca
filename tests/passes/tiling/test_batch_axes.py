"""Every rule of `tiling.batch_axes` against NumPy: slices of the operands give slices of the result, or parts of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from ir import Node
from ir.op import OPS, leaf
from ir.types import Array, Type, dtype_of
from passes.tiling.batch_axes import AFTER, FIXED, RULES, SUM, Place, resized
from tests.samples import SAMPLES, Sample

RULED = [sample for sample in SAMPLES if sample.op.name in RULES]


def labelings(values: list[Array]) -> Iterator[tuple[Place, ...]]:
    """Every way to give some operands a batch axis, all of one size above 1."""
    for places in itertools.product(*((FIXED, *range(x.ndim)) for x in values)):
        sizes = {x.shape[p] for x, p in zip(values, places, strict=True) if isinstance(p, int)}
        if len(sizes) == 1 and sizes != {1}:
            yield places


def sliced(x: Array, axis: int, start: int, stop: int) -> Array:
    return np.take(x, range(start, stop), axis)


def at_size(node: Node, place: Place, operands: list[Array], size: int) -> Array:
    """The op of `node` on other operands, with its batch resized."""
    attrs = resized(node, place, size) if isinstance(place, int) else dict(node.attrs)
    leaves = [leaf(f"x{i}", Type(dtype_of(x), x.shape)) for i, x in enumerate(operands)]
    smaller = OPS[node.op.name](*leaves, **attrs)
    result: Array = node.op.reference(*operands, **attrs)
    assert smaller.shape == result.shape
    return result


def check(node: Node, values: list[Array], places: tuple[Place, ...]) -> Place:
    """The place that the rule gives, found right by computing the node in two parts."""
    place, cuts = RULES[node.op.name](node, places)
    if place == AFTER:
        return place
    axes = {i: p for i, p in enumerate(places) if isinstance(p, int)} | cuts
    assert all(places[i] == FIXED for i in cuts)
    first = next(i for i, p in enumerate(places) if isinstance(p, int))
    size = values[first].shape[axes[first]]
    whole = node.op.reference(*values, **node.attrs)
    middle = size // 2
    pieces = []
    for start, stop in ((0, middle), (middle, size)):
        operands = [sliced(x, axes[i], start, stop) if i in axes else x for i, x in enumerate(values)]
        pieces.append(at_size(node, place, operands, stop - start))
    joined = pieces[0] + pieces[1] if place == SUM else np.concatenate(pieces, place)  # type: ignore[arg-type]
    np.testing.assert_allclose(joined, whole, rtol=1e-5, atol=1e-5)
    return place


@pytest.mark.parametrize("sample", RULED, ids=lambda s: s.id)
def test_parts_make_the_whole(sample: Sample) -> None:
    values = sample.values(batch=4)[: len(sample.operands)]
    graph = sample.graph(batch=4)
    node = graph.outputs[0]
    if node.op is not sample.op:
        pytest.skip("a sample of several results")
    for places in labelings(values):
        check(node, values, places)


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_tells_samples_apart_somewhere(name: str) -> None:
    """A rule that always gave AFTER would be right, and of no use."""
    found = set()
    for sample in RULED:
        node = sample.graph(batch=4).outputs[0]
        if sample.op.name == name and node.op is sample.op:
            values = sample.values(batch=4)[: len(sample.operands)]
            found |= {RULES[name](node, places)[0] for places in labelings(values)}
    if name in ("scatter_add", "put_along_axis", "sum", "matmul", "conv2d_weight_grad"):
        assert SUM in found
    assert found - {AFTER}
