"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ir.errors import ShapeError
from lenetc.operations import shaping
from lenetc.tensors.tensor import Tensor, require_tensors


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements in one dimension (torch.nn.utils.parameters_to_vector)."""
    return shaping.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Put what parameters_to_vector gives back into the parameters. Raises ShapeError for another length."""
    require_tensors("vector_to_parameters", vec)
    listed = list(parameters)
    sizes = [int(parameter.numel()) for parameter in listed]
    if tuple(vec.shape) != (sum(sizes),):
        raise ShapeError(
            f"vector_to_parameters: the parameters have {sum(sizes)} elements, "
            f"but the vector is {vec.type_text()}"
        )
    for parameter, piece in zip(listed, vec.detach().split(sizes), strict=True):
        parameter.data = piece.reshape(*parameter.shape)
