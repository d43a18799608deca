"""Random orders for samplers, of lenetc's own random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lenetc.operations import creation


def permutation(n: int, generator: Any) -> list[int]:
    """The numbers from 0 to n - 1 in random order."""
    order: list[int] = creation.randperm(n, **_of(generator)).tolist()
    return order


_TOGETHER = 1024


def integers(high: int, count: int, generator: Any) -> Iterator[int]:
    """`count` numbers from 0 to high - 1, of which there may be more than anybody will take."""
    for start in range(0, count, _TOGETHER):
        yield from creation.randint(high, (min(_TOGETHER, count - start),), **_of(generator)).tolist()


def uniform(count: int, generator: Any) -> list[float]:
    """`count` numbers from [0, 1)."""
    drawn: list[float] = creation.rand(count, **_of(generator)).tolist()
    return drawn


def _of(generator: Any) -> dict[str, Any]:
    return {} if generator is None else {"generator": generator}
