"""Data to try the models on, drawn anew from a seed: each has something to learn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def images(
    steps: int, batch: int, channels: int = 3, size: int = 32, classes: int = 10
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of (images f32[N,C,S,S], labels i64[N]): smooth patterns, one a class, under noise."""
    draw = np.random.default_rng(0)
    coarse = draw.standard_normal((classes, channels, 4, 4))
    patterns = coarse.repeat(size // 4, 2).repeat(size // 4, 3)
    for _ in range(steps):
        labels = draw.integers(0, classes, batch)
        noise = draw.standard_normal((batch, channels, size, size))
        yield (patterns[labels] + noise).astype(np.float32), labels


def shapes(steps: int, batch: int, size: int = 32) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of (images f32[N,1,S,S] of a bright disc under noise, masks f32[N,1,S,S] of where it is)."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    for _ in range(steps):
        y, x = draw.uniform(8, size - 8, (2, batch, 1, 1))
        inside = (rows - y) ** 2 + (columns - x) ** 2 < draw.uniform(4, 8, (batch, 1, 1)) ** 2
        noisy = inside + 0.5 * draw.standard_normal((batch, size, size))
        yield noisy[:, None].astype(np.float32), inside[:, None].astype(np.float32)


def text(steps: int, batch: int, length: int, symbols: int = 32) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of (symbols i64[N,T], the next ones i64[N,T]) of a random language: each pair of symbols has three
    that may follow."""
    draw = np.random.default_rng(0)
    follows = draw.integers(0, symbols, (symbols, symbols, 3))
    for _ in range(steps):
        found = draw.integers(0, symbols, (batch, length + 1))
        for t in range(2, length + 1):
            found[:, t] = follows[found[:, t - 2], found[:, t - 1], draw.integers(0, 3, batch)]
        yield found[:, :-1].copy(), found[:, 1:].copy()


def graph(nodes: int = 120, edges: int = 600, features: int = 16, classes: int = 4) -> tuple[np.ndarray, ...]:
    """(features f32[V,F], edges i64[2,E] with each node's own, labels i64[V]): most edges stay within a class."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, classes, nodes)
    centres = draw.standard_normal((classes, features))
    source = draw.integers(0, nodes, edges)
    kin = [draw.choice(np.flatnonzero(labels == labels[s])) for s in source]
    target = np.where(draw.random(edges) < 0.8, kin, draw.integers(0, nodes, edges))
    own = np.arange(nodes)
    x = centres[labels] + 2 * draw.standard_normal((nodes, features))
    return x.astype(np.float32), np.stack([np.r_[source, own], np.r_[target, own]]), labels
