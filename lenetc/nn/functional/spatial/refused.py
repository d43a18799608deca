"""What PyTorch has for images and lenetc does not."""

from __future__ import annotations

from typing import Any, NoReturn

from ir.errors import UnsupportedError
from lenetc.evaluation.tracing import here


def fractional_max_pool2d(*args: Any, **kwargs: Any) -> NoReturn:
    """Pools at random places are not supported. Raises UnsupportedError."""
    raise UnsupportedError("fractional_max_pool2d is not supported; use adaptive_max_pool2d").at(here())


def fractional_max_pool3d(*args: Any, **kwargs: Any) -> NoReturn:
    """Pools at random places are not supported. Raises UnsupportedError."""
    raise UnsupportedError("fractional_max_pool3d is not supported; use adaptive_max_pool3d").at(here())
