"""The minimum cut, against all cuts there are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from passes.layouts.mincut import minimum_cut

Edges = list[tuple[int, int, int | None]]


def cheapest(count: int, edges: Edges) -> tuple[float, list[bool]]:
    """The least cost, and of the cuts that have it the one with fewest nodes on the sink's side."""
    found = []
    for rest in itertools.product((False, True), repeat=count - 2):
        side = [False, True, *rest]
        crossing = [c for u, v, c in edges if not side[u] and side[v]]
        if None not in crossing:
            found.append((sum(c for c in crossing if c is not None), sum(side), side))
    cost, _, side = min(found)
    return cost, side


@pytest.mark.parametrize("seed", range(200))
def test_it_is_the_cheapest_of_all_cuts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 9))
    edges: Edges = [(0, 1, 0)]
    for _ in range(int(rng.integers(0, 24))):
        tail, head = (int(x) for x in rng.integers(0, count, 2))
        capacity = int(rng.integers(0, 6))
        edges.append((tail, head, None if capacity == 5 and (tail, head) != (0, 1) else capacity))
    try:
        expected = cheapest(count, edges)
    except ValueError:  # no cut at all
        with pytest.raises(ValueError, match="no finite cut"):
            minimum_cut(count, edges, 0, 1)
        return
    assert minimum_cut(count, edges, 0, 1) == expected


def test_a_long_path_is_no_deep_recursion() -> None:
    count = 50_000
    edges: Edges = [
        (0, 2, 7),
        (count - 1, 1, 9),
        *((i, i + 1, 8 if i != 30_000 else 5) for i in range(2, count - 1)),
    ]
    cost, side = minimum_cut(count, edges, 0, 1)
    assert (cost, sum(side)) == (5, count - 30_000)
