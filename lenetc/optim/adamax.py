"""Adamax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ir import ops
from ir.node import Node
from lenetc.optim.adam import one_minus_power
from lenetc.optim.optimizer.groups import Group, Params, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Setting
from lenetc.tensors.tensor import Tensor


class Adamax(RuleOptimizer):
    """Adam with the largest gradient of late in the place of the mean square, with g = grad + weight_decay * p:

        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, |g| + eps)
        p = p - lr / (1 - beta1^t) * m / u

    maximize: -grad for grad. Raises TypeError for an unknown option, ValueError for a negative one or a beta
    outside [0, 1).
    Source: torch.optim.Adamax; Kingma and Ba, Adam: a method for stochastic optimization, 2014, section 7.
    """

    _parts: ClassVar = {"beta1": ("betas", 0), "beta2": ("betas", 1)}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        refuse_options("Adamax", unknown, defaults)
        super().__init__(params, defaults)

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    def _rule(self, group: Group, setting: Setting) -> Rule:
        beta1, beta2 = setting.hyper("beta1"), setting.hyper("beta2")
        assert setting.step is not None
        rate = setting.fit(setting.hyper("lr") / one_minus_power(beta1, setting.step))
        old, new, kept = setting.fit(beta1), setting.fit(1.0 - beta1), setting.fit(beta2)
        eps = setting.fit(setting.hyper("eps"))
        gradient = setting.gradient(group)

        def update(p: Node, g: Node, m: Node, u: Node) -> tuple[Node, ...]:
            g = gradient(p, g)
            m = m * old + g * new
            u = ops.maximum(u * kept, ops.abs(g) + eps)
            return p - m / u * rate, m, u

        return update
