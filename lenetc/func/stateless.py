"""Modules called with other parameters than their own (torch.func.functional_call)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ir.errors import LenetcError
from lenetc.evaluation.tracing import here
from lenetc.operations import shaping
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
    is shared under several names is replaced under all of them. Raises LenetcError, with `strict`, for a name that is
    missing or of which there is none, and ValueError for a name, or for names of what is shared, with two tensors.
    """
    several = isinstance(parameters_and_buffers, (tuple, list))
    tensors: dict[str, Tensor] = {}
    for part in parameters_and_buffers if several else [parameters_and_buffers]:
        for name in part.keys() & tensors.keys():
            raise ValueError(f"functional_call: {name} appears in multiple dictionaries")
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
    if strict and unexpected:
        raise LenetcError(
            f"functional_call: the module has no parameter or buffer {', '.join(map(repr, unexpected))}"
        ).at(here())
    missing = [name for name in places if name not in tensors]
    if strict and missing:
        raise LenetcError(f"functional_call: missing key(s): {', '.join(map(repr, missing))}").at(here())
    require_tensors("functional_call", *tensors.values())
    before = [(table, name, table[name]) for table, name in places.values()]
    tied: dict[int, Tensor] = {}
    for name in tensors.keys() & places.keys() if tie_weights else ():
        own = id(places[name][0][places[name][1]])
        if tied.setdefault(own, tensors[name]) is not tensors[name]:
            raise ValueError(
                f"functional_call got multiple values for {name!r} and a name that is tied to it. Consider using "
                "tie_weights=False"
            )
    try:
        for key, (table, name) in places.items():
            value = tensors.get(key, tied.get(id(table[name])))
            if value is not None:
                dict.__setitem__(
                    table, name, value
                )  # no change of the module: it is gone before anybody looks
        yield
    finally:
        for table, name, own in before:
            dict.__setitem__(table, name, own)


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters and buffers of several modules of one kind by name, each with a first dimension over the modules, for
    vmap of functional_call (torch.func.stack_module_state). Raises LenetcError for modules that differ."""
    if not models:
        raise LenetcError("stack_module_state: Expected at least one model, got 0.").at(here())
    if len({(type(model), model.training) for model in models}) > 1:
        raise LenetcError(
            "stack_module_state: Expected all models to be of the same class and all in training or eval mode."
        ).at(here())

    def stacked(named: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        first = named[0]
        made = {name: shaping.stack([tensors[name].detach() for tensors in named]) for name in first}
        return {name: tensor.requires_grad_(first[name].requires_grad) for name, tensor in made.items()}

    parameters = [dict(model.named_parameters()) for model in models]
    return stacked(parameters), stacked([dict(model.named_buffers()) for model in models])
