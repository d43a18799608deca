"""What all losses that are modules share."""

from __future__ import annotations

from lenetc.nn.functional.losses.reduction import check_reduction, chosen
from lenetc.nn.modules.module import Module
from lenetc.tensors.tensor import Tensor


class Loss(Module):
    """A loss with `reduction`: "mean", "sum" or "none". Raises ValueError for another one."""

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.reduction = chosen(size_average, reduce, reduction)
        check_reduction(self.reduction)


class WeightedLoss(Loss):
    """A loss with factors `weight`, a buffer."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
