"""Arrays for layers and losses: normal numbers, whole ones with ties, labels."""

from __future__ import annotations

from typing import Any

import numpy as np


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def whole(*shape: int, span: int = 2, seed: int = 0) -> Any:
    """Small whole numbers as floats: full of ties."""
    return np.random.default_rng(seed).integers(-span, span + 1, shape).astype(np.float32)


def labels(*shape: int, classes: int = 5, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, classes, shape)
