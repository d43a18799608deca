"""What cases of rules are written with: for each rule of simplify what it makes of what (CASES), and graphs on which
it must not fire (REFUSED). The cases are in files named after those of the rules."""

from __future__ import annotations

from collections.abc import Callable

from ir import Node, ops
from ir.dims import Dim
from ir.types import f32
from tests.passes.rewriting import Case, N, Rewrites, arg

CASES: dict[str, Callable[[], Rewrites]] = {}
REFUSED: list[tuple[str, Case]] = []


def case(build: Callable[[], Rewrites]) -> Callable[[], Rewrites]:
    """The function is named after its rule, and gives pairs of an expression and what the rule makes of it."""
    CASES[build.__name__] = build
    return build


def refused(rule: str) -> object:
    def register(build: Case) -> Case:
        REFUSED.append((rule, build))
        return build

    return register


def x(*shape: object, name: str = "x", dtype: object = f32) -> Node:
    return arg(name, *(shape or (N, 3)), dtype=dtype)  # type: ignore[arg-type]


def y(*shape: object) -> Node:
    return x(*shape, name="y")


def mask(node: Node) -> Node:
    return ops.cast(ops.greater(node, 0.0), dtype=f32)


def minus(number: int) -> Node:
    """A number with a sign that is not folded into it yet."""
    return -ops.scalar(number, f32)


def count(size: Dim) -> Node:
    return ops.cast(ops.dim(size=size), dtype=f32)


def by_output(factor: Node) -> Node:
    """A factor for each of four channels as one for each output of a weight."""
    return ops.reshape(ops.reshape(factor, shape=(4,)), shape=(4, 1, 1, 1))
