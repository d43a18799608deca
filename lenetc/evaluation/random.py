"""Random numbers from a counter: same seed, same numbers, on every provider and in exported files.

Number i of draw c under seed s is a hash of (hash of s, c, i), made of integer operations that every provider computes
exactly. Outside of `compile` the formula is run by the interpreter at once; inside, the counter is state of the
program and the formula is part of the graph, so every run draws new numbers.
"""

from __future__ import annotations

import functools
import hashlib
import math
import secrets
from collections.abc import Callable, Sequence

import numpy as np

from ir import ops
from ir.dims import Dim, Poly, product
from ir.errors import LenetcError
from ir.interpret import run
from ir.node import Graph, Node, building_at
from ir.op import leaf, literal
from ir.types import Array, DType, Type, f32, i64
from lenetc.evaluation.cell import Cell, Context, known
from lenetc.evaluation.tracing import tracing, where_now

_MASK = 1 << 32
_STEP = 0x9E3779B1  # 2^32 over the golden ratio: successive multiples lie far apart


class Generator:
    """A seed and the number of draws made so far. Compiled programs keep both as state, i64 scalars: the seed
    as a 32-bit key, hashed once here rather than in every run."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = 0
        self._key = known(np.zeros((), np.int64))
        self._counter = known(np.zeros((), np.int64))
        self.manual_seed(secrets.randbits(31) if seed is None else seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`, any integer."""
        self._before("manual_seed")
        self.seed = int(seed)
        digest = hashlib.blake2s(str(self.seed).encode(), digest_size=4).digest()
        self._set(int.from_bytes(digest, "little"), 0)
        return self

    def _before(self, what: str) -> None:
        """Under compile the numbers that follow are the program's; each call has to note that the seed is another."""
        if Context.trace is not None:
            Context.trace.effect(f"it calls {what}")
            Context.trace.before_change(functools.partial(setattr, self, "seed", self.seed))

    def _set(self, key: int, counter: int) -> None:
        for cell, number in ((self._key, key), (self._counter, counter)):
            if Context.trace is None:
                cell.set_value(np.asarray(number, np.int64))
            else:
                cell.node = literal(np.asarray(number, np.int64))

    def initial_seed(self) -> int:
        return self.seed

    def get_state(self) -> Array:
        """Key and counter, i64[2]."""
        return np.array([self._key.numpy(), self._counter.numpy()], np.int64)

    def set_state(self, state: Array) -> None:
        """Go back to what get_state gave."""
        self._before("set_rng_state")
        key, counter = np.asarray(state, np.int64)
        self._set(int(key), int(counter))

    def cells(self) -> dict[str, Cell]:
        return {"rng.key": self._key, "rng.counter": self._counter}

    def next_draw(self) -> tuple[Node, Node]:
        """Nodes of the key and of this draw's number; the counter moves on."""
        if Context.trace is not None:
            key, counter = self._key.node, self._counter.node
            self._counter.node = counter + 1
            return key, counter
        key_now, number = known(self._key.numpy()), self._counter.numpy()
        draw = known(number)
        self._counter.set_value(np.asarray(number + 1))
        return key_now.node, draw.node

    def draw(self, build: Callable[[Node, Node], Node]) -> Array:
        """The values of build(key, draw number), computed at once: also in a trace, where that is an effect.

        Raises LenetcError in a trace whose program has drawn numbers already, so that which come next is not known.
        """
        trace = Context.trace
        if trace is not None:
            if self._counter in trace.current or self._key in trace.current:
                raise trace.refused(
                    LenetcError(
                        "numbers are drawn at once (a network or a permutation is made) in a compiled function after "
                        "the program itself has drawn some: make it before that, or outside of the function"
                    )
                )
            trace.effect("it draws random numbers at once, as a network that is made does")
            trace.before_change(self._counter.saved())
            with tracing(None):
                return self.draw(build)
        key, counter = leaf("key", Type(i64, ())), leaf("counter", Type(i64, ()))
        number = self._counter.numpy()
        self._counter.set_value(np.asarray(number + 1))
        graph = Graph.make("draw", (key, counter), [("values", build(key, counter))])
        return run(graph, (self._key.numpy(), number))[0]


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


def _square(x: Node, c: int | Node) -> Node:
    """A 32-bit hash of x, both held in i64: x (x/4 + c), its high half folded onto its low one (middle squares
    with a Weyl constant, Widynski 2017). Every bit of x flips every bit of two rounds with probability 1/2.

    c is below 2^29, so that nothing reaches 2^63. There is no exclusive or in it, as CUDA has no kernel for one.
    """
    product = x * (ops.div(x, 4) + c)
    return ops.mod(product + ops.div(product, 1 << 17), _MASK)


def bits(key: Node, counter: Node, shape: Sequence[Dim]) -> Node:
    """Independent uniform 32-bit integers of `shape`, as i64. key below 2^32, counter up to 2^31 draws."""
    stream = ops.mod(key + counter * _STEP, _MASK)
    for c in (0x0BF0AAAD, 0x135A2D97):
        stream = _square(stream, c)
    size = product(tuple(shape))
    index = (
        ops.iota(size=size, dtype=i64) if isinstance(size, Poly) else literal(np.arange(size, dtype=np.int64))
    )
    # The stream is in every round: neighbours in one stream and one index in two are unrelated.
    x, weyl = ops.mod(index * _STEP + stream, _MASK), ops.div(stream, 16)
    for c in (0, 0x03F0AAAD, 0x05A2D971):
        x = _square(x, weyl + c)
    return ops.reshape(x, shape=tuple(shape))


def uniform(key: Node, counter: Node, shape: Sequence[Dim], dtype: DType = f32) -> Node:
    """Uniform numbers in [0, 1): multiples of 2^-24."""
    high = ops.div(bits(key, counter, shape), 1 << 8)
    return ops.cast(ops.cast(high, dtype=f32) * (1.0 / (1 << 24)), dtype=dtype)


def normal(key: Node, counter: Node, shape: Sequence[Dim], dtype: DType = f32) -> Node:
    """Standard normal numbers (Box and Muller 1958)."""
    pairs = uniform(key, counter, (2, *shape))

    def half(i: int) -> Node:
        rank = len(shape)
        part = ops.slice(pairs, starts=(i, *(0,) * rank), stops=(i + 1, *shape), steps=(1,) * (rank + 1))
        return ops.reshape(part, shape=tuple(shape))

    radius = ops.sqrt(ops.log(1.0 - half(0)) * -2.0)
    return ops.cast(radius * ops.cos(half(1) * (2 * math.pi)), dtype=dtype)


def values(
    kind: Callable[..., Node], shape: Sequence[int], dtype: DType = f32, generator: Generator | None = None
) -> Array:
    """Numbers of `kind` (uniform or normal) as an array, drawn at once."""
    return (generator or default_generator).draw(lambda key, counter: kind(key, counter, tuple(shape), dtype))


def node(kind: Callable[..., Node], shape: Sequence[Dim], dtype: DType = f32) -> Node:
    """Numbers of `kind` as a node: part of the graph, with a new draw each time the program runs."""
    with building_at(where_now()):
        key, counter = default_generator.next_draw()
        return kind(key, counter, tuple(shape), dtype)


def permutation(n: int) -> Array:
    """A random order of 0..n-1, drawn at once, i64[n]."""
    keys = default_generator.draw(lambda key, counter: bits(key, counter, (n,)))
    return np.argsort(keys, kind="stable")
