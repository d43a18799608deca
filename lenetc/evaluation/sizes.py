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
from ir.types import Array, DType, Type, dtype_of, f64

ENOUGH = 3  # graphs, of which the sizes are told from what stays
_TRIES = (3, 5, 9)  # numbers of graphs after which it is tried again
_MEASURED = 8  # expressions in sizes that scalars are compared with
_NUMBER = object()  # where a whole number was taken out


@dataclass(frozen=True)
class Outline:
    """A graph's nodes without their numbers, and the numbers. sizes: which of them are sizes of leaves; scalars: the
    constants without dimensions, unless they may be any."""

    key: tuple[Any, ...]
    numbers: Array
    sizes: tuple[int, ...]
    scalars: tuple[Array, ...]

    def equals(self, other: Outline) -> bool:
        return bool((self.numbers == other.numbers).all()) and all(map(_same, self.scalars, other.scalars))


def _same(a: Array, b: Array) -> bool:
    return a.tobytes() == b.tobytes()


def outline(nodes: Sequence[Node], leaves: Any, through: Any, any_scalars: bool) -> Outline | None:
    """What graphs that differ in sizes only have in common; None where sizes are symbolic already.

    nodes: in order, operands first. leaves: those that stand for a value. through: what an operand stands for.
    any_scalars: whether constants without dimensions are inputs of what is compiled, as far as they differ.
    """
    place = {node: i for i, node in enumerate(nodes)}
    key: list[Any] = []
    numbers: list[Any] = []
    sizes: list[int] = []
    scalars: list[Array] = []
    for node in nodes:
        if not isinstance(node.type, Type) and node in leaves:
            return None
        if node in leaves:
            key += ("leaf", node.dtype, node.rank)
            sizes += range(len(numbers), len(numbers) + node.rank)
            numbers += node.shape
        elif node.op is ops.const and not node.shape:
            key += ("scalar", node.dtype)
            if not any_scalars:
                scalars.append(node.attrs["value"].array)
        else:
            key.append(node.op)
            key.append(tuple([place[through(x)] for x in node.inputs]))
            key += [_taken_out(value, numbers) for value in node.attrs.values()]
    if any(isinstance(n, Poly) for n in numbers):
        return None
    return Outline(tuple(key), np.array(numbers, np.int64), tuple(sizes), tuple(scalars))


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


@dataclass(frozen=True)
class Measure:
    """A scalar that is made of sizes: factor * over / under."""

    factor: float
    over: Dim
    under: Dim
    dtype: DType

    def at(self, sizes: dict[str, int]) -> Array:
        over, under = (float(evaluate(dim, sizes)) for dim in (self.over, self.under))
        return np.asarray(self.factor * over / under, self.dtype.numpy)

    def node(self) -> Node:
        over, under = (ops.cast(ops.dim(size=dim), dtype=f64) for dim in (self.over, self.under))
        return ops.cast(self.factor * over / under, dtype=self.dtype)


@dataclass
class Shared:
    """A graph with symbolic sizes. nodes: its nodes, in the order of those that it was made of; programs: what was
    compiled for it."""

    nodes: list[Node]
    symbols: dict[str, int]  # each with the number that is its value
    fixed: Array  # positions of the numbers that are always the same
    fixed_numbers: Array
    changing: list[tuple[Dim, Array]]  # expressions, each with the positions of its numbers
    scalars: list[Array | Measure]
    programs: Any = None

    def fits(self, found: Outline) -> bool:
        """Whether a graph with this outline is this one."""
        numbers = found.numbers
        sizes = {name: int(numbers[at]) for name, at in self.symbols.items()}
        return (
            all(size > 1 for size in sizes.values())
            and bool((numbers[self.fixed] == self.fixed_numbers).all())
            and all(bool((numbers[at] == evaluate(dim, sizes)).all()) for dim, at in self.changing)
            and all(
                _same(own.at(sizes) if isinstance(own, Measure) else own, other)
                for own, other in zip(self.scalars, found.scalars, strict=True)
            )
        )


@dataclass
class Family:
    """Graphs of one outline: the numbers of the first ones, and what they share since."""

    seen: list[Outline] = field(default_factory=list)
    shared: list[Shared] = field(default_factory=list)
    ended: bool = False  # nothing is to be shared any more

    def find(self, found: Outline, nodes: Sequence[Node], leaves: Any, through: Any) -> Shared | None:
        """The shared graph for one with these nodes, made if it is time; None while it is compiled by itself."""
        if self.ended:
            return None
        for shared in self.shared:
            if shared.fits(found):
                return shared
        if any(before.equals(found) for before in self.seen):
            return None
        self.seen.append(found)
        if len(self.seen) not in _TRIES:
            return None
        made = _generalized(self.seen[-ENOUGH - 1 :], found, nodes, leaves, through)
        if made is None:
            return None
        self.shared.append(made)
        return (
            made if made.fits(found) else None
        )  # not one without elements, for which there are rules of its own


def _generalized(
    seen: Sequence[Outline], found: Outline, nodes: Sequence[Node], leaves: Any, through: Any
) -> Shared | None:
    """The graph of `nodes` with symbols for what differs between `seen`; None where that is not possible."""
    table = np.stack([one.numbers for one in seen])
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
    scalars: list[Array | Measure] = []
    for values in zip(*(one.scalars for one in seen), strict=True):
        own = (
            values[-1]
            if all(_same(values[-1], value) for value in values)
            else _measure(values, columns, basis)
        )
        if own is None:
            return None
        scalars.append(own)
    try:
        made = _rebuilt(nodes, iter(dims), iter(scalars), leaves, through)
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
        scalars,
    )


def _measure(
    values: Sequence[Array], columns: dict[tuple[int, ...], Dim], basis: Sequence[tuple[tuple[int, ...], Dim]]
) -> Measure | None:
    """The scalars as a measure, such as a mean's 1 / n or an unbiased variance's n / (n - 1); None where they are
    none."""
    dtype = dtype_of(values[0])
    known: dict[Dim, tuple[int, ...]] = {1: (1,) * len(values)}
    known.update((dim, column) for column, dim in [*basis, *itertools.islice(columns.items(), _MEASURED)])
    known.update((dim - 1, tuple(n - 1 for n in column)) for column, dim in basis)
    sizes = [{str(dim): column[i] for column, dim in basis} for i in range(len(values))]
    for over, under in sorted(itertools.product(known, known), key=lambda pair: sum(d != 1 for d in pair)):
        if over == under or 0 in known[over] or 0 in known[under]:
            continue
        factors = [float(v) * u / o for v, o, u in zip(values, known[over], known[under], strict=True)]
        if not np.allclose(factors, factors[0], rtol=1e-6, atol=0):
            continue
        for factor in (float(round(factors[0])), float(f"{factors[0]:.6g}")):
            found = Measure(factor, over, under, dtype)
            if all(_same(found.at(at), value) for at, value in zip(sizes, values, strict=True)):
                return found
    return None


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
        products = [x * y for x, y in zip(left, right, strict=True)]
        factor = next((z // p for z, p in zip(column, products, strict=True) if p), 0)
        if factor and all(factor * p == z for p, z in zip(products, column, strict=True)):
            return a * b * factor
    return None


def _rebuilt(
    nodes: Sequence[Node], dims: Iterator[Dim], scalars: Iterator[Array | Measure], leaves: Any, through: Any
) -> list[Node]:
    new: dict[Node, Node] = {}
    for node in nodes:
        if node in leaves:
            shape = tuple([next(dims) for _ in node.shape])
            attrs = node.attrs if node.op is ops.input else {"name": f"x{len(new)}", "kind": "input"}
            new[node] = leaf(attrs["name"], Type(node.dtype, shape), attrs["kind"])
        elif node.op is ops.const and not node.shape:
            own = next(scalars, None)
            new[node] = own.node() if isinstance(own, Measure) else node
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
