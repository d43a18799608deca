"""Graphs that differ in sizes only: after a few of them one with symbolic sizes, whose program serves them all.

A loop over sentences or episodes makes the same operations at ever new lengths. Graphs are compared by their nodes
with all whole numbers taken out: those of leaves' shapes and of attributes. Where the numbers of three graphs can be
said as expressions in the sizes of leaves (`L`, `L - 1`, `2*L`, `L*M`), the graph is built anew with these. A later
graph shares it only if every one of its numbers is what the expressions give for its sizes, so that nothing is
guessed: what cannot be said this way is compiled for its sizes, as before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ir import ops
from ir.dims import Dim, Poly, evaluate, symbol
from ir.errors import LenetcError
from ir.node import Node
from ir.op import leaf
from ir.types import Array, Type

ENOUGH = 3  # graphs, of which the sizes are told from what stays
_TRIES = (3, 5, 9)  # numbers of graphs after which it is tried again
_NUMBER = object()  # where a whole number was taken out


@dataclass(frozen=True)
class Outline:
    """A graph's nodes without their numbers, and the numbers. sizes: which of them are sizes of leaves."""

    key: tuple[Any, ...]
    numbers: Array
    sizes: tuple[int, ...]


def outline(nodes: Sequence[Node], leaves: Any, through: Any) -> Outline | None:
    """What graphs that differ in sizes only have in common; None where sizes are symbolic already.

    nodes: in order, operands first. leaves: those that stand for a value. through: what an operand stands for.
    """
    place = {node: i for i, node in enumerate(nodes)}
    key: list[Any] = []
    numbers: list[int] = []
    sizes: list[int] = []
    for node in nodes:
        if not isinstance(node.type, Type) and node in leaves:
            return None
        if node in leaves:
            key += ("leaf", node.dtype, node.rank)
            sizes += range(len(numbers), len(numbers) + node.rank)
            numbers += node.shape
        elif node.op is ops.const and not node.shape:
            key += ("scalar", node.dtype)
        else:
            key.append(node.op)
            key.append(tuple([place[through(x)] for x in node.inputs]))
            key += [_taken_out(value, numbers) for value in node.attrs.values()]
    if any(isinstance(n, Poly) for n in numbers):
        return None
    return Outline(tuple(key), np.array(numbers, np.int64), tuple(sizes))


def _taken_out(value: Any, numbers: list[Any]) -> Any:
    """`value` without its whole numbers, which are added to `numbers`."""
    if isinstance(value, tuple):
        return tuple([_taken_out(item, numbers) for item in value])
    if (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, Poly):
        numbers.append(value)
        return _NUMBER
    return value


def _put_in(value: Any, numbers: Iterator[Dim]) -> Any:
    """`value` with the next of `numbers` for each of its own."""
    if isinstance(value, tuple):
        return tuple([_put_in(item, numbers) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return next(numbers)
    return value


@dataclass
class Shared:
    """A graph with symbolic sizes. nodes: its nodes, in the order of those that it was made of; programs: what was
    compiled for it."""

    nodes: list[Node]
    symbols: dict[str, int]  # each with the number that is its value
    fixed: Array  # positions of the numbers that are always the same
    fixed_numbers: Array
    changing: list[tuple[Dim, Array]]  # expressions, each with the positions of its numbers
    programs: Any = None

    def fits(self, numbers: Array) -> bool:
        """Whether a graph with these numbers is this one."""
        sizes = {name: int(numbers[at]) for name, at in self.symbols.items()}
        return (
            all(size > 1 for size in sizes.values())
            and bool((numbers[self.fixed] == self.fixed_numbers).all())
            and all(bool((numbers[at] == evaluate(dim, sizes)).all()) for dim, at in self.changing)
        )


@dataclass
class Family:
    """Graphs of one outline: the numbers of the first ones, and what they share since."""

    seen: list[Array] = field(default_factory=list)
    shared: list[Shared] = field(default_factory=list)
    ended: bool = False  # nothing is to be shared any more

    def find(self, found: Outline, nodes: Sequence[Node], leaves: Any, through: Any) -> Shared | None:
        """The shared graph for one with these nodes, made if it is time; None while it is compiled by itself."""
        if self.ended:
            return None
        for shared in self.shared:
            if shared.fits(found.numbers):
                return shared
        if any((numbers == found.numbers).all() for numbers in self.seen):
            return None
        self.seen.append(found.numbers)
        if len(self.seen) not in _TRIES:
            return None
        made = _generalized(self.seen[-ENOUGH - 1 :], found, nodes, leaves, through)
        if made is not None:
            self.shared.append(made)
        return made


def _generalized(
    seen: Sequence[Array], found: Outline, nodes: Sequence[Node], leaves: Any, through: Any
) -> Shared | None:
    """The graph of `nodes` with symbols for what differs between `seen`; None where that is not possible."""
    table = np.stack(seen)
    changes = (table != table[0]).any(0)
    symbols: dict[str, int] = {}
    columns: dict[tuple[int, ...], Dim] = {}
    for at in found.sizes:
        column = tuple(table[:, at].tolist())
        if changes[at] and column not in columns:
            name = f"L{len(symbols)}"
            symbols[name], columns[column] = at, symbol(name)
    basis = list(columns.items())
    positions: dict[Dim, list[int]] = {}
    dims: list[Dim] = found.numbers.tolist()
    for at in np.flatnonzero(changes).tolist():
        column = tuple(table[:, at].tolist())
        dim = columns.get(column)
        if dim is None:
            dim = _expression(column, basis)
            if dim is None:
                return None
            columns[column] = dim
        dims[at] = dim
        positions.setdefault(dim, []).append(at)
    try:
        made = _rebuilt(nodes, iter(dims), leaves, through)
    except (LenetcError, TypeError, ValueError):  # what a rule of types says of a size that is no number
        return None
    sizes = {name: int(found.numbers[at]) for name, at in symbols.items()}
    for node, new in zip(nodes, made, strict=True):
        if not _is_at(new, sizes, node):
            return None
    fixed = np.flatnonzero(~changes)
    return Shared(
        made,
        symbols,
        fixed,
        found.numbers[fixed],
        [(dim, np.array(at)) for dim, at in positions.items()],
    )


def _expression(column: tuple[int, ...], basis: Sequence[tuple[tuple[int, ...], Dim]]) -> Dim | None:
    """`column` as a * size + b, or as a * size * another size."""
    for sizes, dim in basis:
        steps = {(y - column[0], x - sizes[0]) for x, y in zip(sizes, column, strict=True) if x != sizes[0]}
        rise, run = next(iter(steps))
        if rise % run == 0:
            factor = rise // run
            rest = column[0] - factor * sizes[0]
            if all(factor * x + rest == y for x, y in zip(sizes, column, strict=True)):
                return dim * factor + rest
    for (left, a), (right, b) in itertools.combinations_with_replacement(basis, 2):
        factor, remainder = divmod(column[0], left[0] * right[0])
        if not remainder and all(factor * x * y == z for x, y, z in zip(left, right, column, strict=True)):
            return a * b * factor
    return None


def _rebuilt(nodes: Sequence[Node], dims: Iterator[Dim], leaves: Any, through: Any) -> list[Node]:
    new: dict[Node, Node] = {}
    for node in nodes:
        if node in leaves:
            shape = tuple([next(dims) for _ in node.shape])
            new[node] = leaf(f"x{len(new)}", Type(node.dtype, shape))
        elif node.op is ops.const and not node.shape:
            new[node] = node
        else:
            attrs = {name: _put_in(value, dims) for name, value in node.attrs.items()}
            new[node] = node.op.over(tuple([new[through(x)] for x in node.inputs]), attrs, node.where)
    return [new[node] for node in nodes]


def _is_at(new: Node, sizes: dict[str, int], node: Node) -> bool:
    """Whether the type of `new` is that of `node` at these sizes."""
    if not (isinstance(node.type, Type) and isinstance(new.type, Type)):
        return isinstance(node.type, Type) == isinstance(new.type, Type)
    shape = tuple(evaluate(dim, sizes) for dim in new.shape)
    return new.dtype is node.dtype and shape == node.shape
