"""Packing: the same arithmetic on many small vectors, done once on their concatenation.

    a' = 0.9*a + g; b' = 0.9*b + h; ...  =>  a', b', ... = split(0.9*concat(a, b, ...) + concat(g, h, ...))

An optimizer updates each bias by some ten operators that have next to nothing to compute. Packed, the five
biases of LeNet take Adam 17 µs instead of 29; with plain momentum it is not worth the copies, which `_pays`
finds out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ir import ops
from ir.node import Graph, Node, building_at
from ir.types import Type
from passes.rewrite.match import ELEMENTWISE, is_scalar

_SMALL = 2048  # elements; copying larger vectors costs more than the operators saved
_LONG = 64  # operations; longer formulas are left alone
_NODE, _PIECE = 0.5, 0.25  # µs of an operator on a small vector, and of one more operand of Concat or Split


class _Member(NamedTuple):
    """One output: the vectors that its formula reads, and the operations of the formula, operands first."""

    root: Node
    leaves: tuple[Node, ...]
    inner: tuple[Node, ...]


def pack(graph: Graph) -> tuple[Graph, int]:
    """`graph` with outputs packed whose formulas are the same, where that pays; and how many outputs are."""
    groups: dict[Any, list[_Member]] = {}
    for root in dict.fromkeys(graph.outputs):
        found = _formula(root)
        if found is not None:
            groups.setdefault(found[0], []).append(found[1])
    packed: dict[Node, Node] = {}
    for family in _families([group for group in groups.values() if len(group) > 1]):
        if _pays(family):
            for group in family:
                packed.update(_pack(group))
    return graph.with_outputs(packed.get(node, node) for node in graph.outputs), len(packed)


def _formula(root: Node) -> tuple[Any, _Member] | None:
    """(a key that equal formulas share, the member), if `root` is arithmetic on small vectors and scalars."""
    if not isinstance(root.type, Type) or root.rank != 1 or not isinstance(root.shape[0], int):
        return None
    if root.shape[0] > _SMALL or not _is_inner(root, root):
        return None
    numbers: dict[Node, int] = {}
    lines: list[Any] = []  # the formula, a line for each node, operands by number
    leaves: list[Node] = []
    inner: list[Node] = []
    stack = [root]
    while stack:
        node = stack[-1]
        is_inner = node not in numbers and _is_inner(node, root)
        waiting = [x for x in node.inputs if x not in numbers] if is_inner else []
        if waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        if node in numbers:
            continue
        numbers[node] = len(lines)
        if is_inner:
            lines.append((node.op, tuple(node.attrs.values()), tuple(numbers[x] for x in node.inputs)))
            inner.append(node)
        elif is_scalar(node):
            lines.append(node)
        else:
            lines.append(node.dtype)
            leaves.append(node)
        if len(inner) > _LONG:
            return None
    return tuple(lines), _Member(root, tuple(leaves), tuple(inner))


def _is_inner(node: Node, root: Node) -> bool:
    """Whether `node` is an operation of the formula of `root`: elementwise, on such vectors and scalars."""
    if node.op.name not in ELEMENTWISE or node.shape != root.shape:
        return False
    return all(isinstance(x.type, Type) and x.shape in ((), root.shape) for x in node.inputs)


def _families(groups: list[list[_Member]]) -> list[list[list[_Member]]]:
    """Groups that read the same vectors (as the outputs of one optimizer do), which share concatenations."""
    families: list[list[list[_Member]]] = []
    owner: dict[Node, list[list[_Member]]] = {}
    for group in groups:
        related = next((owner[x] for x in group[0].leaves if x in owner), None)
        if related is None:
            related = []
            families.append(related)
        related.append(group)
        owner.update(dict.fromkeys(group[0].leaves, related))
    return families


def _pays(family: Sequence[Sequence[_Member]]) -> bool:
    """Whether packing takes less time, by the two costs, which were measured on vectors of LeNet's size."""
    before = {node for group in family for member in group for node in member.inner}
    after = {node for group in family for node in group[0].inner}
    copies = {
        tuple(member.leaves[i] for member in group) for group in family for i in range(len(group[0].leaves))
    }
    pieces = sum(map(len, copies)) + sum(map(len, family))
    operators = len(after) + len(copies) + len(family)
    return _NODE * operators + _PIECE * pieces < _NODE * len(before)


def _pack(group: Sequence[_Member]) -> dict[Node, Node]:
    """For each output of the group what replaces it."""
    first = group[0]
    with building_at(first.root.where._replace(module="")):
        new = {
            leaf: ops.concat(*(member.leaves[i] for member in group), axis=0)
            for i, leaf in enumerate(first.leaves)
        }
        for node in first.inner:
            new[node] = node.op(*(new.get(x, x) for x in node.inputs), **node.attrs)
        pieces = ops.split(new[first.root], axis=0, sizes=tuple(member.root.shape[0] for member in group))
        return {member.root: ops.get(pieces, index=i) for i, member in enumerate(group)}
