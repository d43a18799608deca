"""Making modules without drawing their first values."""

from __future__ import annotations

from typing import Any

from ir.errors import DTypeError
from lenetc.evaluation.tracing import here
from lenetc.nn.modules.module import Module


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """module_cls(*args, **kwargs), of whose first values nothing is to be expected (torch.nn.utils.skip_init).

    Raises DTypeError for what is no class of modules.
    """
    if not isinstance(module_cls, type) or not issubclass(module_cls, Module):
        raise DTypeError(f"skip_init: expected a Module; got {module_cls}").at(here())
    return module_cls(*args, **kwargs)
