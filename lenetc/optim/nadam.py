"""NAdam."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from ir import ops
from ir.node import Node
from lenetc.optim.adam import one_minus_power, running_means
from lenetc.optim.optimizer.groups import Group, Params, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Setting, as_dtype
from lenetc.tensors.tensor import Tensor


class NAdam(RuleOptimizer):
    """Adam with Nesterov's momentum, with g = grad + weight_decay * p and mu(t) = beta1 * (1 - 0.96^(t * decay) / 2):

        M = M * mu(t), which starts from 1
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g²
        d = sqrt(v / (1 - beta2^t)) + eps
        p = p - lr * (1 - mu(t)) / (1 - M) * g / d - lr * mu(t + 1) / (1 - M * mu(t + 1)) * m / d

    decay is `momentum_decay`. decoupled_weight_decay: p = p - lr * weight_decay * p first, and g = grad. maximize:
    -grad for grad. Raises TypeError for an unknown option, ValueError for a negative one or a beta outside [0, 1).
    Source: torch.optim.NAdam; Dozat, Incorporating Nesterov momentum into Adam, 2016.
    """

    _parts: ClassVar = {"beta1": ("betas", 0), "beta2": ("betas", 1)}
    _common: ClassVar = ("step", "mu_product")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        refuse_options("NAdam", unknown, defaults)
        super().__init__(params, defaults)

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def _rule(self, group: Group, setting: Setting) -> Rule:
        beta1, beta2, lr = (setting.hyper(key) for key in ("beta1", "beta2", "lr"))
        momentum_decay, eps = setting.hyper("momentum_decay"), setting.hyper("eps")
        step = setting.step
        assert step is not None

        def momentum(number: Node) -> Node:
            return (1.0 - ops.exp(number * (momentum_decay * math.log(0.96))) * 0.5) * beta1

        now, then = momentum(step), momentum(step + 1.0)
        product = setting.shared["mu_product"] * as_dtype(now, setting.shared["mu_product"].dtype)
        setting.shared["mu_product"] = product
        product = as_dtype(product, setting.wide)
        correction = ops.sqrt(one_minus_power(beta2, step))
        # Both terms times the correction, as in Adam: sqrt(v) / c + eps = (sqrt(v) + c * eps) / c.
        of_gradient = setting.fit(correction * lr * (1.0 - now) / (1.0 - product))
        of_average = setting.fit(correction * lr * then / (1.0 - product * then))
        least = setting.fit(correction * eps)
        averaged = running_means(group, setting)

        def update(p: Node, g: Node, m: Node, v: Node) -> tuple[Node, ...]:
            p, g, m, v = averaged(p, g, m, v)
            return p - (g * of_gradient + m * of_average) / (ops.sqrt(v) + least), m, v

        return update
