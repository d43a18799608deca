"""A small trainable function, compiled or not, and how many programs there are of one."""

from collections.abc import Callable
from typing import Any

import numpy as np

import lenetc
from lenetc import optim
from lenetc.compiler.function import CompiledFunction

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


class Regression:
    """A small trainable function with momentum, so that there are parameters and optimizer state."""

    def __init__(self, compiled: bool = True) -> None:
        self.w = lenetc.tensor(np.linspace(-1, 1, 8).reshape(4, 2).astype(np.float32), requires_grad=True)
        self.b = lenetc.zeros(2, requires_grad=True)
        w, b = self.w, self.b
        self.optimizer = optimizer = optim.SGD([w, b], lr=0.1, momentum=0.9)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            y = (lenetc.as_tensor(x) @ w + b).tanh()
            loss = (y * y).mean()
            loss.backward()
            optimizer.step()
            return loss

        self.step: Callable[..., Any] = lenetc.compile(step) if compiled else step

    def values(self) -> list[np.ndarray[Any, Any]]:
        return [self.w.detach().numpy(), self.b.detach().numpy()]


def traces(function: CompiledFunction) -> int:
    return len(function.programs())
