"""Reverse-mode differentiation, IR to IR.

The rules live in `passes.autodiff.table` and `nn`, but for those of scans and of custom gradients. This driver does
what no rule should: it walks backwards, sums what several users send, undoes broadcasting, and gives each gradient the
provenance of its forward node. Rules emit ops that have rules, so gradients can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary, ref

from ir import ops
from ir.errors import LenetcError
from ir.node import Node, Where, building_at, current_where, topological
from ir.op import leaf
from ir.template import Template
from ir.types import TupleType, Type
from passes.autodiff import nn as nn  # registers rules, as table
from passes.autodiff import scan
from passes.autodiff import table as table
from passes.autodiff.registry import CONSTANT, CUSTOM, RULES, Gradient, NoGradientError, vjp


@vjp(ops.scan)
def _(
    g: Sequence[Gradient], out: Sequence[Node], *operands: Node, tile: int, **attrs: Any
) -> tuple[Gradient, ...]:
    if tile:
        raise NoGradientError("scan: batches are cut into tiles after gradients are made")
    received = [x for x in g if x is not None]
    given = tuple([None if x is None else x.type for x in g]), tuple([x.type for x in operands])
    key = (given, tuple(attrs.values()))
    template = _scans.get(key)
    if template is None:
        # Leaves that no body has, as every body is under names of its own.
        sent = [None if x is None else leaf(f"_sent_{i}", x.ty) for i, x in enumerate(g)]
        taken = [leaf(f"_operand_{i}", x.ty) for i, x in enumerate(operands)]
        before = _customs[0]
        found = scan.gradient(gradients, sent, out, *taken, **attrs)
        template = Template([*(x for x in sent if x is not None), *taken], found)
        if before == _customs[0]:
            if len(_scans) == _SCANS:
                _scans.pop(next(iter(_scans)), None)
            _scans[key] = template
    return tuple(template.over([*received, *operands], current_where()))


_SCANS = 64  # gradients that are kept
_scans: dict[
    tuple[Any, ...], Template
] = {}  # by what they were asked for: a loop of lazy steps asks every time


@vjp(ops.custom)
def _(g: Node, out: Node, x: Node, *inputs: Node, backward: str) -> tuple[Gradient, ...]:
    _customs[0] += 1
    if backward not in CUSTOM:
        raise NoGradientError(f"custom: no backward function is registered as {backward!r}")
    found = tuple(CUSTOM[backward](g))
    if len(found) != len(inputs):
        raise LenetcError(
            f"the backward function {backward!r} gave {len(found)} gradients for {len(inputs)} inputs; "
            "return one for each, None where there is none"
        )
    return None, *found


Hooks: TypeAlias = Mapping[Node, Callable[[Node], Node]]


def gradients(
    outputs: Sequence[tuple[Node, Node]],
    wrt: Sequence[Node],
    hooks: Hooks | None = None,
    again: bool = False,
) -> list[Gradient]:
    """Gradients of sum(output * cotangent) for each node of `wrt`; None where nothing depends on it.

    outputs: pairs (output, cotangent) of equal types. hooks: functions that give what goes on from a node in place of
    its gradient. again: whether the same may have been asked of a graph of the same structure, as in every step of a
    loop. Raises NoGradientError for an op without a rule.
    """
    if not outputs:
        return [None] * len(wrt)
    if hooks:  # which are to be called every time
        return gradients_of(outputs, wrt, hooks)
    asked = tuple(map(ref, (*chain.from_iterable(outputs), *wrt)))
    known = _known.get(outputs[0][0])
    if known is not None and known.asked == asked:
        held = [None if x is None else x() for x in known.found]
        if all(x is None or y is not None for x, y in zip(known.found, held, strict=True)):
            return held
    before = _customs[0]
    found = _again(outputs, wrt) if again else gradients_of(outputs, wrt, {})
    if before == _customs[0]:
        _known[outputs[0][0]] = _Known(asked, tuple([None if x is None else ref(x) for x in found]))
    return found


class _Known(NamedTuple):
    """Gradients as they were last found for an output; whoever traces the same again has the same nodes."""

    asked: tuple[ref[Node], ...]
    found: tuple[ref[Node] | None, ...]


_known: WeakKeyDictionary[Node, _Known] = WeakKeyDictionary()
_customs = [0]  # how often a user's own backward function was called: it is to be called every time


_STRUCTURES = 32  # that are remembered
# Gradients by the structure of what was differentiated; None for one that was met once only.
_structures: dict[tuple[Any, ...], Template | None] = {}


def _again(outputs: Sequence[tuple[Node, Node]], wrt: Sequence[Node]) -> list[Gradient]:
    """The gradients, from a template where a graph of the same structure was differentiated before."""
    number: dict[Node, int] = {}
    key: list[Any] = []
    for node in topological((), chain.from_iterable(outputs)):
        key += [number[x] for x in node.inputs]
        if node.op is ops.input:
            key += (node.op, node.type)
        else:
            key.append(node.op)
            key += node.attrs.values()
        number[node] = len(number)
    key += [number[node] for node in chain.from_iterable(outputs)]
    key += [number.get(node, -1) for node in wrt]
    structure = tuple(key)
    template = _structures.get(structure)
    if template is not None:
        return template.over([*number])
    before = _customs[0]
    found = gradients_of(outputs, wrt, {})
    if before == _customs[0]:
        if len(_structures) == _STRUCTURES and structure not in _structures:
            _structures.pop(next(iter(_structures)), None)
        _structures[structure] = Template([*number], found) if structure in _structures else None
    return found


def gradients_of(outputs: Sequence[tuple[Node, Node]], wrt: Sequence[Node], hooks: Hooks) -> list[Gradient]:
    """What `gradients` gives, made anew; without a look at what was made for an equal graph."""
    order = list(topological((), [node for node, _ in outputs]))
    active = set(wrt)
    for node in order:
        if node.op not in CONSTANT and any(x in active for x in node.inputs):
            active.add(node)
    pending: dict[Node, list[list[Node]]] = {}  # for each node, what its users sent to each of its results

    def send(node: Node, gradient: Gradient, index: int = 0) -> None:
        if gradient is not None and node in active:
            slots = pending.setdefault(node, [[] for _ in _types(node)])
            slots[index].append(_unbroadcast(gradient, _types(node)[index]))

    for node, cotangent in outputs:
        send(node, cotangent)
    found: dict[Node, Node] = {}
    for node in reversed(order):
        if node not in pending:
            continue
        where = node.where
        with building_at(Where(where.module, "backward", where.file, where.line)):
            received = [_total(slot) for slot in pending.pop(node)]
            if received[0] is not None:
                if node in hooks:
                    received[0] = hooks[node](received[0])
                found[node] = received[0]
            if node.op in CONSTANT or not any(x in active for x in node.inputs):
                continue  # a parameter's new value is made of gradients, from which nothing goes on
            if node.op is ops.get:
                send(node.inputs[0], received[0], node.attrs["index"])
            else:
                for operand, gradient in zip(node.inputs, _apply(node, received), strict=True):
                    send(operand, gradient)
    return [found.get(node) for node in wrt]


def _types(node: Node) -> tuple[Type, ...]:
    return node.type.items if isinstance(node.type, TupleType) else (node.type,)


def _total(received: list[Node]) -> Gradient:
    if not received:
        return None
    joined = _side_by_side(received) if len(received) > 1 else None
    if joined is not None:
        return joined
    total = received[0]
    for gradient in received[1:]:
        total = total + gradient
    return total


def _side_by_side(received: Sequence[Node]) -> Gradient:
    """The sum of what slices that lie side by side send: one after the other. None where they do not."""
    if any(x.op is not ops.pad or x.attrs["value"] != 0 for x in received):
        return None
    whole = received[0].shape
    cut = {i for x in received for i, size in enumerate(x.inputs[0].shape) if size != whole[i]}
    if len(cut) != 1:
        return None
    (axis,) = cut
    starts = [x.attrs["low"][axis] for x in received]
    if not all(isinstance(start, int) for start in starts):
        return None
    pieces = sorted(zip(starts, received, strict=True), key=lambda piece: piece[0])
    end = pieces[0][0]
    for start, x in pieces:
        if start != end:
            return None
        end = start + x.inputs[0].shape[axis]
    joined = ops.concat(*(x.inputs[0] for _, x in pieces), axis=axis)
    low = tuple(pieces[0][0] if i == axis else 0 for i in range(len(whole)))
    high = tuple(whole[axis] - end if i == axis else 0 for i in range(len(whole)))
    return joined if joined.shape == whole else ops.pad(joined, low=low, high=high)


def _apply(node: Node, received: list[Gradient]) -> Sequence[Gradient]:
    rule = RULES.get(node.op)
    if rule is None:
        raise NoGradientError(
            f"{node.op.name} has no gradient rule; take it out of the gradient by .detach(), or add a rule to "
            "passes/autodiff/table.py"
        ).at(str(node.where))
    if isinstance(node.type, TupleType):
        out: object = tuple(ops.get(node, index=i) for i in range(len(node.type.items)))
        result = rule(tuple(received), out, *node.inputs, **node.attrs)
    else:
        result = rule(received[0], node, *node.inputs, **node.attrs)
    return result if isinstance(result, tuple) else (result,)


def _unbroadcast(gradient: Node, target: Type) -> Node:
    """Sum `gradient` over the axes along which a value of type `target` was broadcast."""
    if gradient.shape == target.shape:
        return gradient
    extra = gradient.rank - target.rank
    axes = (
        *range(extra),
        *(i + extra for i, d in enumerate(target.shape) if d == 1 and gradient.shape[i + extra] != 1),
    )
    if axes:
        gradient = ops.sum(gradient, axes=axes)
    return ops.reshape(gradient, shape=target.shape) if gradient.shape != target.shape else gradient
