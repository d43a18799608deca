"""The helper that rules are tested with: what it lets pass, and what it says where it does not."""

from __future__ import annotations

import pytest
from _pytest.outcomes import Failed

from ir import Node, ops
from passes.rewrite.match import Rules
from tests.passes.rewriting import arg, check_rule

RULES = Rules()
X = arg("x", 2, 3)


@RULES.on("neg")
def right(node: Node) -> Node | None:
    """neg(neg(x)) => x"""
    return node.inputs[0].inputs[0] if node.inputs[0].op is ops.neg else None


@RULES.on("abs")
def wrong(node: Node) -> Node:
    """abs(x) => x"""
    return node.inputs[0]


def test_what_is_expected_passes() -> None:
    check_rule(RULES, "right", [(ops.neg(-X), X), (ops.exp(ops.neg(-X)), ops.exp(X))])


def test_another_graph_fails_and_is_shown_though_its_values_are_right() -> None:
    with pytest.raises(Failed, match="another graph than expected") as failure:
        check_rule(RULES, "right", [(ops.neg(-X), X * 1.0)])
    shown = str(failure.value)
    assert shown.index("original:") < shown.index("neg(v0)")
    assert shown.index("rewritten:") < shown.index("{'y0': x}")
    assert shown.index("expected:") < shown.index("mul(x, 1.0)")


def test_other_values_fail_though_the_graph_is_as_expected() -> None:
    with pytest.raises(Failed, match=r"(?s)changes values.*original:.*rewritten:.*expected:"):
        check_rule(RULES, "wrong", [(ops.abs(X), X)])


def test_a_rule_that_does_not_fire_fails() -> None:
    with pytest.raises(AssertionError, match="right does not fire"):
        check_rule(RULES, "right", [(ops.exp(X), ops.exp(X))])
