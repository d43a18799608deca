"""What operations cost on the runtime, in microseconds: a model fitted to measurements on two cores of a server.

Absolute numbers differ from machine to machine; what decides is their ratios, and how they grow with the batch.
"""

from __future__ import annotations

NODE = 1.5  # of any operator, however small its work


def flops(count: float, rate: float) -> float:
    """`count` multiply-adds at `rate` thousand million a second."""
    return count / rate / 1e3


def elementwise(elements: float, passes: float = 1) -> float:
    """`passes` elementwise operators over f32[elements]."""
    return passes * (NODE + elements * 2.2e-4)


def transpose(elements: float) -> float:
    """A transpose of two axes."""
    return NODE + elements * 3e-4


def gather(rows: float, row: float) -> float:
    """`rows` rows of `row` elements each."""
    return NODE + rows * (0.004 + row * 6e-5)


def product(m: float, k: float, n: float) -> float:
    """[m,k] @ [k,n]."""
    return NODE + m * k * n / 1.0e5 + k * n * 8e-5
