"""Rprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ir import ops
from ir.node import Node
from lenetc.optim.optimizer.groups import Group, Params, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Setting
from lenetc.tensors.tensor import Tensor


class Rprop(RuleOptimizer):
    """Steps of a size of each element's own, which depends on the signs of its gradients only:

        size = clamp(size * (etas[1] where g * before > 0, etas[0] where it is < 0), *step_sizes)
        g = 0 where g * before < 0
        p = p - sign(g) * size

    with g = grad, and before = the g of the last step. The first size is lr. maximize: -grad for grad. Raises
    TypeError for an unknown option, ValueError for a negative lr or etas that are not on both sides of 1.
    Source: torch.optim.Rprop; Riedmiller and Braun, A direct adaptive method for faster backpropagation learning,
    1993.
    """

    _parts: ClassVar = {
        "etaminus": ("etas", 0),
        "etaplus": ("etas", 1),
        "step_size_min": ("step_sizes", 0),
        "step_size_max": ("step_sizes", 1),
    }

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        refuse_options("Rprop", unknown, defaults)
        super().__init__(params, defaults)

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        # Where there is state already, what the size started from is not asked for.
        known = "step_size" in self.state.get(param, ())
        return {"prev": 0.0, "step_size": 0.0 if known else self._number_of(group, "lr")}

    def _rule(self, group: Group, setting: Setting) -> Rule:
        names = ("etaminus", "etaplus", "step_size_min", "step_size_max")
        down, up, least, most = (setting.fit(setting.hyper(name)) for name in names)
        zero, one = setting.fit(0.0), setting.fit(1.0)

        def update(p: Node, g: Node, before: Node, size: Node) -> tuple[Node, ...]:
            g = -g if group["maximize"] else g
            agreement = g * before
            turned = ops.less(agreement, zero)
            factor = ops.where(ops.greater(agreement, zero), up, ops.where(turned, down, one))
            size = ops.minimum(ops.maximum(size * factor, least), most)
            g = ops.where(turned, zero, g)
            return p - ops.sign(g) * size, g, size

        return update
