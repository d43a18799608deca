"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ir import ops
from ir.node import Node
from ir.op import scalar
from lenetc.optim.optimizer.groups import Group, Params, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Setting, is_on
from lenetc.tensors.tensor import Tensor


class SGD(RuleOptimizer):
    """buf = momentum * buf + (1 - dampening) * g; p = p - lr * buf, where g = grad + weight_decay * p.

    The first buf is g. nesterov: p = p - lr * (g + momentum * buf). maximize: g = -grad + weight_decay * p.
    With dampening, the state has a `step` beside PyTorch's `momentum_buffer`. Raises TypeError for an unknown
    option, ValueError for a negative one, or nesterov without momentum or with dampening.
    Source: torch.optim.SGD; Sutskever et al., On the importance of initialization and momentum in deep
    learning, 2013.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        refuse_options("SGD", unknown, defaults)
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD: Nesterov momentum requires a momentum and zero dampening, got "
                f"momentum={group['momentum']}, dampening={group['dampening']}"
            )

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        return {"momentum_buffer": 0.0} if group["momentum"] != 0 else {}

    def _counts(self, group: Group) -> bool:
        return bool(group["momentum"] != 0 and group["dampening"] != 0)

    def _rule(self, group: Group, setting: Setting) -> Rule:
        weight_decay, kept = setting.hyper("weight_decay"), 1.0 - setting.hyper("dampening")
        lr, momentum, decay = (
            setting.fit(x) for x in (setting.hyper("lr"), setting.hyper("momentum"), weight_decay)
        )
        if setting.step is not None:
            first = ops.equal(setting.step, 1.0)
            one = scalar(1.0, setting.step.dtype)
            kept = ops.where(first, one, kept if isinstance(kept, Node) else scalar(kept, setting.step.dtype))
        share = None if kept == 1.0 else setting.fit(kept)

        def update(p: Node, g: Node, buffer: Node | None = None) -> tuple[Node, ...]:
            g = -g if group["maximize"] else g
            g = g + p * decay if is_on(weight_decay) else g
            if buffer is None:
                return (p - g * lr,)
            # A buffer of zeros makes the first step a step like any other.
            buffer = buffer * momentum + (g if share is None else g * share)
            return p - (g + buffer * momentum if group["nesterov"] else buffer) * lr, buffer

        return update
