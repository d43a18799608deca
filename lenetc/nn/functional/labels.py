"""Class labels as one-hot masks and vectors."""

from __future__ import annotations

from ir import ops
from ir.dims import Dim
from ir.errors import DTypeError, ShapeError
from ir.node import Node
from ir.types import i64
from lenetc.evaluation.ranges import require_range
from lenetc.evaluation.tracing import here
from lenetc.operations import shaping
from lenetc.tensors.arrays import index_of
from lenetc.tensors.tensor import Tensor, apply, require_tensors


def class_mask(labels: Node, classes: Dim, axis: int) -> Node:
    """labels[N,...] as bool [N,C,...], classes at `axis`; all is false for a label that is no class."""
    return shaping.one_hot_mask(labels, classes, axis)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Labels [*] as i64[*,C], one where the class is the label (torch.nn.functional.one_hot).

    num_classes: -1 takes the largest label plus one. Raises DTypeError for a dtype other than i64,
    LabelError for labels out of range.
    """
    require_tensors("one_hot", tensor)
    if tensor.dtype is not i64:
        raise DTypeError(
            f"one_hot is only applicable to index tensors of dtype i64, not {tensor.type_text()}"
        ).at(here())
    num_classes = index_of("one_hot: num_classes", num_classes)
    if num_classes == -1 and not tensor.numel():
        raise ShapeError(
            f"one_hot: no number of classes can be told from an empty tensor {tensor.type_text()}; give num_classes"
        ).at(here())
    classes = int(tensor.numpy().max()) + 1 if num_classes == -1 else num_classes
    if classes < 1:
        raise ShapeError(f"one_hot: num_classes must be positive, not {num_classes}").at(here())
    require_range("one_hot", "label", tensor, classes, None, f"num_classes is {classes}")
    return apply("", lambda a: ops.cast(class_mask(a, classes, a.rank), dtype=i64), tensor)
