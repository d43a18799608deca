"""What is between rounding and the way back to floats, so that the gradient is not lost there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lenetc.importer.values import Quantized
from lenetc.tensors.tensor import Tensor

# Operators that move elements, choose among them or limit them: of rounded numbers as of the floats with their values.
MOVES = frozenset(
    "Clip Concat DepthToSpace Expand Flatten Gather MaxPool Relu Reshape Slice SpaceToDepth Split Squeeze Tile "
    "Transpose Unsqueeze".split()
)


def on_floats(function: Callable[..., Any], inputs: Sequence[Any]) -> Any:
    """`function` of `inputs`; where the first one was rounded, of the floats that it and others of its dtype hold, and
    the results are rounded numbers of that dtype."""
    if not inputs or not isinstance(inputs[0], Quantized):
        return function(*inputs)
    dtype, floats = inputs[0].dtype, inputs[0].floats.dtype

    def of(x: Any) -> Any:
        if isinstance(x, Quantized):
            return x.floats
        return x.to(floats) if isinstance(x, Tensor) and x.dtype is dtype else x

    results = function(*map(of, inputs))
    if isinstance(results, tuple):
        return tuple(
            Quantized(y, dtype) if isinstance(y, Tensor) and y.dtype is floats else y for y in results
        )
    return Quantized(results, dtype)
