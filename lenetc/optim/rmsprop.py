"""RMSprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ir import ops
from ir.node import Node
from lenetc.optim.optimizer.groups import Group, Params, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Setting
from lenetc.tensors.tensor import Tensor


class RMSprop(RuleOptimizer):
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
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        refuse_options("RMSprop", unknown, defaults)
        super().__init__(params, defaults)

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        return dict.fromkeys(self._names(group), 0.0)

    def _names(self, group: Group) -> list[str]:
        wanted = {"square_avg": True, "momentum_buffer": group["momentum"] > 0, "grad_avg": group["centered"]}
        return [name for name, is_wanted in wanted.items() if is_wanted]

    def _rule(self, group: Group, setting: Setting) -> Rule:
        alpha, eps = setting.hyper("alpha"), setting.fit(setting.hyper("eps"))
        old, new = setting.fit(alpha), setting.fit(1.0 - alpha)
        lr, momentum = setting.fit(setting.hyper("lr")), setting.fit(setting.hyper("momentum"))
        gradient = setting.gradient(group)
        names = self._names(group)

        def update(p: Node, g: Node, *values: Node) -> tuple[Node, ...]:
            buffers = dict(zip(names, values, strict=True))
            g = gradient(p, g)
            spread = buffers["square_avg"] = buffers["square_avg"] * old + g * g * new
            if "grad_avg" in buffers:
                mean = buffers["grad_avg"] = buffers["grad_avg"] * old + g * new
                spread = spread - mean * mean
            change = g / (ops.sqrt(spread) + eps)
            if "momentum_buffer" in buffers:
                change = buffers["momentum_buffer"] = buffers["momentum_buffer"] * momentum + change
            return p - change * lr, *buffers.values()

        return update
