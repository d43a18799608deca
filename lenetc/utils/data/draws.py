"""Random orders for samplers, of lenetc's own random numbers."""

from __future__ import annotations

from typing import Any

from lenetc.operations import creation


def permutation(n: int, generator: Any) -> list[int]:
    """The numbers from 0 to n - 1 in random order."""
    order: list[int] = creation.randperm(n, **_of(generator)).tolist()
    return order


def integers(high: int, count: int, generator: Any) -> list[int]:
    """`count` numbers from 0 to high - 1."""
    drawn: list[int] = creation.randint(high, (count,), **_of(generator)).tolist()
    return drawn


def uniform(count: int, generator: Any) -> list[float]:
    """`count` numbers from [0, 1)."""
    drawn: list[float] = creation.rand(count, **_of(generator)).tolist()
    return drawn


def _of(generator: Any) -> dict[str, Any]:
    return {} if generator is None else {"generator": generator}
