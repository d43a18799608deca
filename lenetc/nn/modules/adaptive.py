"""Softmax over many classes, of which rare ones get smaller layers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from ir.errors import ShapeError
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.nn import functional as F
from lenetc.nn.modules.containers import ModuleList, Sequential
from lenetc.nn.modules.linear import Linear
from lenetc.nn.modules.module import Module
from lenetc.operations import elementwise, reductions, shaping
from lenetc.tensors.tensor import Tensor, require_tensors


class _ASMoutput(NamedTuple):
    """The log-probability of each target, and minus their mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """log_softmax over n_classes, sorted by how frequent they are (Grave et al. 2017).

    cutoffs: where clusters of rarer classes begin; the layers for the i-th have in_features / div_value^i features.
    Every row is computed in every cluster, so that shapes do not depend on the targets. Raises ValueError for cutoffs
    that do not increase within the classes. Source: torch.nn.AdaptiveLogSoftmaxWithLoss.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        whole = all(int(c) == c for c in cutoffs)
        if cutoffs != sorted(set(cutoffs)) or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1 or not whole:
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                "value is between 1 and n_classes-1"
            )
        how = {"device": device, "dtype": dtype}
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **how)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            hidden = int(in_features // (div_value ** (i + 1)))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, **how),
                    Linear(hidden, high - low, bias=False, **how),
                )
            )

    def reset_parameters(self) -> None:
        """Draw new first values."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        require_tensors("AdaptiveLogSoftmaxWithLoss", input_, target_)
        if target_.ndim > 1 or input_.ndim != target_.ndim + 1 or input_.shape[:-1] != target_.shape:
            raise ShapeError(
                "0D or 1D target tensor expected, and an input of one dimension more and the same size in the batch "
                f"dimension, but they are {target_.type_text()} and {input_.type_text()}"
            ).at(here())
        single = target_.ndim == 0
        target = target_.reshape(1) if single else target_
        reason = f"{self.n_classes} classes"
        require_range("AdaptiveLogSoftmaxWithLoss", "target", target, self.n_classes, None, reason)
        logs = self.log_prob(input_.unsqueeze(0) if single else input_)
        output = logs.gather(1, target.unsqueeze(1)).squeeze(1)
        return _ASMoutput(output.squeeze(0) if single else output, -reductions.mean(output))

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: [N,in_features] -> [N,n_classes]."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            place = self.shortlist_size + i
            parts.append(elementwise.add(F.log_softmax(cluster(input), 1), head[:, place : place + 1]))
        return shaping.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The class of the highest probability: [N,in_features] -> i64[N]."""
        return reductions.argmax(self.log_prob(input), 1)
