"""Adafactor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ir import ops
from ir.node import Node
from ir.op import scalar
from lenetc.optim.optimizer.groups import Group, Params, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Scalar, Setting, as_dtype, is_on
from lenetc.tensors.tensor import Tensor


class Adafactor(RuleOptimizer):
    """Adam without momentum, whose mean squares of a matrix are kept as those of its rows and of its columns:

        b = t^beta2_decay, a = max(eps[1], rms(p)) * min(lr, 1 / sqrt(t))
        p = p * (1 - lr * weight_decay)
        R = R + b * (mean of g² over columns - R), C = C + b * (mean of g² over rows - C)
        v = R @ C / max(mean of R over rows, eps[0])
        u = g / max(sqrt(v), eps[0])
        p = p - a * u / max(1, rms(u) / d)

    with g = grad; vectors have v = v + b * (g² - v). eps[0] None is the dtype's smallest step from 1. maximize: -grad
    for grad. Raises TypeError for an unknown option, ValueError for a wrong one.
    Source: torch.optim.Adafactor; Shazeer and Stern, Adafactor: adaptive learning rates with sublinear memory cost,
    2018.
    """

    _parts: ClassVar = {"eps1": ("eps", 0), "eps2": ("eps", 1)}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        refuse_options("Adafactor", unknown, defaults)
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        if not isinstance(group["eps"], (tuple, list)):
            raise ValueError(f"Adafactor: eps must be 2 numbers, got {group['eps']!r}")

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        shape = tuple(map(int, param.shape))
        if len(shape) < 2:
            return {"variance": 0.0}
        return {"row_var": Factor((*shape[:-1], 1)), "col_var": Factor((*shape[:-2], 1, shape[-1]))}

    def _rule(self, group: Group, setting: Setting) -> Rule:
        lr, weight_decay, d = (setting.hyper(key) for key in ("lr", "weight_decay", "d"))
        wide, step = setting.wide, setting.step
        assert step is not None
        known = self.option(setting.index, "eps1")
        smallest = np.finfo(setting.dtype.numpy).eps if known is None else known
        eps1, eps2 = setting.fit(float(smallest)), _scalar(setting.hyper("eps2"), setting)
        share = setting.fit(ops.pow(step, _scalar(setting.hyper("beta2_decay"), setting)))
        kept = setting.fit(1.0 - as_dtype(share, wide))
        most = ops.minimum(_scalar(lr, setting), 1.0 / ops.sqrt(step))
        decay = setting.fit(1.0 - lr * weight_decay)

        def mean_square(x: Node, axes: tuple[int, ...] | None = None) -> Node:
            """Over all axes, or over `axes`, which stay; in f32 at least."""
            over = tuple(range(len(x.shape))) if axes is None else axes
            x = as_dtype(x, wide)
            count = math.prod(int(x.shape[axis]) for axis in over)
            return ops.sum(x * x, axes=over, keepdims=axes is not None) * (1.0 / count)

        def update(p: Node, g: Node, *variances: Node) -> tuple[Node, ...]:
            g = -g if group["maximize"] else g
            rate = ops.maximum(ops.sqrt(mean_square(p)), eps2) * most
            p = p * decay if is_on(weight_decay) else p
            if len(variances) == 2:
                last = len(g.shape) - 1
                row, column = (
                    v * kept + as_dtype(mean_square(g, (axis,)), v.dtype) * share
                    for v, axis in zip(variances, (last, last - 1), strict=True)
                )
                variances = (row, column)
                mean = ops.sum(row, axes=(last - 1,), keepdims=True) * (1.0 / int(row.shape[last - 1]))
                estimate = row * column / ops.maximum(mean, eps1)
            else:
                variances = (variances[0] * kept + g * g * share,)
                estimate = variances[0]
            u = g / ops.sqrt(ops.maximum(estimate, eps1 * eps1))
            excess = ops.maximum(ops.sqrt(mean_square(u)) / _scalar(d, setting), scalar(1.0, wide))
            return p - u * setting.fit(rate / excess), *variances

        return update


def _scalar(value: Scalar, setting: Setting) -> Node:
    return value if isinstance(value, Node) else scalar(value, setting.wide)
