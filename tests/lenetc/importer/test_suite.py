"""ONNX's own suite of cases, whole: see `suite`."""

from __future__ import annotations

import pytest

from tests.lenetc.importer.suite import cases, check, out_of_scope, refusal

PARTS = 12


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        *((part, False) for part in range(PARTS)),
        *(pytest.param(part, True, marks=pytest.mark.nightly) for part in range(PARTS)),
    ],
)
def test_cases_are_right_or_refused_for_a_reason(part: int, whole: bool) -> None:
    """whole: with the gradients of cases that are others written out by simpler operators, which have theirs."""
    failed = []
    for case in cases()[part::PARTS]:
        outcome, text = check(case, whole or not case.name.endswith("_expanded"))
        if not (outcome in ("right", "out") or (outcome == "refused" and refusal(case))):
            failed.append(f"{outcome} {case.name}: {text}")
    assert not failed, "\n".join(failed)


def test_most_cases_are_in_scope() -> None:
    """A case that nobody runs any more would not be missed."""
    inside = [case for case in cases() if not out_of_scope(case)]
    assert len(inside) >= 1700 and sum(bool(refusal(case)) for case in inside) < 0.02 * len(inside)
