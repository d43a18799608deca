"""Random numbers: generators with a seed and a count of draws, from which `bits` makes numbers.

Outside of `compile` the numbers are computed at once; inside, key and count are state of the program and the formula
is part of the graph, so every run draws new numbers. Both give the same ones, as exported files do.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from weakref import WeakSet

import numpy as np

from ir import ops
from ir.dims import Dim
from ir.errors import LenetcError
from ir.node import Node, building_at
from ir.op import literal
from ir.types import Array, DType
from lenetc.evaluation import bits
from lenetc.evaluation.bits import Kind, plain
from lenetc.evaluation.cell import Cell, Context, known
from lenetc.evaluation.tracing import asked, here, tracing, where_now

_SEEDS = 1 << 64
_DEFAULT = 67280421310721  # the seed of a new generator, as PyTorch has it
# What a trace notes of numbers that are drawn while it runs.
MAKES_WEIGHTS = "it draws random numbers at once, as a network that is made does"
_generators: WeakSet[Generator] = WeakSet()


class Generator:
    """A seed and the number of draws made so far (torch.Generator). Compiled programs keep both as state: the seed as
    a key of four words, hashed once here rather than in every run, and the number, which wraps around after 2^32."""

    # What makes a tensor of a state, put in by `operations`.
    tensor_of: Callable[[Array], Any] = staticmethod(lambda array: array)

    def __init__(self, device: Any = "cpu") -> None:
        self.device = device
        self._seed = _DEFAULT
        self._key = known(bits.key_of(_DEFAULT))
        self._counter = known(np.zeros((), np.int32))
        _generators.add(self)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`, an integer of 64 bits. Raises LenetcError for a larger one."""
        number = int(seed)
        if not -_SEEDS // 2 <= number < _SEEDS:
            raise LenetcError(
                f"manual_seed: a seed is between -2^63 and 2^64 - 1, but it is {number}; take it modulo 2^64"
            ).at(here())
        self._before("manual_seed")
        self._seed = number % _SEEDS
        self._set(bits.key_of(self._seed), 0)
        return self

    def seed(self) -> int:
        """Start again from a seed that nobody knows, and return it."""
        self.manual_seed(secrets.randbits(63))
        return self._seed

    def _before(self, what: str) -> None:
        """Under compile the numbers that follow are the program's; each call has to note that the seed is another."""
        if Context.trace is not None:
            Context.trace.effect(f"it calls {what}")
            Context.trace.before_change(functools.partial(setattr, self, "_seed", self._seed))

    def _set(self, key: Array, counter: int) -> None:
        for cell, value in ((self._key, key), (self._counter, np.asarray(counter, np.int32))):
            if Context.trace is None:
                cell.set_value(value)
            else:
                cell.node = literal(value)

    def initial_seed(self) -> int:
        asked("the seed of a generator")
        return self._seed

    def get_state(self) -> Any:
        """Key, count and seed as bytes, u8[28]. Raises LenetcError in a compiled function, whose draws move it on."""
        if Context.trace is not None:
            raise Context.trace.refused(
                LenetcError(
                    "get_rng_state (get_state of a generator) looks at random numbers that only exist when the program "
                    "runs: call it outside of the compiled function, or put `with fork_rng()` around the draws in it"
                )
            )
        seed = np.array([self._seed], np.uint64)
        parts = (self._key.numpy(), self._counter.numpy().reshape(1), seed)
        return self.tensor_of(np.concatenate([part.view(np.uint8) for part in parts]))

    def set_state(self, new_state: Any) -> Generator:
        """Go back to what get_state gave. Raises LenetcError for anything else."""
        state = np.asarray(new_state)
        if state.dtype != np.uint8 or state.shape != (28,):
            raise LenetcError(
                f"set_state: a state is what get_state gave, 28 bytes, not {state.dtype}{list(state.shape)}"
            ).at(here())
        self._before("set_rng_state")
        self._seed = int(state[20:].view(np.uint64)[0])
        self._set(state[:16].view(np.int32).copy(), int(state[16:20].view(np.int32)[0]))
        return self

    def _put_back(self) -> Callable[[], None]:
        """What makes a compiled function's draws go on from here, whatever is drawn in between."""
        seed, nodes = self._seed, [cell.node for cell in self.cells()]

        def put_back() -> None:
            self._seed = seed
            for cell, node in zip(self.cells(), nodes, strict=True):
                cell.node = node

        return put_back

    def clone_state(self) -> Generator:
        """Another generator that goes on from here."""
        return Generator(self.device).set_state(self.get_state())

    def cells(self) -> tuple[Cell, Cell]:
        return self._key, self._counter

    def draw_node(self) -> Node:
        """A node of the words of the next draw; the count moves on."""
        if Context.trace is not None:
            key, counter = self._key.node, self._counter.node
            self._counter.node = counter + 1
        else:
            numbers = self._counter.numpy().reshape(1)
            key, counter = known(self._key.numpy()).node, known(numbers.reshape(())).node
            self._move_on(numbers)
        words: Node = bits.words(key, ops.reshape(counter, shape=(1,)))
        return words

    def draw(self) -> Array:
        """The words of the next draw, computed at once: also in a trace, where that is an effect.

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
            trace.effect(MAKES_WEIGHTS)
            trace.before_change(self._counter.saved())
            with tracing(None):
                return self.draw()
        number = self._counter.numpy().reshape(1)
        found: Array = bits.words(self._key.numpy(), number)
        self._move_on(number)
        return found

    def _move_on(self, number: Array) -> None:
        self._counter.set_value((number + 1).reshape(()))

    def __reduce__(self) -> Any:
        return _restored, (self.device, np.asarray(self.get_state()))


def _restored(device: Any, state: Array) -> Generator:
    return Generator(device).set_state(state)


default_generator = Generator()
default_generator.seed()


def state_names(met: Iterable[Cell]) -> dict[Cell, str]:
    """Names of the state of generators, "rng.key" and "rng.counter" for the default one; others, of which there are
    cells among those `met`, are numbered."""
    cells = dict.fromkeys(met)
    others = [g for g in _generators if g is not default_generator and any(c in cells for c in g.cells())]
    others.sort(key=lambda g: g._key.number)
    names: dict[Cell, str] = {}
    for i, generator in enumerate([default_generator, *others]):
        label = f"rng{i or ''}"
        names.update(zip(generator.cells(), (f"{label}.key", f"{label}.counter"), strict=True))
    return names


def generator_cells() -> set[Cell]:
    """The state of every generator there is."""
    return {cell for generator in _generators for cell in generator.cells()}


def manual_seed(seed: int) -> Generator:
    """Seed every random operation (torch.manual_seed)."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed every random operation with a number that nobody knows, and return it (torch.seed)."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator (torch.initial_seed)."""
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """The state of the default generator (torch.get_rng_state)."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Put what get_rng_state gave back (torch.set_rng_state)."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, **unused: Any) -> Iterator[None]:
    """Draws in the block leave the generator as it was before (torch.random.fork_rng). Devices have none of their
    own."""
    if not enabled:
        yield
        return
    put_back: Callable[[], Any]
    if Context.trace is None:
        state = default_generator.get_state()
        put_back = functools.partial(default_generator.set_state, state)
    else:
        put_back = default_generator._put_back()
    try:
        yield
    finally:
        put_back()


def generator_of(generator: Any) -> Generator:
    """The generator that was given, or the default one. Raises LenetcError for what is none."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise LenetcError(f"generator must be a lenetc.Generator, not {generator!r}").at(here())
    return generator


def values(kind: Kind, shape: Sequence[int], generator: Generator | None = None) -> Array:
    """Numbers of `kind` (uniform, normal, ...) as an array, drawn at once."""
    return bits.array_of(kind, generator_of(generator).draw(), tuple(shape))


def node(kind: Kind, shape: Sequence[Dim], generator: Generator | None = None) -> Node:
    """Numbers of `kind` as a node: part of the graph, with a new draw each time the program runs."""
    with building_at(where_now()):
        return bits.node_of(kind, generator_of(generator).draw_node(), shape)


def kept_node(p: float, shape: Sequence[Dim], dtype: DType, generator: Generator | None = None) -> Node:
    """1 with probability 1 - p, else 0, as a node."""
    with building_at(where_now()):
        drawn = node(plain, shape, generator)
        return ops.cast(ops.greater(drawn, bits.threshold(p) - 1), dtype=dtype)


def permutation(n: int, generator: Generator | None = None) -> Array:
    """A random order of 0..n-1, drawn at once, i64[n]."""
    return np.argsort(np.argsort(values(plain, (n,), generator), kind="stable"))
