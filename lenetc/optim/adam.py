"""Adam, and what others need of its running means and their bias correction."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ir import ops
from ir.node import Node
from lenetc.optim.optimizer.groups import Group, Params, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Scalar, Setting, is_on
from lenetc.tensors.tensor import Tensor


class Adam(RuleOptimizer):
    """Adaptive moment estimation, with g = grad + weight_decay * p:

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g²
        p = p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)

    amsgrad: the largest v so far in the denominator. maximize: -grad for grad. decoupled_weight_decay: as
    AdamW. Raises TypeError for an unknown option, ValueError for a negative one or a beta outside [0, 1).
    Source: torch.optim.Adam; Kingma and Ba, Adam: a method for stochastic optimization, 2014; amsgrad: Reddi
    et al., On the convergence of Adam and beyond, 2018.
    """

    _parts: ClassVar = {"beta1": ("betas", 0), "beta2": ("betas", 1)}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        refuse_options(type(self).__name__, unknown, defaults)
        super().__init__(params, defaults)

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        moments = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        return {**moments, "max_exp_avg_sq": 0.0} if group["amsgrad"] else moments

    def _rule(self, group: Group, setting: Setting) -> Rule:
        beta1, beta2, lr = (setting.hyper(key) for key in ("beta1", "beta2", "lr"))
        eps = setting.hyper("eps")
        assert setting.step is not None
        correction = ops.sqrt(one_minus_power(beta2, setting.step))
        # lr/c1 * m / (sqrt(v)/c2 + eps) = (lr*c2/c1) * m / (sqrt(v) + c2*eps): one node less per parameter.
        rate = setting.fit(lr * correction / one_minus_power(beta1, setting.step))
        least = setting.fit(correction * eps)
        averaged = running_means(group, setting)

        def update(p: Node, g: Node, m: Node, v: Node, largest: Node | None = None) -> tuple[Node, ...]:
            p, _, m, v = averaged(p, g, m, v)
            if largest is None:
                return p - m * rate / (ops.sqrt(v) + least), m, v
            largest = ops.maximum(largest, v)
            return p - m * rate / (ops.sqrt(largest) + least), m, v, largest

        return update


def running_means(group: Group, setting: Setting) -> Callable[[Node, Node, Node, Node], tuple[Node, ...]]:
    """(p, g, m, v) with g negated to maximize, the weight decay in g, or decoupled in p, and the running means m of g
    and v of g² at this step."""
    beta1, beta2, lr, weight_decay = (setting.hyper(key) for key in ("beta1", "beta2", "lr", "weight_decay"))
    old1, new1, old2, new2 = (setting.fit(x) for x in (beta1, 1.0 - beta1, beta2, 1.0 - beta2))
    decoupled = group["decoupled_weight_decay"]
    decay = setting.fit(1.0 - lr * weight_decay if decoupled else weight_decay)

    def averaged(p: Node, g: Node, m: Node, v: Node) -> tuple[Node, ...]:
        g = -g if group["maximize"] else g
        if is_on(weight_decay):
            p, g = (p * decay, g) if decoupled else (p, g + p * decay)
        return p, g, m * old1 + g * new1, v * old2 + g * g * new2

    return averaged


def one_minus_power(beta: Scalar, step: Node) -> Node:
    """1 - beta^step, as 2 T / (1 + T) with T = tanh(-step * log(beta) / 2).

    The plain formula subtracts nearly equal numbers: in f32, 1 - 0.999 has a relative error of 1.3e-5, half
    of which would reach every parameter. This one is right to 4e-7, without f64, which not every device has.
    """
    if not isinstance(beta, Node) and beta == 0:
        return step / step
    slope = ops.log(beta) * -0.5 if isinstance(beta, Node) else math.log(beta) * -0.5
    t = ops.tanh(step * slope)
    return 2.0 * t / (1.0 + t)
