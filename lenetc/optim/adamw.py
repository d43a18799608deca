"""AdamW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lenetc.optim.adam import Adam
from lenetc.optim.optimizer.groups import Params
from lenetc.tensors.tensor import Tensor


class AdamW(Adam):
    """Adam whose weight decay is no part of the gradient: p = p - lr * weight_decay * p, then Adam's step.

    Source: torch.optim.AdamW; Loshchilov and Hutter, Decoupled weight decay regularization, 2017.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
            **unknown,
        )

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As for every optimizer; weight decay stays decoupled, be it Adam's state."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
