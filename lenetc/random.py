"""Random numbers from a counter: same seed, same numbers, on every provider and in exported files.

Number i of draw c under seed s is a hash of (s, c, i), made of integer operations that every provider computes
exactly. Outside of `compile` the formula is run by the interpreter at once; inside, the counter is state of the
program and the formula is part of the graph, so every run draws new numbers.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Sequence

import numpy as np

from ir import ops
from ir.dims import Dim, Poly, product
from ir.interpret import run
from ir.node import Graph, Node
from ir.op import leaf, literal
from ir.types import Array, DType, Type, f32, i64
from lenetc.cell import Cell, Context, known

_MASK = 1 << 32


class Generator:
    """A seed and the number of draws made so far, both i64 scalars that compiled programs keep as state."""

    def __init__(self, seed: int | None = None) -> None:
        self._seed = known(np.int64(0))
        self._counter = known(np.int64(0))
        self.manual_seed(secrets.randbits(31) if seed is None else seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`, any integer."""
        self._seed.set_value(np.asarray(seed % (1 << 63), np.int64))
        self._counter.set_value(np.asarray(0, np.int64))
        return self

    def initial_seed(self) -> int:
        return int(self._seed.numpy())

    def get_state(self) -> Array:
        """Seed and counter, i64[2]."""
        return np.array([self._seed.numpy(), self._counter.numpy()], np.int64)

    def set_state(self, state: Array) -> None:
        seed, counter = np.asarray(state, np.int64)
        self._seed.set_value(np.asarray(seed))
        self._counter.set_value(np.asarray(counter))

    def cells(self) -> dict[str, Cell]:
        return {"rng.seed": self._seed, "rng.counter": self._counter}

    def next_draw(self) -> tuple[Node, Node]:
        """Nodes of the seed and of this draw's number; the counter moves on."""
        if Context.trace is not None:
            seed, counter = self._seed.node, self._counter.node
            self._counter.node = counter + 1
            return seed, counter
        seed, number = known(self._seed.numpy()), self._counter.numpy()
        draw = known(number)
        self._counter.set_value(np.asarray(number + 1))
        return seed.node, draw.node

    def draw(self, build: Callable[[Node, Node], Node]) -> Array:
        """The values of build(seed, draw number), computed at once."""
        seed, counter = leaf("seed", Type(i64, ())), leaf("counter", Type(i64, ()))
        number = self._counter.numpy()
        self._counter.set_value(np.asarray(number + 1))
        graph = Graph.make("draw", (seed, counter), [("values", build(seed, counter))])
        return run(graph, (self._seed.numpy(), number))[0]


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed every random operation (torch.manual_seed)."""
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    return default_generator.initial_seed()


def get_rng_state() -> Array:
    return default_generator.get_state()


def set_rng_state(state: Array) -> None:
    default_generator.set_state(state)


def _mix(x: Node) -> Node:
    """A bijection of 32-bit numbers held in i64 (xor-shift and multiply rounds; multipliers found by search for
    low bias, "Hash function prospector", C. Wellons). Products stay below 2^63."""
    for shift, factor in ((16, 0x21F0AAAD), (15, 0x735A2D97)):
        x = ops.bitwise_xor(x, ops.div(x, 1 << shift))
        x = ops.mod(x * factor, _MASK)
    return ops.bitwise_xor(x, ops.div(x, 1 << 15))


def bits(seed: Node, counter: Node, shape: Sequence[Dim]) -> Node:
    """Independent uniform 32-bit integers of `shape`, as i64."""
    # seed and counter may need more than 32 bits: both halves go in.
    key = _mix(ops.mod(seed, _MASK))
    for part in (ops.div(seed, _MASK), ops.mod(counter, _MASK), ops.div(counter, _MASK)):
        key = _mix(ops.mod(ops.bitwise_xor(key, part) + 0x9E3779B9, _MASK))
    size = product(tuple(shape))
    index = ops.iota(size=size, dtype=i64) if isinstance(size, Poly) else literal(np.arange(size, dtype=np.int64))
    # Two rounds with the key between them: neighbours under one key and one index under two keys are unrelated.
    mixed = _mix(ops.bitwise_xor(_mix(ops.mod(index * 0x9E3779B1 + key, _MASK)), key))
    return ops.reshape(mixed, shape=tuple(shape))


def uniform(seed: Node, counter: Node, shape: Sequence[Dim], dtype: DType = f32) -> Node:
    """Uniform numbers in [0, 1): multiples of 2^-24."""
    high = ops.div(bits(seed, counter, shape), 1 << 8)
    return ops.cast(ops.cast(high, dtype=f32) * (1.0 / (1 << 24)), dtype=dtype)


def normal(seed: Node, counter: Node, shape: Sequence[Dim], dtype: DType = f32) -> Node:
    """Standard normal numbers (Box and Muller 1958)."""
    pairs = uniform(seed, counter, (2, *shape))

    def half(i: int) -> Node:
        rank = len(shape)
        part = ops.slice(pairs, starts=(i, *(0,) * rank), stops=(i + 1, *shape), steps=(1,) * (rank + 1))
        return ops.reshape(part, shape=tuple(shape))

    radius = ops.sqrt(ops.log(1.0 - half(0)) * -2.0)
    return ops.cast(radius * ops.cos(half(1) * (2 * math.pi)), dtype=dtype)


def values(kind: Callable[..., Node], shape: Sequence[int], dtype: DType = f32, generator: Generator | None = None) -> Array:
    """Numbers of `kind` (uniform or normal) as an array, drawn at once."""
    return (generator or default_generator).draw(lambda seed, counter: kind(seed, counter, tuple(shape), dtype))


def node(kind: Callable[..., Node], shape: Sequence[Dim], dtype: DType = f32) -> Node:
    """Numbers of `kind` as a node: part of the graph, with a new draw each time the program runs."""
    seed, counter = default_generator.next_draw()
    return kind(seed, counter, tuple(shape), dtype)


def permutation(n: int) -> Array:
    """A random order of 0..n-1, drawn at once, i64[n]."""
    keys = default_generator.draw(lambda seed, counter: bits(seed, counter, (n,)))
    return np.argsort(keys, kind="stable")


