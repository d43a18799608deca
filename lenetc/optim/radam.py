"""RAdam."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from ir import ops
from ir.node import Node
from ir.op import scalar
from lenetc.optim.adam import one_minus_power, running_means
from lenetc.optim.optimizer.groups import Group, Params, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Scalar, Setting
from lenetc.tensors.tensor import Tensor


class RAdam(RuleOptimizer):
    """Adam that divides by the root of v only when v is of enough gradients, with g = grad + weight_decay * p:

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g²
        rho = R - 2 * t * beta2^t / (1 - beta2^t), with R = 2 / (1 - beta2) - 1
        r = sqrt((rho - 4) * (rho - 2) * R / ((R - 4) * (R - 2) * rho)) * sqrt(1 - beta2^t) / (sqrt(v) + eps),
            or 1 where rho <= 5
        p = p - lr * m / (1 - beta1^t) * r

    decoupled_weight_decay: p = p - lr * weight_decay * p first, and g = grad. maximize: -grad for grad. Raises
    TypeError for an unknown option, ValueError for a negative one or a beta outside [0, 1).
    Source: torch.optim.RAdam; Liu et al., On the variance of the adaptive learning rate and beyond, 2019.
    """

    _parts: ClassVar = {"beta1": ("betas", 0), "beta2": ("betas", 1)}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        refuse_options("RAdam", unknown, defaults)
        super().__init__(params, defaults)

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def _rule(self, group: Group, setting: Setting) -> Rule:
        beta1, beta2, lr = (setting.hyper(key) for key in ("beta1", "beta2", "lr"))
        eps = setting.fit(setting.hyper("eps"))
        assert setting.step is not None
        rate = lr / one_minus_power(beta1, setting.step)
        longest = 2.0 / (1.0 - beta2) - 1.0
        length = mean_length(beta2, setting.step)
        rectified = ops.greater(length, 5.0)
        term = (length - 4.0) * (length - 2.0) * longest / (length * ((longest - 4.0) * (longest - 2.0)))
        # Of what the rate is without: 1 where it is not taken, and the root of a negative number is never made.
        ratio = ops.sqrt(ops.where(rectified, term, scalar(1.0, setting.wide)))
        plain = setting.fit(rate)
        adaptive = setting.fit(rate * ratio * ops.sqrt(one_minus_power(beta2, setting.step)))
        averaged = running_means(group, setting)
        never = not isinstance(longest, Node) and longest <= 5.0

        def update(p: Node, g: Node, m: Node, v: Node) -> tuple[Node, ...]:
            p, g, m, v = averaged(p, g, m, v)
            if never:
                return p - m * plain, m, v
            return p - m * ops.where(rectified, adaptive / (ops.sqrt(v) + eps), plain), m, v

        return update


def mean_length(beta: Scalar, step: Node) -> Node:
    """R - 2 t beta^t / (1 - beta^t) with R = 2 / (1 - beta) - 1: of how many gradients a running mean is, after t.

    The plain formula subtracts nearly equal numbers: of R = 1999 and 1998, f32 leaves four digits. With
    a = -log(beta) it is t * h(t * a / 2) + 1 - h(a / 2), where h(y) = 1 - coth(y) + 1/y, and all is of one size.
    """
    if isinstance(beta, Node):
        half = ops.log(beta) * -0.5
    else:
        half = scalar(math.log(beta) * -0.5 if beta > 0 else 400.0, step.dtype)
    return step * _remainder(step * half) + (1.0 - _remainder(half))


def _remainder(y: Node) -> Node:
    """1 - coth(y) + 1/y, to the last digits, for y > 0."""
    square = y * y
    series = square * (2.0 / 93555.0) - 1.0 / 4725.0
    for factor in (2.0 / 945.0, -1.0 / 45.0, 1.0 / 3.0):
        series = series * square + factor
    small = ops.less(y, 0.5)
    large = ops.where(small, scalar(1.0, y.dtype), y)
    return ops.where(small, 1.0 - series * y, 1.0 / large - 2.0 / (ops.exp(large * 2.0) - 1.0))
