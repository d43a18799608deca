"""Instructions of Python's, as far as names can be told from them. They change with every version of Python: what they
mean is asked of `dis` where it tells, and an instruction that is not known is said to be none."""

from __future__ import annotations

import dis
from types import CodeType

# By the names that the code lists: of globals and builtins, of attributes, of modules.
OF_GLOBALS = frozenset(
    "LOAD_GLOBAL LOAD_NAME LOAD_FROM_DICT_OR_GLOBALS STORE_GLOBAL STORE_NAME DELETE_GLOBAL DELETE_NAME".split()
)
OF_ATTRIBUTES = frozenset("LOAD_ATTR LOAD_METHOD LOAD_SUPER_ATTR STORE_ATTR DELETE_ATTR IMPORT_FROM".split())
OF_MODULES = frozenset(("IMPORT_NAME",))
BY_NAME = frozenset(dis.hasname)
_CONSTANTS, _JUMPS = frozenset(dis.hasconst), frozenset((*dis.hasjrel, *dis.hasjabs))
# Whose argument is a variable of the function, a constant, another instruction or a comparison, which is all they name.
_OF_THE_FUNCTION = _CONSTANTS | _JUMPS | frozenset((*dis.haslocal, *dis.hasfree, *dis.hascompare))
# That name nothing: of what they are given they call special methods alone. Those of Python 3.11 to 3.14.
_NAMELESS = frozenset(
    (
        "ASYNC_GEN_WRAP BEFORE_ASYNC_WITH BEFORE_WITH BINARY_OP BINARY_SLICE BINARY_SUBSCR BUILD_CONST_KEY_MAP "
        "BUILD_INTERPOLATION BUILD_LIST BUILD_MAP BUILD_SET BUILD_SLICE BUILD_STRING BUILD_TEMPLATE BUILD_TUPLE CACHE "
        "CALL CALL_FUNCTION_EX CALL_INTRINSIC_1 CALL_INTRINSIC_2 CALL_KW CHECK_EG_MATCH CHECK_EXC_MATCH CLEANUP_THROW "
        "CONTAINS_OP CONVERT_VALUE COPY COPY_FREE_VARS DELETE_SUBSCR DICT_MERGE DICT_UPDATE END_ASYNC_FOR END_FOR "
        "END_SEND FORMAT_SIMPLE FORMAT_VALUE FORMAT_WITH_SPEC GET_AITER GET_ANEXT GET_AWAITABLE GET_ITER GET_LEN "
        "GET_YIELD_FROM_ITER IMPORT_STAR IS_OP LIST_APPEND LIST_EXTEND LIST_TO_TUPLE LOAD_ASSERTION_ERROR "
        "LOAD_BUILD_CLASS LOAD_COMMON_CONSTANT LOAD_LOCALS LOAD_SMALL_INT LOAD_SPECIAL MAKE_FUNCTION MAP_ADD "
        "MATCH_CLASS MATCH_KEYS MATCH_MAPPING MATCH_SEQUENCE NOP NOT_TAKEN POP_BLOCK POP_EXCEPT POP_ITER POP_TOP "
        "PRECALL PREP_RERAISE_STAR PUSH_EXC_INFO PUSH_NULL RAISE_VARARGS RERAISE RESUME RETURN_GENERATOR RETURN_VALUE "
        "SETUP_ANNOTATIONS SET_ADD SET_FUNCTION_ATTRIBUTE SET_UPDATE STORE_SLICE STORE_SUBSCR SWAP TO_BOOL "
        "UNARY_INVERT UNARY_NEGATIVE UNARY_NOT UNARY_POSITIVE UNPACK_EX UNPACK_SEQUENCE WITH_EXCEPT_START YIELD_VALUE"
    ).split()
)
_KNOWN = OF_GLOBALS | OF_ATTRIBUTES | OF_MODULES | _NAMELESS


def instructions_of(code: CodeType) -> list[dis.Instruction]:
    """Those of `code`, without what only lengthens the argument of the next."""
    return [item for item in dis.get_instructions(code) if item.opname != "EXTENDED_ARG"]


def is_known(instruction: dis.Instruction) -> bool:
    """Whether it is known what an instruction names; a Python to come may have others."""
    return instruction.opname in _KNOWN or instruction.opcode in _OF_THE_FUNCTION


def names_in(instruction: dis.Instruction) -> tuple[str, ...]:
    """The names of variables, globals or attributes that an instruction loads or stores: mostly one, in Python 3.13
    two variables as well."""
    found = instruction.argval
    if type(found) is str:
        return () if instruction.opcode in _CONSTANTS else (found,)
    if type(found) is not tuple or instruction.opcode in _CONSTANTS:
        return ()
    return tuple(name for name in found if type(name) is str)


# How this Python calls a function that stands in a variable: it leaves room on its stack before or after it.
_CALLING = [item.opname for item in dis.get_instructions(compile("f()", "<a call>", "eval"))]
_LOADED = _CALLING.index("LOAD_NAME")
_ROOM = _CALLING.index("PUSH_NULL") - _LOADED if "PUSH_NULL" in _CALLING else 0
_CALL = _CALLING[_LOADED + max(_ROOM, 0) + 1]


def is_called(instructions: list[dis.Instruction], at: int) -> bool:
    """Whether what is loaded there is called next, rather than passed on."""
    here = instructions[at]
    if here.opname == "LOAD_METHOD" or ("NULL" in here.argrepr and here.argrepr != here.argval):
        return True
    if not 0 <= at + _ROOM < len(instructions) or instructions[at + _ROOM].opname != "PUSH_NULL":
        return False
    # The room before it may be for an attribute of it.
    return _ROOM > 0 or at + 1 == len(instructions) or instructions[at + 1].opname not in OF_ATTRIBUTES


def call_from(
    instructions: list[dis.Instruction], at: int
) -> tuple[dis.Instruction | None, list[dis.Instruction | None]]:
    """The call of what is loaded at `at`, and what came last for each of its arguments; None where it is not plain to
    see."""
    if not is_called(instructions, at):
        return None, []
    # By how much is on the stack above the function and the room beside it, what came there last.
    made: dict[int, dis.Instruction] = {}
    depth = 0
    for index in range(_after(instructions, at), len(instructions)):
        instruction = instructions[index]
        if instruction.opname == _CALL and instruction.arg == depth:
            call = instruction if _CALL == "CALL" else instructions[index + 1]
            return call, [made.get(place + 1) for place in range(depth)]
        if instruction.opcode in _JUMPS or not is_known(instruction):
            return None, []
        depth += dis.stack_effect(instruction.opcode, instruction.arg)
        made = {height: item for height, item in made.items() if height < depth}
        made[depth] = instruction
    return None, []


def _after(instructions: list[dis.Instruction], at: int) -> int:
    """Where the arguments of the call of what is loaded at `at` begin."""
    return at + 2 if _ROOM > 0 and instructions[at + 1].opname == "PUSH_NULL" else at + 1


def is_constant(arguments: list[dis.Instruction | None], place: int) -> bool:
    """Whether the argument at `place`, from 1 on or from -1 back, is a constant of the code's; 0 is none."""
    index = place - 1 if place > 0 else place
    if not place or not -len(arguments) <= index < len(arguments):
        return False
    made = arguments[index]
    return made is not None and made.opname == "LOAD_CONST"


def path_of(
    instructions: list[dis.Instruction], at: int, arguments: list[dis.Instruction | None]
) -> tuple[str, ...]:
    """The variable and the attributes that the first argument of the call from `at` is read by; () for any other."""
    found: list[str] = []
    last = None
    for instruction in instructions[_after(instructions, at) :]:
        names = names_in(instruction)
        if not found and instruction.opcode in dis.haslocal and len(names) == 2:  # two variables at once
            return names[:1] if arguments[:1] == [None] else ()
        is_attribute = instruction.opname == "LOAD_ATTR" and "NULL" not in instruction.argrepr
        if not (is_attribute if found else instruction.opname in _VARIABLE):
            break
        found += names
        last = instruction
    return tuple(found) if last is not None and arguments[:1] == [last] else ()


_VARIABLE = ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_GLOBAL", "LOAD_NAME")
