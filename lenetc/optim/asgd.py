"""ASGD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ir import ops
from ir.node import Node
from ir.op import scalar
from ir.types import f32
from lenetc.optim.optimizer.groups import Group, Params, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Setting, as_dtype
from lenetc.tensors.tensor import Tensor


class ASGD(RuleOptimizer):
    """Gradient descent whose steps shrink, and the average of where it has been, with g = grad + weight_decay * p:

        p  = p * (1 - lambd * eta) - eta * g
        ax = ax + mu * (p - ax)
        eta = lr / (1 + lambd * lr * t)^alpha, mu = 1 / max(1, t - t0), for the next step

    The first eta is lr, the first mu 1. maximize: -grad for grad. Raises TypeError for an unknown option,
    ValueError for a negative lr or weight_decay.
    Source: torch.optim.ASGD; Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.
    """

    _common: ClassVar = ("step", "eta", "mu")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        refuse_options("ASGD", unknown, defaults)
        super().__init__(params, defaults)

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        return {"ax": 0.0}

    def _start(self, group: Group, name: str) -> float:
        return self._number_of(group, "lr") if name == "eta" else 1.0

    def _rule(self, group: Group, setting: Setting) -> Rule:
        lr, lambd, alpha, t0 = (setting.hyper(key) for key in ("lr", "lambd", "alpha", "t0"))
        assert setting.step is not None
        eta, mu = (as_dtype(setting.shared[name], setting.wide) for name in ("eta", "mu"))
        shrink = setting.fit(1.0 - eta * lambd)
        rate, share = setting.fit(eta), setting.fit(mu)
        is_first = ops.equal(setting.shared["mu"], scalar(1.0, f32))
        one = scalar(1.0, setting.wide)
        spread = setting.step * (lr * lambd) + 1.0
        power = alpha if isinstance(alpha, Node) else scalar(alpha, setting.wide)
        setting.shared["eta"] = lr / ops.pow(spread, power)
        setting.shared["mu"] = one / ops.maximum(setting.step - t0, one)
        gradient = setting.gradient(group)

        def update(p: Node, g: Node, ax: Node) -> tuple[Node, ...]:
            p = p * shrink - gradient(p, g) * rate
            return p, ops.where(is_first, p, ax + (p - ax) * share)

        return update
