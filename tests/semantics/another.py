"""Another file, whose functions and globals the compiled functions of the cases read."""

from __future__ import annotations

from typing import Any

scale: Any
table: dict[str, Any]
calls: int
k: Any


def reset() -> None:
    """As it is when imported."""
    global scale, table, calls, k
    doubled.__code__ = _DOUBLED
    scale, table, calls, k = 2.0, {"scale": 2.0, "steps": [1.0, 2.0]}, 0, None


def doubled(x: Any) -> Any:
    return x * 2.0


def tripled(x: Any) -> Any:
    return x * 3.0


_DOUBLED = doubled.__code__
reset()


def times(k: Any, x: Any) -> Any:
    return x * k


def linear(torch: Any, inputs: int, outputs: int, start: float = 0.1) -> Any:
    """A Linear whose weights are the same in every library."""
    layer = torch.nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight.copy_(
            torch.tensor([[start * (1 + i + j) for i in range(inputs)] for j in range(outputs)])
        )
        layer.bias.copy_(torch.tensor([0.5] * outputs))
    return layer


def scaled(x: Any) -> Any:
    return x * scale


def looked_up(x: Any) -> Any:
    return x * table["scale"] + len(table["steps"])


def counted(x: Any) -> Any:
    global calls
    calls += 1
    return x * 2.0


class Scaler:
    """An object of another file, with a method that reads that file's global."""

    def __init__(self, gain: float) -> None:
        self.gain = gain

    def apply(self, x: Any) -> Any:
        return scaled(x) * self.gain
