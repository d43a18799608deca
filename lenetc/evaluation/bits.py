"""The formula of the random numbers, over NumPy arrays and over nodes of the IR: the same bits in both.

A draw has four words, a hash of the generator's key and of the draw's number. The element at (i, j, ...) of a draw is
a polynomial of two of them and of what a table has for i, for j, ...: four operations for each element, the rest is
for scalars and for single axes. All is arithmetic of 32-bit integers that wrap around, with products, sums and the
conversion to f32 and back in the place of shifts: what every runtime has for signed integers, and computes alike.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ir import ops
from ir.dims import Dim
from ir.errors import UnsupportedError
from ir.node import Node
from ir.op import literal
from ir.types import Array, DType, f32, i32, i64

WORDS = 4  # of a draw: two for each number that an element takes
_BELOW_ONE = 1 - 2.0**-24
_LITERAL = 4096  # entries of a table that a program holds; larger ones it computes
_KEPT = 1 << 16  # entries of a table that are kept for the next draw
_BLOCK = 1 << 15  # elements that are computed at once, so that they stay in the processor's cache
_NARROW = 64  # elements, of fewer of which a row is too short for NumPy to be fast


def _words(text: str, count: int) -> Array:
    """`count` words that stand for `text`."""
    return np.frombuffer(hashlib.blake2s(text.encode(), digest_size=4 * count).digest(), "<i4").astype(
        np.int32
    )


_STEPS = np.array(
    [0x1E3779B1, 0x05EBCA77, 0x42B2AE3D, 0x27D4EB2F], np.int32
)  # odd, so that no number comes again
_TWICE = np.array([2, 1, 2, 1], np.int32)
_ODD = np.array([1, 0, 1, 0], np.int32)


def _of(like: Any, array: Array) -> Any:
    return literal(array) if isinstance(like, Node) else array


def _high(x: Any) -> Any:
    """The higher half of x, as exact as f32 is."""
    if isinstance(x, Node):
        return ops.cast(ops.cast(x, dtype=f32) * 2.0**-16, dtype=i32)
    return (x.astype(np.float32) * 2.0**-16).astype(np.int32)


def _mixed(x: Any) -> Any:
    """A hash of x, word by word: the high bits are added to the low ones, and x (2 x + 1), which maps the integers of
    32 bits one to one, brings low bits up (Rivest et al., RC6, 1998)."""
    for _ in range(2):
        x = x + _high(x)
        x = x * (x * 2 + 1)
    return x


def key_of(seed: int | Node) -> Any:
    """The key that a generator with `seed` has, i32[4]: a hash of its lower and of its higher half. A node is i64[]."""
    low: Any
    high: Any
    if isinstance(seed, Node):
        seed = ops.reshape(seed, shape=(1,))
        low = ops.cast(seed, dtype=i32)
        high = ops.cast((seed - ops.cast(low, dtype=i64)) / literal(np.int64(1 << 32)), dtype=i32)
    else:
        low = np.array([seed & 0xFFFFFFFF], np.uint32).view(np.int32)
        high = np.array([(seed - int(low[0])) >> 32 & 0xFFFFFFFF], np.uint32).view(np.int32)
    steps = _of(low, _STEPS)
    return _mixed(low * steps + _mixed(high * steps + _of(low, _words("seed", WORDS))))


def words(key: Any, counter: Any) -> Any:
    """The words of draw number `counter`, i32[1], under `key`: the first and the third are odd."""
    return _mixed(counter * _of(key, _STEPS) + key) * _of(key, _TWICE) + _of(key, _ODD)


def _entries(index: Any, axis: int) -> Any:
    """Two words for each index, i32[2,n], of an axis; the first ones are even."""
    start = _words(f"axis {axis}", 2).reshape(2, 1)
    return _mixed(index * _of(index, _STEPS[2:].reshape(2, 1)) + _of(index, start)) * _of(
        index, _TWICE[:2].reshape(2, 1)
    )


def _made(axis: int, size: int) -> Array:
    entries: Array = _entries(np.arange(size, dtype=np.int32), axis)
    return entries


_kept = functools.lru_cache(maxsize=32)(_made)


def table_of(axis: int, size: int) -> Array:
    """Entries for 0, 1, ... size-1."""
    if size > _KEPT:
        return _made(axis, size)
    return _kept(axis, max(64, 1 << (size - 1).bit_length()))[:, :size] if size else _kept(axis, 64)[:, :0]


def element_of(odd: Any, word: Any) -> Any:
    """s (s + odd) with s = odd * word: as likely one even number as another, whatever odd is."""
    s = odd * word
    return s * (s + odd)


# Nodes.


def _spread(table: Node, row: int, shape: tuple[Dim, ...]) -> Node:
    """One row of a table i32[2,n] in `shape`."""
    part = ops.slice(table, starts=(row, 0), stops=(row + 1, table.shape[1]), steps=(1, 1))
    return ops.reshape(part, shape=shape)


def _tables(shape: tuple[Dim, ...]) -> Iterator[tuple[tuple[Dim, ...], Node, Node]]:
    """For each axis, or for neighbours that are small, what it adds to the odd word and to the other one."""
    axis = 0
    while axis < len(shape):
        end, size = axis, 1
        while end < len(shape) - 1 and isinstance(n := shape[end], int) and size * n <= _LITERAL:
            size, end = size * n, end + 1
        rest = (1,) * (len(shape) - max(end, axis + 1))
        if end > axis:
            sizes = [int(n) for n in shape[axis:end]]
            odd, word = (literal(part.reshape(*part.shape, *rest)) for part in _rows(sizes, axis))
        else:
            end, last = axis + 1, shape[axis]
            if isinstance(last, int) and last <= _LITERAL:
                odd, word = (literal(row.reshape(last, *rest)) for row in table_of(axis, last))
            else:
                table = _entries(ops.iota(size=last, dtype=i32), axis)
                odd, word = (_spread(table, row, (last, *rest)) for row in (0, 1))
        yield rest, odd, word
        axis = end


def node_of(kind: Kind, draw: Node, shape: Sequence[Dim]) -> Node:
    """The numbers of `kind` that the words of a draw give."""
    found: Node = kind.of(ops, *(_node_bits(draw, number, tuple(shape)) for number in range(kind.numbers)))
    return found


def _node_bits(draw: Node, number: int, shape: tuple[Dim, ...]) -> Node:
    """Bits of `shape`, i32, even: the first (number 0) or the second ones that the words of a draw give."""
    odd, word = (
        ops.slice(draw, starts=(i,), stops=(i + 1,), steps=(1,)) for i in (2 * number, 2 * number + 1)
    )
    for rest, even, other in _tables(shape or (1,)):
        word = word + other
        if rest:  # the last axis is in the other word only
            odd = odd + even
    result = element_of(odd, word)
    return result if result.shape == shape else ops.reshape(result, shape=shape)


# Arrays.


def _rows(sizes: Sequence[int], first: int = 0) -> tuple[Array, Array]:
    """The sums of the tables of axes of `sizes`, for the odd word and for the other one. first: the first axis."""
    odd, word = np.zeros((1,) * len(sizes), np.int32), np.zeros((1,) * len(sizes), np.int32)
    for axis, size in enumerate(sizes):
        table = table_of(first + axis, size).reshape(2, size, *(1,) * (len(sizes) - axis - 1))
        odd, word = odd + table[0], word + table[1]
    return odd, word


def _columns(shape: tuple[int, ...]) -> tuple[Array, Array, Array | int, Array]:
    """The odd and the other word for the leading axes, as columns, and for the trailing ones, as rows that are long
    enough for NumPy to be fast."""
    axis = len(shape) - 1
    while axis and math.prod(shape[axis:]) < _NARROW:
        axis -= 1
    odd, word = (part.reshape(-1, 1) for part in _rows(shape[:axis]))
    *inner, last = shape[axis:]
    table = table_of(len(shape) - 1, last)[1]
    if not inner:
        return odd, word, 0, table
    inner_odd, inner_word = (part.reshape(-1, 1) for part in _rows(inner, axis))
    return odd, word, np.repeat(inner_odd, last), (inner_word + table).reshape(-1)


_kept_columns = functools.lru_cache(maxsize=64)(_columns)


def array_of(kind: Kind, draw: Array, shape: tuple[int, ...]) -> Array:
    """The numbers of `kind` that the words of a draw give, block by block."""
    sizes = shape or (1,)
    odd, word, inner_odd, inner_word = (_kept_columns if math.prod(sizes) <= _KEPT else _columns)(sizes)
    pairs = [(draw[2 * i : 2 * i + 1], draw[2 * i + 1 : 2 * i + 2]) for i in range(kind.numbers)]
    columns = len(inner_word)
    if len(odd) * columns <= _BLOCK:
        found = [element_of((a + odd) + inner_odd, (b + word) + inner_word) for a, b in pairs]
        return np.asarray(kind.of(np, *found)).reshape(shape)
    out = np.empty((len(odd), columns), kind.dtype.numpy)
    height = max(1, _BLOCK // columns)
    for top in range(0, len(odd), height):
        rows = slice(top, top + height)
        starts = [(a + odd[rows], b + word[rows]) for a, b in pairs]
        for left in range(0, columns, _BLOCK):
            part = slice(left, left + _BLOCK)
            over = inner_odd if isinstance(inner_odd, int) else inner_odd[part]
            found = [element_of(a + over, b + inner_word[part]) for a, b in starts]
            out[rows, part] = kind.of(np, *found)
    return out.reshape(shape)


# What numbers are made of the bits.


class Kind(NamedTuple):
    """How numbers are made of bits, `numbers` of them for each. of: a function of a library, ops or NumPy, which name
    what it needs alike, and of the bits. dtype: what it gives."""

    numbers: int
    dtype: DType
    of: Callable[..., Any]

    def scaled(self, factor: float, offset: float) -> Kind:
        """The same numbers times a factor, plus an offset."""
        return self._replace(of=lambda library, *bits: self.of(library, *bits) * factor + offset)


def _cast(x: Any, dtype: DType) -> Any:
    return ops.cast(x, dtype=dtype) if isinstance(x, Node) else x.astype(dtype.numpy)


def _half(x: Any) -> Any:
    return ops.div(x, 2) if isinstance(x, Node) else x // 2


def _uniform(library: ModuleType, bits: Any) -> Any:
    """The floor keeps the sum from rounding, which would prefer even multiples of 2^-24."""
    return library.minimum(library.floor(_cast(bits, f32) * 2.0**-8) * 2.0**-24 + 0.5, _BELOW_ONE)


def _normal(library: ModuleType, first: Any, second: Any) -> Any:
    radius = library.sqrt(library.log(1.0 - _uniform(library, first)) * -2.0)
    return radius * library.cos(_uniform(library, second) * (2 * math.pi))


uniform = Kind(1, f32, _uniform)  # in [0, 1), multiples of 2^-24
normal = Kind(2, f32, _normal)  # standard normal numbers (Box and Muller 1958)
plain = Kind(1, i32, lambda library, bits: bits)

_FEW = 1 << 16  # integers among which f32 chooses fairly
_MANY = 1 << 62  # what the bits of two numbers count
_ALL = (1 << 64) - 1  # integers of 64 bits, the last one aside


@functools.lru_cache(maxsize=64)
def integers(span: int) -> Kind:
    """Integers in [0, span), i64, which wrap around where the span is all there are: the last is not left out then.

    Raises UnsupportedError for a span between 2^63 and that.
    """
    if 1 << 63 <= span < _ALL:
        raise UnsupportedError(
            f"integers are drawn from fewer than 2^63, or from all of 64 bits, not from {span}"
        )

    def few(library: ModuleType, bits: Any) -> Any:
        # Rounded up, the product could be the one beyond the last.
        below = library.minimum(library.floor(_uniform(library, bits) * float(span)), float(span - 1))
        return _cast(below, i64)

    def many(library: ModuleType, first: Any, second: Any) -> Any:
        high, low = (
            _cast(x, i64) + (1 << 31) for x in (first, second)
        )  # even, so that 31 bits of each count
        if span <= _MANY:
            return library.mod(high * (1 << 30) + _half(low), span)
        total = high * (1 << 32) + low
        return total if span >= _ALL else library.mod(total, span)

    return Kind(1, i64, few) if span <= _FEW else Kind(2, i64, many)


def threshold(p: float) -> int:
    """What a share p of all bits is less than."""
    return max(-(1 << 31), min(round(p * 2**32) - (1 << 31), (1 << 31) - 1))
