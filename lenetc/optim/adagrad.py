"""Adagrad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ir import ops
from ir.node import Node
from lenetc.evaluation.tracing import tracing
from lenetc.operations import creation
from lenetc.optim.optimizer.groups import Group, Params, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Setting, is_on
from lenetc.tensors.tensor import Tensor


class Adagrad(RuleOptimizer):
    """Steps divided by the root of all squared gradients so far, with g = grad + weight_decay * p:

        sum = sum + g²
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum) + eps)

    maximize: -grad for grad. The state is made by the constructor, as in PyTorch.
    Raises TypeError for an unknown option, ValueError for a negative one.
    Source: torch.optim.Adagrad; Duchi et al., Adaptive subgradient methods for online learning and stochastic
    optimization, 2011.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        refuse_options("Adagrad", unknown, defaults)
        super().__init__(params, defaults)
        for group in self.param_groups:
            with tracing(self._home()):
                counter = creation.zeros(())
            for param in group["params"]:
                self.state[param]["step"] = counter
                self._state_of(param, self._buffers(group, param))

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        return {"sum": float(group["initial_accumulator_value"])}

    def _rule(self, group: Group, setting: Setting) -> Rule:
        lr, lr_decay, eps = setting.hyper("lr"), setting.hyper("lr_decay"), setting.fit(setting.hyper("eps"))
        assert setting.step is not None
        rate = setting.fit(lr / ((setting.step - 1.0) * lr_decay + 1.0) if is_on(lr_decay) else lr)
        gradient = setting.gradient(group)

        def update(p: Node, g: Node, total: Node) -> tuple[Node, ...]:
            g = gradient(p, g)
            total = total + g * g
            return p - g * rate / (ops.sqrt(total) + eps), total

        return update
