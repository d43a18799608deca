"""The first maximum of several arrays as a knockout: halves meet, the later wins only if strictly larger, or NaN.

Ties thus go to the first and windows with NaN to the last NaN, as in PyTorch's max-pooling, with operations on halves
of halves instead of a mask over all. Forward and gradient share their comparisons, because equal nodes are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TypeAlias

from ir import ops
from ir.node import Node
from passes.layouts.indices import value
from passes.strategies import finite

# For each player where it is padding, None where it never is; () where none ever is.
Outside: TypeAlias = Sequence["Node | None"]


def best(players: Sequence[Node]) -> Node:
    """The elementwise maximum."""
    half = len(players) // 2
    return players[0] if half == 0 else ops.maximum(best(players[:half]), best(players[half:]))


def _later_wins(players: Sequence[Node], outside: Outside) -> Node:
    half = len(players) // 2
    later = best(players[half:])
    wins = ops.logical_or(ops.greater(later, best(players[:half])), ops.is_nan(later))
    beaten, met = _all(outside[:half]), _all(outside[half:])
    if beaten is not None:
        given = beaten if met is None else ops.logical_and(beaten, ops.logical_not(met))
        wins = ops.logical_or(wins, given) if value(given).any() else wins
    return wins


def _all(outside: Outside) -> Node | None:
    """Where all are padding; None where there is no such place."""
    masks = [mask for mask in outside if mask is not None]
    return reduce(ops.logical_and, masks) if masks and len(masks) == len(outside) else None


def _winners(players: Sequence[Node], outside: Outside, alive: Node | None = None) -> list[Node]:
    """For each of several players where it is the maximum, among the places that are `alive`."""
    half = len(players) // 2
    if half == 0:
        assert alive is not None
        return [alive]
    later = _later_wins(players, outside)
    earlier = ops.logical_not(later)
    if alive is not None:
        earlier, later = ops.logical_and(alive, earlier), ops.logical_and(alive, later)
    return [
        *_winners(players[:half], outside[:half], earlier),
        *_winners(players[half:], outside[half:], later),
    ]


def hand_back(g: Node, players: Sequence[Node], outside: Outside = ()) -> list[Node]:
    """For each player g where it is the maximum, and 0 elsewhere, be g infinite. `outside` says, if anything, where
    each is padding: that loses to -inf as well."""
    if len(players) == 1:
        return [g]
    zero = ops.scalar(0, g.dtype)
    return [ops.where(wins, g, zero) for wins in _winners(players, outside)]


def hand_back_if_finite(g: Node, parts: Node, players: Sequence[Node], outside: Outside = ()) -> list[Node]:
    """As `hand_back`, for the CPU: where g and the maxima are finite without what infinities and NaN ask for. parts:
    sums of parts of g."""
    exact = hand_back(g, players, outside)
    if outside or len(exact) == 1:
        return exact
    read = [g, *_met(players)]
    both = finite.choice([parts, best(players)], read, _shared_out(g, players), exact)
    return [ops.get(both, index=i) for i in range(len(exact))]


def _shared_out(g: Node, players: Sequence[Node]) -> list[Node]:
    """For each player g where it is the maximum, and 0 elsewhere, all being finite."""
    half = len(players) // 2
    if half == 0:
        return [g]
    later = g * ops.cast(ops.greater(best(players[half:]), best(players[:half])), dtype=g.dtype)
    return [*_shared_out(g - later, players[:half]), *_shared_out(later, players[half:])]


def _met(players: Sequence[Node]) -> list[Node]:
    """The best of either half at each meeting."""
    half = len(players) // 2
    if half == 0:
        return []
    earlier, later = players[:half], players[half:]
    return [best(earlier), best(later), *_met(earlier), *_met(later)]


def pick(values: Sequence[Node], players: Sequence[Node], outside: Outside = ()) -> Node:
    """The value that goes with the maximum."""
    half = len(players) // 2
    if half == 0:
        return values[0]
    return ops.where(
        _later_wins(players, outside),
        pick(values[half:], players[half:], outside[half:]),
        pick(values[:half], players[:half], outside[:half]),
    )
