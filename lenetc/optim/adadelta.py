"""Adadelta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ir import ops
from ir.node import Node
from lenetc.optim.optimizer.groups import Group, Params, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Setting
from lenetc.tensors.tensor import Tensor


class Adadelta(RuleOptimizer):
    """Steps as large as those of late, over the size of the gradients of late, with g = grad + weight_decay * p:

        v = rho * v + (1 - rho) * g²
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d²
        p = p - lr * d

    maximize: -grad for grad. Raises TypeError for an unknown option, ValueError for a negative one or a rho above 1.
    Source: torch.optim.Adadelta; Zeiler, ADADELTA: an adaptive learning rate method, 2012.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        refuse_options("Adadelta", unknown, defaults)
        super().__init__(params, defaults)

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def _rule(self, group: Group, setting: Setting) -> Rule:
        rho, eps = setting.hyper("rho"), setting.fit(setting.hyper("eps"))
        lr, old, new = setting.fit(setting.hyper("lr")), setting.fit(rho), setting.fit(1.0 - rho)
        gradient = setting.gradient(group)

        def update(p: Node, g: Node, v: Node, u: Node) -> tuple[Node, ...]:
            g = gradient(p, g)
            v = v * old + g * g * new
            d = ops.sqrt(u + eps) / ops.sqrt(v + eps) * g
            return p - d * lr, v, u * old + d * d * new

        return update
