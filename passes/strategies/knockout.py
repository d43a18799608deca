"""The first maximum of several arrays as a knockout: halves meet, the later wins only if strictly larger.

Ties thus go to the first, as in PyTorch's max-pooling, with operations on halves of halves instead of a mask
over all. Forward and gradient share their comparisons, because equal nodes are one.
"""

from __future__ import annotations

from collections.abc import Sequence

from ir import ops
from ir.node import Node


def best(players: Sequence[Node]) -> Node:
    """The elementwise maximum."""
    half = len(players) // 2
    return players[0] if half == 0 else ops.maximum(best(players[:half]), best(players[half:]))


def _later_wins(players: Sequence[Node]) -> Node:
    half = len(players) // 2
    return ops.greater(best(players[half:]), best(players[:half]))


def hand_back(g: Node, players: Sequence[Node]) -> list[Node]:
    """For each player g where it is the first maximum, and 0 elsewhere."""
    half = len(players) // 2
    if half == 0:
        return [g]
    later = g * ops.cast(_later_wins(players), dtype=g.dtype)
    return [*hand_back(g - later, players[:half]), *hand_back(later, players[half:])]


def pick(values: Sequence[Node], players: Sequence[Node]) -> Node:
    """The value that goes with the first maximum."""
    half = len(players) // 2
    if half == 0:
        return values[0]
    return ops.where(
        _later_wins(players), pick(values[half:], players[half:]), pick(values[:half], players[:half])
    )
