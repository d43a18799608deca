"""Graphs that differ in sizes only: after a few of them one with symbolic sizes, whose program serves them all.

A loop over sentences or episodes makes the same operations at ever new lengths. Graphs are compared by their nodes
with all whole numbers taken out: those of leaves' shapes and of attributes. Where the numbers of three graphs can be
said as expressions in the sizes of leaves (`L`, `L - 1`, `2*L`, `L*M`), the graph is built anew with these; tables,
which are constants with dimensions, become inputs where they differ. A later graph shares it only if every one of its
numbers is what the expressions give for its sizes, and if whatever was decided by comparing sizes comes out the same,
so that nothing is guessed: what cannot be said this way is compiled for its sizes, as before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ir import ops
from ir.dims import Case, Dim, Poly, evaluate, symbol, within
from ir.errors import LenetcError
from ir.node import Graph, Literal, Node
from ir.op import leaf
from ir.types import Array, DType, Type, dtype_of, f64

ENOUGH = 3  # graphs, of which the sizes are told from what stays
_TRIES = (3, 4, 5, 7, 9, 13)  # numbers of graphs after which it is tried again
_MEASURED = 8  # expressions in sizes that scalars are compared with
_NUMBER = object()  # where a whole number was taken out


@dataclass(frozen=True)
class Outline:
    """A graph's nodes without their numbers, and the numbers. sizes: which of them are sizes of leaves; scalars: the
    constants without dimensions, unless they may be any; tables: those with dimensions."""

    key: tuple[Any, ...]
    numbers: Array
    sizes: tuple[int, ...]
    scalars: tuple[Array, ...]
    tables: tuple[Literal, ...]

    def equals(self, other: Outline) -> bool:
        return (
            bool((self.numbers == other.numbers).all())
            and all(map(_same, self.scalars, other.scalars))
            and self.tables == other.tables
        )


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
    tables: list[Literal] = []
    for node in nodes:
        if not isinstance(node.type, Type) and node in leaves:
            return None
        if node in leaves or _is_table(node):
            is_table = node not in leaves
            key += ("table" if is_table else "leaf", node.dtype, node.rank)
            sizes += range(len(numbers), len(numbers) + node.rank)
            numbers += node.shape
            if is_table:
                tables.append(node.attrs["value"])
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
    return Outline(tuple(key), np.array(numbers, np.int64), tuple(sizes), tuple(scalars), tuple(tables))


def _is_table(node: Node) -> bool:
    return node.op is ops.const and bool(node.shape)


def _taken_out(value: Any, numbers: list[Any]) -> Any:
    """`value` without its whole numbers, which are added to `numbers`."""
    if isinstance(value, tuple):
        return tuple([_taken_out(item, numbers) for item in value])
    if (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, Poly):
        numbers.append(value)
        return _NUMBER
    return _body_taken_out(value, numbers) if isinstance(value, Graph) else value


def _body_taken_out(body: Graph, numbers: list[Any]) -> tuple[Any, ...]:
    """A loop's body without its numbers."""
    nodes = body.nodes()
    place = {node: i for i, node in enumerate(nodes)}
    key: list[Any] = [body.name, tuple([place[node] for node in body.inputs])]
    for part in (body.results, body.updates):
        key.append(tuple([(label, place[node]) for label, node in part]))
    for node in nodes:
        key += (node.op, tuple([place[x] for x in node.inputs]))
        if node.op is ops.input:
            key += (node.attrs["name"], node.attrs["kind"], node.dtype, node.rank)
            numbers += node.shape
        else:
            key += [_taken_out(value, numbers) for value in node.attrs.values()]
    return tuple(key)


def _body_put_in(body: Graph, numbers: Iterator[Dim]) -> Graph:
    """The body with the next of `numbers` for its own."""
    new: dict[Node, Node] = {}
    for node in body.nodes():
        if node.op is ops.input:
            type = Type(node.dtype, tuple([next(numbers) for _ in node.shape]))
            new[node] = leaf(node.attrs["name"], type, node.attrs["kind"])
        else:
            attrs = {name: _put_in(value, numbers) for name, value in node.attrs.items()}
            new[node] = node.op.over(tuple([new[x] for x in node.inputs]), attrs, node.where)
    results, updates = ([(label, new[x]) for label, x in part] for part in (body.results, body.updates))
    return Graph.make(body.name, [new[x] for x in body.inputs], results, updates)


def _put_in(value: Any, numbers: Iterator[Dim]) -> Any:
    """`value` with the next of `numbers` for each of its own."""
    if isinstance(value, tuple):
        return tuple([_put_in(item, numbers) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return next(numbers)
    return _body_put_in(value, numbers) if isinstance(value, Graph) else value


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
    symbols: dict[str, _Size]
    case: Case
    fixed: Array  # positions of the numbers that are always the same
    fixed_numbers: Array
    changing: list[tuple[Dim, Array]]  # expressions, each with the positions of its numbers
    scalars: list[Array | Measure]
    tables: list[Literal | None]  # None: any, of which the sizes fit
    inputs: list[int]  # places of the nodes that are inputs here, and tables there
    programs: Any = None

    def fits(self, found: Outline) -> bool:
        """Whether a graph with this outline is this one."""
        numbers = found.numbers
        sizes = {name: size.of(numbers) for name, size in self.symbols.items()}
        return (
            all(size > 1 for size in sizes.values())
            and self.case.holds_for(sizes)
            and all(own is None or own == other for own, other in zip(self.tables, found.tables, strict=True))
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


@dataclass(frozen=True)
class _Size:
    """Where the value of a symbol is found: number `at` less `rest`, over `step`."""

    at: int
    step: int = 1
    rest: int = 0

    def of(self, numbers: Array) -> int:
        return (int(numbers[self.at]) - self.rest) // self.step


def _generalized(
    seen: Sequence[Outline], found: Outline, nodes: Sequence[Node], leaves: Any, through: Any
) -> Shared | None:
    """The graph of `nodes` with symbols for what differs between `seen`; None where that is not possible.

    Sizes of which halves or thirds are needed, as by a pool, are tried as multiples of a symbol.
    """
    table = np.stack([one.numbers for one in seen])
    for in_steps in (False, True):
        symbols, columns, basis = _symbols(table, found, in_steps)
        if not in_steps or any(size.step > 1 for size in symbols.values()):
            shared = _with_symbols(seen, found, nodes, leaves, through, symbols, columns, basis)
            if shared is not None:
                return shared
    return None


_Column = tuple[int, ...]
_number = itertools.count()  # names of symbols are never used again, as what was decided of them is not


def _symbols(
    table: Array, found: Outline, in_steps: bool
) -> tuple[dict[str, _Size], dict[_Column, Dim], list[tuple[_Column, Dim]]]:
    """Symbols for the sizes of leaves that differ, the columns of `table` that they tell, and those that they are
    themselves. A size that others tell, such as that of all words of all sentences, gets none."""
    changing = [at for at in found.sizes if (table[:, at] != table[0, at]).any()]
    symbols: dict[str, _Size] = {}
    columns: dict[_Column, Dim] = {}
    basis: list[tuple[_Column, Dim]] = []
    for at in sorted(changing, key=lambda at: int(table[:, at].sum())):
        column = tuple(table[:, at].tolist())
        if column in columns:
            continue
        dim = _expression(column, basis)
        if dim is None or (isinstance(dim, Poly) and any(factor < 0 for _, factor in dim.terms)):
            step = math.gcd(*(n - column[0] for n in column)) if in_steps else 1
            size = _Size(at, step, column[0] % step if step > 1 else 0)
            name = f"L{next(_number)}"
            symbols[name] = size
            basis.append((tuple((n - size.rest) // step for n in column), symbol(name)))
            dim = symbol(name) * step + size.rest
        columns[column] = dim
    return symbols, columns, basis


def _with_symbols(
    seen: Sequence[Outline],
    found: Outline,
    nodes: Sequence[Node],
    leaves: Any,
    through: Any,
    symbols: dict[str, _Size],
    columns: dict[_Column, Dim],
    basis: list[tuple[_Column, Dim]],
) -> Shared | None:
    table = np.stack([one.numbers for one in seen])
    changes = (table != table[0]).any(0)
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
    tables = [
        values[-1] if all(value == values[-1] for value in values) else None
        for values in zip(*(one.tables for one in seen), strict=True)
    ]
    sizes = {name: size.of(found.numbers) for name, size in symbols.items()}
    case = Case(sizes)
    of_tables = [i for i, node in enumerate(nodes) if node not in leaves and _is_table(node)]
    inputs = [i for i, own in zip(of_tables, tables, strict=True) if own is None]
    given = {*leaves, *(nodes[i] for i in inputs)}
    try:
        with within(case):
            made = _rebuilt(nodes, iter(dims), iter(scalars), given, through)
    except (LenetcError, TypeError, ValueError):  # what a rule of types says of a size that is no number
        return None
    for node, new in zip(nodes, made, strict=True):
        if not _is_at(new, sizes, node):
            return None
    fixed = np.flatnonzero(~changes)
    return Shared(
        made,
        symbols,
        case,
        fixed,
        found.numbers[fixed],
        [(dim, np.array(at)) for dim, at in positions.items()],
        scalars,
        tables,
        inputs,
    )


def _measure(
    values: Sequence[Array], columns: dict[_Column, Dim], basis: Sequence[tuple[_Column, Dim]]
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


def _expression(column: _Column, basis: Sequence[tuple[_Column, Dim]]) -> Dim | None:
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
            is_input = node.op is ops.input
            attrs = node.attrs if is_input else {"name": f"value_{len(new)}", "kind": "input"}
            new[node] = leaf(attrs["name"], Type(node.dtype, shape), attrs["kind"])
        elif node.op is ops.const and not node.shape:
            own = next(scalars, None)
            new[node] = own.node() if isinstance(own, Measure) else node
        elif node.op is ops.const:
            for _ in node.shape:
                next(dims)
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
