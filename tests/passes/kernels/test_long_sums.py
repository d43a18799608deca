"""Long sums lose no more than PyTorch's, which are pairwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from ir import Node, ops
from ir.interpret import run
from ir.op import leaf
from ir.types import Type, f32, f64
from passes.emit.model import to_onnx
from passes.kernels.exact import exact
from passes.pipeline import run_pipeline
from passes.strategies.finite import choice
from passes.target import Target
from tests.support import graph_to, run_model

SUMS: dict[str, tuple[tuple[int, ...], Callable[[Node], Node]]] = {
    "all": ((200_000,), lambda x: ops.sum(x, axes=(0,))),
    "all of a prime number": ((200_003,), lambda x: ops.sum(x, axes=(0,))),
    "all of images": ((40, 5, 1000), lambda x: ops.sum(x, axes=(0, 1, 2), keepdims=True)),
    "last": ((3, 100_000), lambda x: ops.sum(x, axes=(1,))),
    "last two": ((3, 100, 1000), lambda x: ops.sum(x, axes=(1, 2), keepdims=True)),
    "first": ((200_000, 2), lambda x: ops.sum(x, axes=(0,))),
    "first of a prime number": ((200_003, 2), lambda x: ops.sum(x, axes=(0,))),
    "outer": ((2, 3, 100_000), lambda x: ops.sum(x, axes=(0, 2))),
    "middle": ((2, 100_000, 3), lambda x: ops.sum(x, axes=(1,), keepdims=True)),
    "two long ones": ((40_000, 1, 40_000 // 1000), lambda x: ops.sum(x, axes=(0, 2))),
    "product": (
        (300_000,),
        lambda x: ops.reshape(x, shape=(1, 300_000)) @ ops.reshape(x, shape=(300_000, 1)),
    ),
    "of a prime number": (
        (200_003,),
        lambda x: ops.reshape(x, shape=(1, 200_003)) @ ops.reshape(x, shape=(200_003, 1)),
    ),
    "running": ((2, 100_000), lambda x: ops.cumsum(x, axis=1)),
}


@pytest.mark.parametrize("name", SUMS)
def test_of_many_equal_numbers_nothing_is_lost(name: str) -> None:
    shape, build = SUMS[name]
    x = leaf("x", Type(f32, shape))
    model = to_onnx(run_pipeline(graph_to(build(x), inputs=[x]), Target(operators="ort"))[-1].graph).model
    wide = leaf("x", Type(f64, shape))
    values = np.full(shape, 0.1, np.float32)
    (found,) = run_model(model, {"x": values})
    (want,) = run(graph_to(build(wide), inputs=[wide]), [values.astype(np.float64)])
    np.testing.assert_allclose(found, want, rtol=1e-5)


def test_what_is_short_or_only_told_by_is_left() -> None:
    x, long = leaf("x", Type(f32, (4, 1000))), leaf("y", Type(f32, (100_000,)))
    both = [x, long]
    for node in (
        ops.sum(x, axes=(0, 1)),
        ops.cumsum(x, axis=1),
        x @ ops.transpose(x, perm=(1, 0)),
        ops.get(choice(both, both, [-x], [x]), index=0),
    ):
        graph = graph_to(node, inputs=[x, long])
        assert exact(graph, Target(operators="ort"), Counter()) is graph
