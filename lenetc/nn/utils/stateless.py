"""Modules called with other parameters than their own (torch.nn.utils.stateless)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ir.errors import LenetcError
from lenetc.evaluation.tracing import here
from lenetc.nn.modules.module import Module
from lenetc.tensors.tensor import Tensor, require_tensors


def functional_call(
    module: Module,
    parameters_and_buffers: Mapping[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with tensors, by dotted names, in the place of its parameters and buffers.

    tie_weights: what is shared under several names is replaced under all of them. Raises LenetcError for a name that
    there is none of, and with `strict` for one that is missing. Source: torch.func.functional_call.
    """
    given = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, parameters_and_buffers, tie_weights, strict):
        return module(*given, **(kwargs or {}))


@contextmanager
def _replaced(
    module: Module, tensors: Mapping[str, Tensor], tie_weights: bool, strict: bool
) -> Iterator[None]:
    places: dict[str, tuple[dict[str, Any], str]] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for table in (part._parameters, part._buffers):
            places |= {f"{prefix}.{name}" if prefix else name: (table, name) for name in table}
    unexpected = [name for name in tensors if name not in places]
    if unexpected:
        raise LenetcError(
            f"functional_call: there is no parameter or buffer {', '.join(map(repr, unexpected))} in "
            f"{type(module).__name__}"
        ).at(here())
    missing = [name for name in places if name not in tensors]
    if strict and missing:
        raise LenetcError(f"functional_call: missing key(s): {', '.join(map(repr, missing))}").at(here())
    require_tensors("functional_call", *tensors.values())
    before = [(table, name, table[name]) for table, name in places.values()]
    tied = {id(places[name][0][places[name][1]]): tensor for name, tensor in tensors.items()}
    try:
        for key, (table, name) in places.items():
            if key in tensors:
                table[name] = tensors[key]
            elif tie_weights and table[name] is not None and id(table[name]) in tied:
                table[name] = tied[id(table[name])]
        yield
    finally:
        for table, name, value in before:
            table[name] = value
