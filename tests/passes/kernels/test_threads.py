"""The number of threads follows from the arithmetic of a program."""

from __future__ import annotations

from ir import Graph, ops
from ir.op import leaf
from ir.types import Type, f32
from passes.kernels.threads import compute_time, threads
from tests.support import graph_to


def product(size: int) -> Graph:
    x, y = (leaf(name, Type(f32, (size, size))) for name in "xy")
    return graph_to(x @ y)


def test_small_programs_run_on_one_thread() -> None:
    assert threads(product(32), 4) == 1
    assert threads(product(512), 4) == 4


def test_what_is_large_without_a_product_counts() -> None:
    x = leaf("x", Type(f32, (4096, 1024)))
    assert threads(graph_to(ops.exp(x)), 2) == 2
    assert compute_time(graph_to(ops.reshape(x, shape=(1024, 4096)))) == 0


def test_a_convolution_counts_what_its_windows_multiply() -> None:
    image, weight = leaf("x", Type(f32, (1, 8, 12, 12))), leaf("w", Type(f32, (16, 8, 5, 5)))
    forward = ops.conv2d(image, weight)
    backward = ops.conv2d_input_grad(forward, weight, size=(12, 12))
    multiply_adds = 8 * 8 * 16 * 8 * 25
    alone = compute_time(graph_to(forward))
    both = compute_time(graph_to(backward))
    assert 0.9 < (both - alone) / alone < 1.1
    assert alone > multiply_adds / 165e3


def test_steps_of_a_scan_are_counted_once() -> None:
    c, x = leaf("c", Type(f32, (32, 32))), leaf("x", Type(f32, (32, 32)))
    body = Graph.make("body", [c, x], [("c", c @ x)])
    xs = leaf("xs", Type(f32, (1000, 32, 32)))
    run = ops.scan(c, xs, body=body, carries=1, sequences=1, length=1000)
    assert threads(graph_to(ops.get(run, index=0), inputs=[c, xs]), 4) == 1
