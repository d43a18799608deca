"""Operands in the form that the CPU's kernels are fast with: the rules, and what the runtime makes of attention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from ir import Node, ops
from passes.kernels.fuse import fuse
from passes.kernels.operands import OF_RESULTS
from passes.kernels.operands import RULES as OF_OPERANDS
from passes.rewrite.driver import rewrite
from passes.rewrite.match import Rules
from passes.target import Target
from tests.passes.rewriting import Case, N, Rewrites, arg, check_rule, graph_of, only, open_session

RULES = Rules((*OF_RESULTS, *OF_OPERANDS))
Q, K, V = arg("q", N, 2, 5, 4), arg("k", N, 6, 2, 4), arg("v", N, 2, 6, 3)
COLUMN, NUMBER = arg("c", N, 1), ops.literal(np.array([[2.0]], np.float32))


def turned(x: Node, *perm: int) -> Node:
    return ops.transpose(x, perm=perm)


def folded(x: Node) -> Node:
    """x[N,2,A,B] as [N*2,A,B]."""
    return ops.reshape(x, shape=(N * 2, *x.shape[2:]))


CASES: dict[str, Rewrites] = {
    "rows_stay_whole": [
        (
            Q @ turned(K, 0, 2, 3, 1),
            ops.reshape(folded(Q) @ turned(folded(turned(K, 0, 2, 1, 3)), 0, 2, 1), shape=(N, 2, 5, 6)),
        ),
        (
            turned(K, 0, 2, 3, 1) @ V,
            ops.reshape(turned(folded(turned(K, 0, 2, 1, 3)), 0, 2, 1) @ folded(V), shape=(N, 2, 4, 3)),
        ),
    ],
    "product_in_rows": [
        (
            turned(Q @ turned(arg("k", N, 2, 6, 4), 0, 1, 3, 2), 0, 3, 1, 2),
            turned(arg("k", N, 2, 6, 4) @ turned(Q, 0, 1, 3, 2), 0, 2, 1, 3),
        ),
    ],
    "column_takes_number": [
        (COLUMN + 2.0, COLUMN + NUMBER),
        (ops.greater(COLUMN, 2.0), ops.greater(COLUMN, NUMBER)),
    ],
}

REFUSED: dict[str, tuple[str, Case]] = {
    "the last two axes alone": ("rows_stay_whole", lambda: Q @ turned(arg("k", N, 2, 6, 4), 0, 1, 3, 2)),
    "rows that are whole": ("rows_stay_whole", lambda: turned(K, 0, 2, 1, 3) @ arg("v", N, 2, 4, 3)),
    "other leading axes": ("rows_stay_whole", lambda: arg("q", 5, 4) @ turned(K, 0, 2, 3, 1)),
    "a product that is needed": (
        "product_in_rows",
        lambda: ((y := Q @ arg("w", N, 2, 4, 3)), turned(y, 0, 3, 1, 2)),
    ),
    "a product in rows": ("product_in_rows", lambda: turned(Q @ arg("w", N, 2, 4, 3), 0, 2, 1, 3)),
    "a row": ("column_takes_number", lambda: arg("r", 1, 4) + 2.0),
    "a product that takes the number": (
        "column_takes_number",
        lambda: (arg("r", 3, 4) @ arg("w", 4, 1)) * 2.0,
    ),
}


def test_every_rule_has_a_case() -> None:
    assert {rule.__name__ for _, rule in RULES} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_rule(name: str) -> None:
    check_rule(RULES, name, CASES[name])


@pytest.mark.parametrize("why", REFUSED)
def test_rule_refuses(why: str) -> None:
    name, build = REFUSED[why]
    before = graph_of(build())
    assert rewrite(before, only(RULES, name)) is before


def test_the_runtime_moves_whole_rows(tmp_path: Path) -> None:
    """Scores of attention and their gradient for keys, as the runtime has optimized them: no transpose of it puts
    another axis last, and the products exchange the axes."""
    q, k, g = arg("q", 3, 5, 2, 4), arg("k", 3, 6, 2, 4), arg("g", 3, 2, 5, 6)
    queries = turned(q, 0, 2, 1, 3)
    scores = queries @ turned(k, 0, 2, 3, 1)
    dk = turned(turned(queries, 0, 1, 3, 2) @ g, 0, 3, 1, 2)
    graph, _ = fuse(graph_of((scores, dk)), Target())
    open_session(graph, tmp_path / "optimized.onnx")
    nodes = onnx.load(str(tmp_path / "optimized.onnx")).graph.node
    perms = [list(node.attribute[0].ints) for node in nodes if node.op_type == "Transpose"]
    assert perms and all(perm[-1] == len(perm) - 1 for perm in perms)
    assert [node.op_type for node in nodes].count("FusedMatMul") == 2
