"""Muon."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from ir import ops
from ir.node import Node
from ir.op import scalar
from ir.types import bf16, f32
from lenetc.optim.optimizer.groups import Group, Params, is_number, refuse_options
from lenetc.optim.optimizer.rule import Factor, Rule, RuleOptimizer, Setting, as_dtype, is_on
from lenetc.tensors.tensor import Tensor


class Muon(RuleOptimizer):
    """Momentum, made nearly orthogonal, for parameters that are matrices:

        b = b + (1 - momentum) * (g - b), with g = grad
        u = g + momentum * (b - g) with nesterov, else b
        p = p * (1 - lr * weight_decay) - lr * a * orthogonal(u)

    orthogonal() is `ns_steps` steps of a Newton-Schulz iteration with `ns_coefficients`, in bf16 as in PyTorch; the
    norm of u is at least `eps` for it. a = sqrt(max(1, rows / columns)) for adjust_lr_fn None or "original", or
    0.2 * sqrt(max(rows, columns)) for "match_rms_adamw". Raises TypeError for an unknown option, ValueError for a wrong
    one and for a parameter that is no matrix.
    Source: torch.optim.Muon; Jordan, Muon: an optimizer for hidden layers in neural networks, 2024; Liu et al., Muon is
    scalable for LLM training, 2025.
    """

    _parts: ClassVar = {}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        **unknown: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        refuse_options("Muon", unknown, defaults)
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        for param in group["params"]:
            if param.ndim != 2:
                raise ValueError(
                    f"Muon is for matrices, but a parameter is {param.type_text()}; give others to AdamW"
                )
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Muon: adjust_lr_fn must be None, 'original' or 'match_rms_adamw', got {group['adjust_lr_fn']!r}"
            )
        coefficients, steps = group["ns_coefficients"], group["ns_steps"]
        if not (
            isinstance(coefficients, (tuple, list))
            and len(coefficients) == 3
            and all(map(is_number, coefficients))
        ):
            raise ValueError(f"Muon: ns_coefficients must be 3 numbers, got {coefficients!r}")
        if not isinstance(steps, int) or not 0 <= steps < 100:
            raise ValueError(f"Muon: ns_steps must be an integer from 0 to 99, got {steps!r}")

    def _buffers(self, group: Group, param: Tensor) -> Mapping[str, float | Factor]:
        return {"momentum_buffer": 0.0}

    def _counts(self, group: Group) -> bool:
        return False

    def _rule(self, group: Group, setting: Setting) -> Rule:
        lr, momentum, weight_decay = (setting.hyper(key) for key in ("lr", "momentum", "weight_decay"))
        old, new = setting.fit(momentum), setting.fit(1.0 - momentum)
        decay = setting.fit(1.0 - lr * weight_decay)
        eps = setting.hyper("eps")
        least = scalar(eps, f32) if not isinstance(eps, Node) else as_dtype(eps, f32)
        coefficients, steps = tuple(map(float, group["ns_coefficients"])), int(group["ns_steps"])

        def update(p: Node, g: Node, b: Node) -> tuple[Node, ...]:
            rows, columns = (int(size) for size in p.shape)
            b = b * old + g * new
            u = orthogonal(g * new + b * old if group["nesterov"] else b, coefficients, steps, least)
            if group["adjust_lr_fn"] == "match_rms_adamw":
                factor = 0.2 * math.sqrt(max(rows, columns))
            else:
                factor = math.sqrt(max(1.0, rows / columns))
            p = p * decay if is_on(weight_decay) else p
            return p - as_dtype(u, p.dtype) * setting.fit(lr * factor), b

        return update


def orthogonal(x: Node, coefficients: tuple[float, ...], steps: int, least: Node) -> Node:
    """Something near to U @ V^T, where x = U @ S @ V^T is a matrix, in f32 with bf16's digits.

    Every result is rounded to bf16, as products of bf16 are, which have no kernels on the CPU.
    """
    a, b, c = coefficients
    is_tall = x.shape[0] > x.shape[1]
    x = _rounded(as_dtype(x, f32))
    x = ops.transpose(x, perm=(1, 0)) if is_tall else x
    norm = _rounded(ops.sqrt(ops.sum(x * x, axes=(0, 1), keepdims=False)))
    x = _rounded(x / ops.maximum(norm, _rounded(least)))
    for _ in range(steps):
        gram = _rounded(ops.matmul(x, ops.transpose(x, perm=(1, 0))))
        weights = _rounded(gram * b + ops.matmul(gram, gram) * c)
        x = _rounded(x * a + ops.matmul(weights, x))
    return ops.transpose(x, perm=(1, 0)) if is_tall else x


def _rounded(x: Node) -> Node:
    return ops.cast(ops.cast(x, dtype=bf16), dtype=f32)
