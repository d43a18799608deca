"""What instructions of Python's name, and what becomes of one that nobody knows."""

import dis
import os
from collections.abc import Iterator
from types import CodeType
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from lenetc.compiler.reads.instructions import instructions_of, is_known, names_in
from lenetc.compiler.reads.names import line_of, names_of


def test_every_instruction_of_this_python_is_known() -> None:
    some = instructions_of(compile("", "", "exec"))[0]
    unknown = {
        name
        for name, opcode in dis.opmap.items()
        if not is_known(some._replace(opname=name, opcode=opcode)) and not name.startswith("INSTRUMENTED_")
    }
    # Those that stand in no function: of the interpreter, of its compiler alone.
    assert unknown <= {
        *("EXTENDED_ARG", "PRINT_EXPR", "RESERVED", "ENTER_EXECUTOR", "INTERPRETER_EXIT", "EXIT_INIT_CHECK"),
        *("SETUP_CLEANUP", "SETUP_FINALLY", "SETUP_WITH", "ANNOTATIONS_PLACEHOLDER"),
        *("LOAD_SUPER_METHOD", "LOAD_ZERO_SUPER_ATTR", "LOAD_ZERO_SUPER_METHOD"),
    }


@pytest.fixture
def invent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Let an instruction of some code be one that no Python has, of which nothing is known."""
    get, opcode = dis.get_instructions, next(n for n in range(256) if dis.opname[n].startswith("<"))
    invented: dict[CodeType, str] = {}

    def changed(code: CodeType) -> Iterator[dis.Instruction]:
        for found in get(code):
            if invented.get(code) == found.opname:
                found = found._replace(opname="INVENTED", opcode=opcode, argval=None, argrepr="")
            yield found

    monkeypatch.setattr(dis, "get_instructions", changed)
    names_of.cache_clear()
    yield invented.__setitem__
    names_of.cache_clear()


@pytest.mark.parametrize("opname", ["LOAD_GLOBAL", "LOAD_ATTR"])
def test_an_instruction_that_nobody_knows_is_traced_at_every_call(opname: str, invent: Any) -> None:
    space: dict[str, Any] = {"c": type("C", (), {"k": 2.0})}
    exec("def f(x): return x * c.k", space)
    invent(space["f"].__code__, opname)
    f = lenetc.compile(space["f"])
    with pytest.warns(lenetc.RetraceWarning, match="INVENTED"):
        assert f(lenetc.ones(1)).item() == 2.0
    space["c"].k = 5.0
    assert f(lenetc.ones(1)).item() == 5.0
    space["c"] = type("C", (), {"k": 7.0})
    assert f(lenetc.ones(1)).item() == 7.0


def test_an_instruction_that_nobody_knows_may_compare_classes(invent: Any) -> None:
    def f(a: Any) -> Any:
        return a * (2 if type(a) is np.ndarray else 3)

    invent(f.__code__, "IS_OP")
    with pytest.raises(LenetcError, match="isinstance"):
        lenetc.compile(f)(np.ones(2, np.float32))


def test_an_instruction_may_name_two_variables() -> None:
    def f(a: Any, b: Any) -> Any:
        c = a
        return [max(c, b), os.path]

    assert {"a", "b", "c"} <= {name for item in instructions_of(f.__code__) for name in names_in(item)}
    assert {"a", "b", "c", "path"} <= names_of(f.__code__).handed
    first = f.__code__.co_firstlineno
    assert [line_of(f.__code__, name) for name in ("a", "c", "b", "gone")] == [
        first + 1,
        first + 1,
        first + 2,
        None,
    ]
