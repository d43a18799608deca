"""Steps of sizes that are not known: what people write over batches, sentences, graphs and images of any size.

A case takes the library, PyTorch or lenetc, and its inputs, and gives a tensor or several.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lenetc.evaluation.tracing import tracing

CASES: dict[
    tuple[str, ...], list[Callable[..., Any]]
] = {}  # by the inputs: "B T 4" of f32, "5: B T" of i64 below 5


def case(*inputs: str) -> Callable[[Any], Any]:
    def noted(function: Any) -> Any:
        CASES.setdefault(inputs, []).append(function)
        return function

    return noted


def weight(t, *shape):
    return t.tensor(np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32) * 0.3)


def made(t, build):
    """A module with the same parameters in both libraries, as if it had been made before the step."""
    with tracing(None):
        module = build()
        with t.no_grad():
            for k, p in enumerate(module.parameters()):
                p.copy_(
                    t.tensor(np.random.default_rng(k).normal(size=tuple(p.shape)).astype(np.float32) * 0.3)
                )
    return module
