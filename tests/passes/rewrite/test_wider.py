"""Narrow dtypes: what the CPU has no kernel for goes through a wider one, and nothing else does."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ir import Node, ops
from ir.types import DType, Type, bf16, f32, i8, i16, i32
from passes.rewrite.wider import widened
from tests.passes.rewriting import arg
from tests.support import check_runtime, graph_to


def cast(x: Node, dtype: DType) -> Node:
    return ops.cast(x, dtype=dtype)


def x(dtype: DType) -> Node:
    return arg("x", 3, dtype=dtype)


CASES = [
    (ops.exp(x(bf16)), cast(ops.exp(cast(x(bf16), f32)), bf16)),
    (ops.less(x(bf16), 1.0), ops.less(cast(x(bf16), f32), cast(cast(ops.scalar(1.0, f32), bf16), f32))),
    (ops.maximum(x(i16), x(i16)), cast(ops.maximum(cast(x(i16), i32), cast(x(i16), i32)), i16)),
    (ops.argmax(x(i16), axis=0), ops.argmax(cast(x(i16), i32), axis=0)),
    (ops.reshape(x(bf16), shape=(3, 1)), None),
    (x(i16) + x(i16), None),
    (ops.maximum(x(i8), x(i8)), None),
]


@pytest.mark.parametrize(("given", "expected"), CASES, ids=[str(given) for given, _ in CASES])
def test_what_has_no_kernel_is_widened(given: Node, expected: Node | None) -> None:
    graph = graph_to(given)
    assert widened(graph, "cpu", Counter()).outputs == (given if expected is None else expected,)
    assert widened(graph, "cuda", Counter()) is graph


@pytest.mark.parametrize("name", ["add", "sub", "mul", "maximum", "minimum", "where", "equal", "less"])
@pytest.mark.parametrize("dtype", [i8, i16], ids=str)
def test_integers_wrap_around_in_the_runtime(name: str, dtype: DType) -> None:
    a, b = (arg(name, 4, dtype=dtype) for name in ("a", "b"))
    node = ops.where(ops.less(a, b), a, b) if name == "where" else ops.OPS[name](a, b)
    info = np.iinfo(dtype.numpy.name)
    values = [
        np.array([info.min, info.max, -1, 5], dtype.numpy),
        np.array([-1, info.max, info.min, 3], dtype.numpy),
    ]
    assert graph_to(node).inputs[0].ty == Type(dtype, (4,))
    check_runtime(widened(graph_to(node, inputs=(a, b)), "cpu", Counter()), values)
