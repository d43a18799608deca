"""Sequences of several lengths as one tensor: padded, or packed, which is without the padding (torch.nn.utils.rnn).

Packed rows stand in order of time: step 0 of every sequence, the longest first, then step 1 of those that have one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ir import ops
from ir.errors import LenetcError, ShapeError, UnsupportedError
from ir.node import Node
from ir.op import scalar
from ir.types import Array
from lenetc.evaluation.cell import Context
from lenetc.evaluation.tracing import here
from lenetc.operations import indexing, shaping
from lenetc.operations.creation import from_numpy
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor, apply, require_tensors

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """data[N,*], the rows of all steps, and batch_sizes[T], how many sequences have each step.

    sorted_indices: the sequences by length, where they were not given so; unsorted_indices: back from there.
    Made by pack_padded_sequence and pack_sequence (torch.nn.utils.rnn.PackedSequence).
    """

    _numbers: tuple[int, ...] | None = None  # batch_sizes, where they are known without looking

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    @property
    def sizes(self) -> Sequence[int]:
        """batch_sizes as numbers. Raises UnsupportedError for a packed sequence that a compiled function is given."""
        trace = Context.trace
        if trace is not None and self.batch_sizes._cell.trace is not trace:
            raise UnsupportedError(
                "a compiled function cannot be given a packed sequence, whose lengths decide what is computed: give "
                "it the padded sequence and the lengths as numbers, and pack inside; or give lengths as a tensor, and "
                "mask the outputs"
            ).at(here())
        if self._numbers is None:
            self._numbers = tuple(int(size) for size in self.batch_sizes.tolist())
        return self._numbers

    def with_data(self, data: Tensor) -> PackedSequence:
        """Other rows for the same steps."""
        made = PackedSequence(data, *self[1:])
        made._numbers = self._numbers
        return made

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Its data with another dtype or device, as Tensor.to."""
        return self.with_data(self.data.to(*args, **kwargs))

    def cpu(self) -> PackedSequence:
        return self.to("cpu")

    def cuda(self, device: Any = None) -> PackedSequence:
        return self.to("cuda")

    # Between packed and padded rows.

    def mask(self) -> Tensor:
        """[T,B,1]: whether sequence b has a step t."""
        return from_numpy(_mask(self.sizes)[:, :, None])

    def padded(self, value: float = 0.0) -> Tensor:
        """[T,B,*], with `value` where there is no step."""
        return _padded(self.data, self.sizes, value)

    def half(self) -> PackedSequence:
        return self.with_data(self.data.half())

    def double(self) -> PackedSequence:
        return self.with_data(self.data.double())

    def float(self) -> PackedSequence:
        return self.with_data(self.data.float())


def _mask(sizes: Sequence[int]) -> Array:
    return np.arange(sizes[0]) < np.asarray(sizes)[:, None]


def packed_rows(padded: Tensor, sizes: Sequence[int]) -> Tensor:
    """The rows [N,*] of padded[T,B,*] that are steps."""
    places = from_numpy(np.flatnonzero(_mask(sizes)))
    rest = tuple(padded.shape[2:])

    def build(x: Node, index: Node) -> Node:
        return ops.gather(ops.reshape(x, shape=(x.shape[0] * x.shape[1], *rest)), index, axis=0)

    return apply("PackPaddedSequenceBackward0", build, padded[: len(sizes)], places)


def _padded(data: Tensor, sizes: Sequence[int], value: float) -> Tensor:
    mask = _mask(sizes)
    places = from_numpy(np.where(mask, np.cumsum(mask.reshape(-1)).reshape(mask.shape) - 1, 0))
    kept = from_numpy(mask.reshape(*mask.shape, *(1 for _ in data.shape[1:])))

    def build(x: Node, index: Node, kept: Node) -> Node:
        return ops.where(kept, ops.gather(x, index, axis=0), scalar(value, x.dtype))

    return apply("PadPackedSequenceBackward0", build, data, places, kept)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes one (torch.nn.utils.rnn.invert_permutation)."""
    if permutation is None:
        return None

    def build(places: Node) -> Node:
        (size,) = places.shape
        return ops.put_along_axis(ops.iota(size=size), places, axis=0, size=size)

    return apply("IndexPutBackward0", build, permutation)


def _listed(lengths: Any) -> list[int]:
    """Lengths as numbers. Raises UnsupportedError for a tensor of them in a compiled function."""
    if isinstance(lengths, Tensor) and Context.trace is not None:
        raise UnsupportedError(
            f"the lengths {lengths.type_text()} of sequences decide what is computed: give a compiled function "
            "lengths as numbers, or mask the outputs of the padded sequences"
        ).at(here())
    given = lengths.tolist() if isinstance(lengths, (Tensor, np.ndarray)) else lengths
    return [index_of("a length of a sequence", length) for length in given]


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The first lengths[b] steps of every sequence of input[T,B,*], packed (torch.nn.utils.rnn.pack_padded_sequence).

    lengths: numbers, or a tensor whose values are looked at: a compiled function takes numbers. Raises LenetcError
    for lengths that do not fit, or that are not sorted where `enforce_sorted` says so.
    """
    require_tensors("pack_padded_sequence", input)
    if input.ndim < 2 or input.numel() == 0:
        raise ShapeError(f"Cannot pack empty tensors: the input is {input.type_text()}").at(here())
    padded = input.transpose(0, 1) if batch_first else input
    steps, batch = int(padded.shape[0]), int(padded.shape[1])
    known = _listed(lengths)
    if len(known) != batch:
        raise ShapeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(known)} (batch_size={batch})"
        ).at(here())
    if min(known) <= 0:
        raise LenetcError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        ).at(here())
    if max(known) > steps:
        raise ShapeError(
            f"pack_padded_sequence: a length is {max(known)}, but the input {input.type_text()} has {steps} steps"
        ).at(here())
    order = None
    if not enforce_sorted:
        places = np.argsort(-np.asarray(known), kind="stable")
        known, order = [known[i] for i in places], from_numpy(places)
        padded = indexing.index_select(padded, 1, order)
    if known != sorted(known, reverse=True):
        raise LenetcError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement"
        ).at(here())
    sizes = [sum(length > step for length in known) for step in range(known[0])]
    back = None if order is None else from_numpy(np.argsort(places, kind="stable"))
    made = PackedSequence(packed_rows(padded, sizes), from_numpy(np.asarray(sizes)), order, back)
    made._numbers = tuple(sizes)
    return made


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The sequences [T,B,*] as before packing, and their lengths [B] (torch.nn.utils.rnn.pad_packed_sequence).

    total_length: how many steps there shall be. Raises ValueError where that is fewer than there are.
    """
    padded = sequence.padded(padding_value)
    longest = len(sequence.sizes)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {longest}"
        )
    if total_length is not None and total_length > longest:
        padded = _extended(padded, total_length, padding_value, "right")
    lengths = from_numpy(_mask(sequence.sizes).sum(axis=0))
    if sequence.unsorted_indices is not None:
        padded = indexing.index_select(padded, 1, sequence.unsorted_indices)
        lengths = indexing.index_select(lengths, 0, sequence.unsorted_indices)
    return padded.transpose(0, 1) if batch_first else padded, lengths


def _extended(x: Tensor, steps: int, value: float, side: str) -> Tensor:
    """x[t,*] with `value` in further steps, up to `steps`."""
    rest = (0,) * (x.ndim - 1)

    def build(a: Node) -> Node:
        more = (steps - a.shape[0], *rest)
        low, high = ((0,) * a.rank, more) if side == "right" else (more, (0,) * a.rank)
        return ops.pad(a, low=low, high=high, value=value)

    return x if x.shape[0] == steps else apply("ConstantPadNdBackward0", build, x, saves=False)


def pad_sequence(
    sequences: Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences [t,*] of several lengths as one [T,B,*], or [B,T,*] (torch.nn.utils.rnn.pad_sequence).

    Raises ShapeError for none of them, and for sizes that differ beyond the first.
    """
    if not isinstance(sequences, Iterable):
        raise LenetcError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        ).at(here())
    listed = list(sequences)
    require_tensors("pad_sequence", *listed)
    if not listed:
        raise ShapeError("pad_sequence: received an empty list of sequences").at(here())
    if padding_side not in ("left", "right"):
        raise LenetcError(f"Expected padding_side to be one of left or right, but got {padding_side}.").at(
            here()
        )
    for x in listed:
        if not x.ndim or x.shape[1:] != listed[0].shape[1:]:
            raise ShapeError(
                f"pad_sequence: all sequences need the same sizes beyond the first, but they are "
                f"{listed[0].type_text()} and {x.type_text()}"
            ).at(here())
    longest = max(int(x.shape[0]) for x in listed)
    padded = [_extended(x.to(listed[0].dtype), longest, padding_value, padding_side) for x in listed]
    return shaping.stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The first lengths[b] steps of each sequence, apart (torch.nn.utils.rnn.unpad_sequence)."""
    require_tensors("unpad_sequence", padded_sequences)
    batched = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [batched[i, :length] for i, length in enumerate(_listed(lengths))]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences [t,*] of several lengths, packed (torch.nn.utils.rnn.pack_sequence)."""
    lengths = [int(x.shape[0]) for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that were packed (torch.nn.utils.rnn.unpack_sequence)."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)
