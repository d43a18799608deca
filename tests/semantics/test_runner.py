"""The runner tells cases that are right from those that are wrong, and survives them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from ir.errors import LenetcError
from tests.semantics import another, runner
from tests.semantics.case import Case, close, fails, plain
from tests.semantics.runner import Pool, Verdict

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings(
        "ignore:.*fork.*:DeprecationWarning"
    ),  # the children call nothing that threads hold
]


def verdict(run: Callable[[Any, Any], Any], **options: Any) -> tuple[Verdict, Case]:
    pytest.importorskip("torch")
    case = Case("case", run, **options)
    pool = Pool([case], 1)
    (found,) = pool.verdicts([case])
    pool.close()
    return found, case


def compiled(compile: Any) -> bool:
    return getattr(compile, "__module__", "").startswith("lenetc")


def refuse(compile: Any, text: str) -> int:
    if compiled(compile):
        raise LenetcError(text)
    return 1


def test_equal_values_are_the_same() -> None:
    found, case = verdict(lambda torch, compile: [torch.ones(2), 1.0, "text", None, {"a": (1, True)}])
    assert found.status == found.lazily == "same"
    assert not found.problem(case)


@pytest.mark.parametrize(
    "one, other", [(1, 1.0), (1, True), ([1], (1,)), ("1", 1), ({"a": 1}, {"b": 1}), (0.0, 1e-3)]
)
def test_another_value_is_silent(one: Any, other: Any) -> None:
    found, case = verdict(lambda torch, compile: other if compiled(compile) else one)
    assert found.problem(case) == found.status == "silent"


def test_another_value_uncompiled_is_a_problem_unless_it_is_documented() -> None:
    def run(torch: Any, compile: Any) -> Any:
        return torch.__name__ if not compiled(compile) else "torch"

    found, case = verdict(run)
    assert (found.status, found.lazily, found.problem(case)) == ("same", "silent", "uncompiled it is silent")
    assert not found.problem(Case("case", run, lazily="it has another name"))


def test_a_refusal_has_to_be_documented_and_to_name_its_words() -> None:
    found, case = verdict(lambda torch, compile: refuse(compile, "no branch here\n  at line while"))
    assert found.problem(case) == found.status == "refusal"
    assert not found.problem(Case("case", case.run, refused=("branch",)))
    assert "while" in found.problem(Case("case", case.run, refused=("branch", "while")))


def test_a_documented_refusal_that_is_none_is_a_problem() -> None:
    found, case = verdict(lambda torch, compile: 1, refused=("branch",))
    assert "documented to be refused" in found.problem(case)


def test_an_error_of_the_runtime_is_no_refusal() -> None:
    found, _ = verdict(lambda torch, compile: refuse(compile, "ONNX Runtime failed loading the program"))
    assert found.status == "crash"


def test_other_exceptions_signals_and_endless_loops_are_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LIMIT", 3.0)
    ends: list[Callable[[], Any]] = [
        lambda: 1 / 0,
        lambda: os.kill(os.getpid(), signal.SIGKILL),
        lambda: os._exit(0),
        lambda: time.sleep(60),
    ]
    for end in ends:
        found, case = verdict(lambda torch, compile, end=end: end() if compiled(compile) else 1)
        assert found.problem(case) == found.status == "crash", found


def test_a_case_that_pytorch_fails_is_wrong() -> None:
    found, case = verdict(lambda torch, compile: 1 / 0)
    assert found.problem(case) == found.status == "truth"


def test_a_generated_case_has_to_tell_a_stale_function() -> None:
    def run(torch: Any, compile: Any, change: bool) -> Any:
        n = 1.0
        f = compile(lambda x: x * n)
        made = [f(torch.ones(1))]
        n = 2.0 if change else 1.0
        return made, f(torch.ones(1))

    for change in (True, False):
        found, case = verdict(lambda torch, compile, c=change: run(torch, lambda f: f, c), place="closure")
        assert found.tells is False and "cannot tell" in found.problem(case)  # without the compiler given
        found, _ = verdict(lambda torch, compile, c=change: run(torch, compile, c), place="closure")
        assert found.tells is change


def test_cases_do_not_see_each_other() -> None:
    def run(torch: Any, compile: Any) -> Any:
        before = os.environ.get("SEMANTICS_LEFT"), os.getcwd(), torch.is_grad_enabled(), another.scale
        os.environ["SEMANTICS_LEFT"] = "left"
        os.chdir("/")
        torch.set_grad_enabled(False)
        another.scale = 7.0
        return before

    pytest.importorskip("torch")
    cases = [Case(f"case {k}", run) for k in range(3)]
    pool = Pool(cases, 1)
    assert {found.status for found in pool.verdicts(cases)} == {"same"}
    pool.close()


def test_values_are_compared_with_their_types() -> None:
    import numpy as np

    assert plain(np.float32(1.0)) != plain(1.0)
    assert not close(plain(np.array([1], np.int64)), plain(np.array([1], np.int32)))
    assert close(["tensor", "f32", [1.0]], ["tensor", "f32", [1.00001]])
    assert not close(["tensor", "f64", [1.0]], ["tensor", "f64", [1.00001]])
    assert close(float("nan"), float("nan")) and not close(float("inf"), 1.0)
    assert fails(lambda: 1 / 0) == "raised"
