"""Modules called with other parameters than their own (torch.func.functional_call)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ir.errors import LenetcError
from lenetc.evaluation.tracing import here
from lenetc.tensors.tensor import Tensor, require_tensors


def functional_call(
    module: Any,
    parameters_and_buffers: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with other parameters and buffers, by dotted name (torch.func.functional_call).

    parameters_and_buffers: a dict, or several, of tensors. The module's own are as before afterwards. tie_weights: what
    is shared under several names is replaced under all of them. Raises LenetcError for a name that there is none of,
    and with `strict` for one that is missing.
    """
    several = isinstance(parameters_and_buffers, (tuple, list))
    tensors: dict[str, Tensor] = {}
    for part in parameters_and_buffers if several else [parameters_and_buffers]:
        tensors |= part
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, tensors, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def _replaced(module: Any, tensors: dict[str, Tensor], tie_weights: bool, strict: bool) -> Iterator[None]:
    places: dict[str, tuple[dict[str, Any], str]] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for table in (part._parameters, part._buffers):
            places |= {f"{prefix}.{name}" if prefix else name: (table, name) for name in table}
    unexpected = [name for name in tensors if name not in places]
    if unexpected:
        raise LenetcError(
            f"functional_call: the module has no parameter or buffer {', '.join(map(repr, unexpected))}"
        ).at(here())
    missing = [name for name in places if name not in tensors]
    if strict and missing:
        raise LenetcError(f"functional_call: missing key(s): {', '.join(map(repr, missing))}").at(here())
    require_tensors("functional_call", *tensors.values())
    before = [(table, name, table[name]) for table, name in places.values()]
    tied = {id(places[name][0][places[name][1]]): tensor for name, tensor in tensors.items()}
    try:
        for key, (table, name) in places.items():
            value = tensors.get(key, tied.get(id(table[name])) if tie_weights else None)
            if value is not None:
                dict.__setitem__(
                    table, name, value
                )  # no change of the module: it is gone before anybody looks
        yield
    finally:
        for table, name, own in before:
            dict.__setitem__(table, name, own)
