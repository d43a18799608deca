"""What PyTorch's exporter wrote before ONNX itself had it."""

from __future__ import annotations

from lenetc.importer.operators.images.sampling import GridSample
from lenetc.importer.operators.indexing.finding import Trilu
from lenetc.importer.registry import MICROSOFT, operator
from lenetc.operations.dense.equations import inv
from lenetc.tensors.tensor import Tensor

operator(domain=MICROSOFT)(GridSample)
operator(domain=MICROSOFT)(Trilu)


@operator(domain=MICROSOFT)
def Inverse(x: Tensor, /) -> Tensor:
    return inv(x)
