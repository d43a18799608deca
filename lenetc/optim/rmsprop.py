"""RMSprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ir import ops
from ir.node import Node
from lenetc.optim.groups import Group, Params, refuse_options
from lenetc.optim.optimizer import Optimizer, Rule, Setting, is_on


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients, with g = grad + weight_decay * p:

        v = alpha * v + (1 - alpha) * g²
        buf = momentum * buf + g / (sqrt(v) + eps)
        p = p - lr * buf

    centered: v minus the squared running mean of g under the root. maximize: -grad for grad. Raises TypeError
    for an unknown option, ValueError for a negative one.
    Source: torch.optim.RMSprop; Hinton, Neural networks for machine learning, lecture 6, 2012; centered:
    Graves, Generating sequences with recurrent neural networks, 2013.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        refuse_options("RMSprop", unknown, defaults)
        super().__init__(params, defaults)

    def _buffers(self, group: Group) -> Mapping[str, float]:
        wanted = {"square_avg": True, "momentum_buffer": group["momentum"] > 0, "grad_avg": group["centered"]}
        return {name: 0.0 for name, is_wanted in wanted.items() if is_wanted}

    def _rule(self, group: Group, setting: Setting) -> Rule:
        alpha, eps = setting.hyper("alpha"), setting.fit(setting.hyper("eps"))
        old, new = setting.fit(alpha), setting.fit(1.0 - alpha)
        lr, momentum = setting.fit(setting.hyper("lr")), setting.fit(setting.hyper("momentum"))
        weight_decay = setting.hyper("weight_decay")
        decay = setting.fit(weight_decay)
        names = list(self._buffers(group))

        def update(p: Node, g: Node, *values: Node) -> tuple[Node, ...]:
            buffers = dict(zip(names, values, strict=True))
            g = -g if group["maximize"] else g
            g = g + p * decay if is_on(weight_decay) else g
            spread = buffers["square_avg"] = buffers["square_avg"] * old + g * g * new
            if "grad_avg" in buffers:
                mean = buffers["grad_avg"] = buffers["grad_avg"] * old + g * new
                spread = spread - mean * mean
            change = g / (ops.sqrt(spread) + eps)
            if "momentum_buffer" in buffers:
                change = buffers["momentum_buffer"] = buffers["momentum_buffer"] * momentum + change
            return p - change * lr, *buffers.values()

        return update
