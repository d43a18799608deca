"""Another file, whose functions and globals compiled functions of the cases read; and what the cases share."""

from __future__ import annotations

from typing import Any

scale: Any
table: dict[str, Any]
count: int
k: Any


def reset() -> None:
    """As it is when imported."""
    global scale, table, count, k
    doubled.__code__ = _DOUBLED
    scale, table, count, k = 2.0, {"scale": 2.0, "steps": [1.0, 2.0]}, 0, None


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
    global count
    count += 1
    return x * 2.0


class Scaler:
    """An object of another file, with a method that reads that file's global."""

    def __init__(self, gain: float) -> None:
        self.gain = gain

    def apply(self, x: Any) -> Any:
        return scaled(x) * self.gain


def calls(torch: Any, f: Any, times: int = 4) -> list[Any]:
    """f on ones, twos, threes, ..."""
    return [f(torch.ones(2) * (k + 1)) for k in range(times)]


def parameter(torch: Any, *values: float) -> Any:
    return torch.nn.Parameter(torch.tensor([float(v) for v in values]))


def assigned(x: Any, value: Any) -> Any:
    x[0] = value
    return x


def three(torch: Any) -> tuple[Any, Any, Any]:
    return torch.ones(1), torch.ones(1) * 10.0, torch.ones(1) * 100.0


def double(torch: Any, net: Any) -> None:
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(2.0)


def assigned_at(x: Any, index: Any) -> Any:
    x = x.T + 0.0
    x[index] = 7.0
    return x


def network(torch: Any) -> Any:
    return torch.nn.Sequential(linear(torch, 2, 3), torch.nn.Tanh(), linear(torch, 3, 1, start=0.2))


def gradients(net: Any) -> list[Any]:
    return [None if p.grad is None else p.grad.clone() for p in net.parameters()]


def entered(manager: Any, x: Any) -> Any:
    with manager as k:
        return x * k


def detached(f: Any, x: Any) -> Any:
    """f(x) without its history, or that it raised."""
    try:
        return f(x).detach()
    except Exception:
        return "raised"


def cycle() -> list[Any]:
    """A number, and the list itself."""
    made: list[Any] = [2.0]
    made.append(made)
    return made


def kept_over_a_change(a: Any) -> Any:
    """A number of an array, which stays when the array changes, beside a part of it, which does not."""
    number, part = a[0, 0], a[0]
    a[0] = 9
    return number + part
