"""Where gradient rules register, by op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ir.errors import LenetcError
from ir.node import Node
from ir.op import Op

Gradient: TypeAlias = "Node | None"
Rule = Callable[..., "Gradient | tuple[Gradient, ...]"]
RULES: dict[Op, Rule] = {}
CONSTANT: set[Op] = set()  # ops whose derivative is zero everywhere

# Backward functions of `custom` nodes, by their attribute `backward`: from the gradient of the value to one
# gradient (or None) for each operand after the first.
CUSTOM: dict[str, Callable[[Node], Sequence[Gradient]]] = {}


class NoGradientError(LenetcError):
    """An op without a gradient rule lies between the outputs and what is differentiated."""


def vjp(*records: Op) -> Callable[[Rule], Rule]:
    """Register a gradient rule (g, out, *operands, **attributes) -> one gradient (or None) for each operand.

    `g` is the gradient of `out`; for an op with several results both are tuples, `g` with None where unused.
    """

    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(records, rule))
        return rule

    return register
