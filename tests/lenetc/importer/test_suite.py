"""ONNX's own suite of cases, whole: see `suite`."""

from __future__ import annotations

import pytest

from tests.lenetc.importer.suite import cases, cases_of, check, groups, out_of_scope, refusal, unlike

PARTS = 12


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        *((part, False) for part in range(PARTS)),
        *(pytest.param(part, True, marks=pytest.mark.nightly) for part in range(PARTS)),
    ],
)
def test_cases_are_right_or_refused_for_a_reason(part: int, whole: bool) -> None:
    """whole: with the gradients of all cases, not of three of an operator; others written out by simpler operators
    have theirs in those."""
    failed, inside, total = [], 0, 0
    for group in groups()[part::PARTS]:
        made = [case for case in cases_of(group) if not out_of_scope(case)]
        inside, total = inside + len(made), total + len(cases_of(group))
        with_gradient = unlike([case for case in made if "_expanded" not in case.name], 3)
        for case in made:
            outcome, text = check(case, whole or case.name in with_gradient)
            if not (outcome == "right" or (outcome == "refused" and refusal(case))):
                failed.append(f"{outcome} {case.name}: {text}")
    assert not failed, "\n".join(failed)
    assert inside >= 0.7 * total  # a case that nobody runs any more would not be missed


@pytest.mark.nightly  # all cases are made for it
def test_most_cases_are_in_scope() -> None:
    inside = [case for case in cases() if not out_of_scope(case)]
    assert len(inside) >= 1700 and sum(bool(refusal(case)) for case in inside) < 0.02 * len(inside)
