"""Random differentiable programs in PyTorch's words, run by either framework: hand in lenetc or torch.

A program is a list of instructions (name, i, j). Values pile up, and i and j pick two operands of the right
rank, so that any list is a program and any part of one is one too, which lets hypothesis shrink what fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ir.types import Array

BATCH, CHANNELS, SIDE, FEATURES = 3, 4, 6, 5
Instruction = tuple[str, int, int]
Operation = Callable[[Any, Any, Any, dict[str, Any]], Any]  # (framework, two operands, weights) -> value

# On images [3,4,6,6]. All keep the shape, so that any two values fit.
IMAGES: dict[str, Operation] = {
    "conv": lambda t, x, y, w: t.nn.functional.conv2d(x, w["kernel"], w["bias"], padding=1),
    "conv_grouped": lambda t, x, y, w: t.nn.functional.conv2d(x, w["grouped"], padding=1, groups=2),
    "conv_dilated": lambda t, x, y, w: t.nn.functional.conv2d(x, w["kernel"], padding=2, dilation=2),
    "conv_strided": lambda t, x, y, w: t.nn.functional.conv2d(
        t.cat([t.cat([x, y], 2), t.cat([y, x], 2)], 3), w["kernel"], stride=2, padding=1
    ),
    "max_pool": lambda t, x, y, w: t.nn.functional.max_pool2d(x, 3, stride=1, padding=1),
    "max_pool_strided": lambda t, x, y, w: t.nn.functional.max_pool2d(
        t.cat([t.cat([x, y], 2), t.cat([y, x], 2)], 3), 2
    ),
    "avg_pool": lambda t, x, y, w: t.nn.functional.avg_pool2d(x, 3, stride=1, padding=1),
    "scale": lambda t, x, y, w: x * w["bias"].view(1, CHANNELS, 1, 1),
    "centre": lambda t, x, y, w: x - x.mean((0, 2, 3), keepdim=True),
    "swap": lambda t, x, y, w: x.transpose(2, 3),
    "halves": lambda t, x, y, w: t.cat([x[:, 2:], y[:, :2]], 1),
    "softmax": lambda t, x, y, w: t.nn.functional.softmax(x, dim=1),
}
# On matrices [3,5].
MATRICES: dict[str, Operation] = {
    "linear": lambda t, x, y, w: t.nn.functional.linear(x, w["matrix"], w["offset"]),
    "gram": lambda t, x, y, w: (x @ y.transpose(0, 1)) @ x,
    "log_softmax": lambda t, x, y, w: t.nn.functional.log_softmax(x, dim=1),
    "rows": lambda t, x, y, w: t.cat([x[1:], y[:1]], 0),
    "stack": lambda t, x, y, w: t.stack([x, y]).sum(0),
    "centre_rows": lambda t, x, y, w: x - x.sum(1, keepdim=True) / FEATURES,
}
# On either.
ELEMENTWISE: dict[str, Operation] = {
    "add": lambda t, x, y, w: x + y,
    "sub": lambda t, x, y, w: x - 0.5 * y,
    "mul": lambda t, x, y, w: x * y,
    "div": lambda t, x, y, w: x / (1.0 + y * y),
    "relu": lambda t, x, y, w: t.nn.functional.relu(x),
    "tanh": lambda t, x, y, w: x.tanh(),
    "sigmoid": lambda t, x, y, w: x.sigmoid(),
    "exp": lambda t, x, y, w: (-(x * x)).exp(),
    "where": lambda t, x, y, w: t.where(x > y, x, -y),
    "abs": lambda t, x, y, w: x.abs(),
    "detach": lambda t, x, y, w: x + y.detach(),
}
NAMES = (*IMAGES, *MATRICES, *ELEMENTWISE)
INSTRUCTIONS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=8
)

WEIGHTS = {
    "kernel": (CHANNELS, CHANNELS, 3, 3),
    "grouped": (CHANNELS, CHANNELS // 2, 3, 3),
    "bias": (CHANNELS,),
    "flat": (FEATURES, CHANNELS * SIDE * SIDE),
    "matrix": (FEATURES, FEATURES),
    "offset": (FEATURES,),
}


def arrays(seed: int) -> tuple[Array, dict[str, Array]]:
    """An image batch with constant backgrounds, so that maxima tie, and weights."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(BATCH, CHANNELS, SIDE, SIDE)) * (
        rng.random((BATCH, CHANNELS, SIDE, SIDE)) < 0.5
    )
    weights = {name: rng.normal(size=shape) / np.sqrt(shape[-1] * 4) for name, shape in WEIGHTS.items()}
    return images.astype(np.float32), {name: w.astype(np.float32) for name, w in weights.items()}


def outcome(
    torch: Any,
    program: Sequence[Instruction],
    images: Any,
    weights: dict[str, Any],
    look: Callable[[Any], object] = lambda value: None,
) -> Any:
    """The loss of `program`: all values it made, weighted, in one number. `look` sees each value."""
    x = images * 1.0
    matrix = torch.nn.functional.linear(torch.flatten(x, 1), weights["flat"])
    values = {4: [x], 2: [matrix]}
    for name, i, j in program:
        ranks = [4] if name in IMAGES else [2] if name in MATRICES else [4 if i % 2 else 2]
        operation = {**IMAGES, **MATRICES, **ELEMENTWISE}[name]
        known = values[ranks[0]]
        # Counted from the latest, so that programs are deep more often than wide.
        operands = known[-1 - i % len(known)], known[-1 - j % len(known)]
        known.append(operation(torch, *operands, weights))
        look(known[-1])
    loss = 0.0
    for n, value in enumerate([*values[4], *values[2]]):
        loss = loss + (value * value).mean() * (1.0 / (n + 1)) + value.mean()
    return loss
