"""Parameters that are computed of others (torch.nn.utils.parametrize)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from ir.errors import DTypeError, LenetcError, ShapeError
from lenetc.evaluation.cell import Counts
from lenetc.evaluation.tracing import here
from lenetc.nn.modules.containers import ModuleDict, ModuleList
from lenetc.nn.modules.module import Module
from lenetc.nn.parameter import Parameter
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor, require_tensors


class _Cache(threading.local):
    """What cached() keeps in this thread, by module and name."""

    depth = 0

    def __init__(self) -> None:
        self.found: dict[tuple[Module, str], Tensor] = {}


_cache = _Cache()


class ParametrizationList(ModuleList):
    """Parametrizations of one tensor, applied in order to the original that is trained in its place.

    The originals are what right_inverse, where a parametrization has one, makes of the tensor: `original`, or
    `original0`, `original1` ... where it makes several.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        made = self._inverted(original)
        self.is_tensor = isinstance(made, Tensor)
        self.ntensors = 1 if self.is_tensor else len(made)
        if self.is_tensor:
            if made.dtype is not original.dtype:
                raise DTypeError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype: "
                    f"{original.type_text()} and {made.type_text()}"
                ).at(here())
            if made is not original:
                original.data = made
            hold(self, "original", original)
        else:
            for i, tensor in enumerate(made):
                require_tensors("right_inverse", tensor)
                if isinstance(original, Parameter):
                    tensor = Parameter(tensor.detach().clone(), original.requires_grad)
                hold(self, f"original{i}", tensor)
        if not unsafe:
            _check("parametrization", self(), original)

    def _inverted(self, value: Any) -> Any:
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with contextlib.suppress(NotImplementedError):
                        value = module.right_inverse(value)
        return value

    def right_inverse(self, value: Tensor) -> None:
        """Let the originals be what gives `value`. Raises LenetcError where a parametrization cannot tell."""
        for module in self:
            if not hasattr(module, "right_inverse"):
                raise LenetcError(
                    f"parametrization {type(module).__name__} does not implement right_inverse."
                ).at(here())
        made = self._inverted(value)
        originals = [made] if self.is_tensor else list(made)
        for target, tensor in zip(self.originals(), originals, strict=True):
            target.data = tensor

    def originals(self) -> list[Tensor]:
        """What is trained."""
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def forward(self) -> Tensor:
        first, *others = self
        x = first(*self.originals())
        for module in others:
            x = module(x)
        return cast(Tensor, x)


def hold(module: Module, name: str, tensor: Tensor) -> None:
    """Register `tensor` as the parameter that it is, or as a buffer."""
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _check(what: str, found: Any, original: Tensor) -> None:
    if not isinstance(found, Tensor):
        raise ValueError(f"A {what} must return a tensor. Got {type(found).__name__}.")
    if found.dtype is not original.dtype or found.shape != original.shape:
        raise ShapeError(
            f"Registering a {what} may not change dtype or shape of the tensor, unless `unsafe` flag is enabled: "
            f"{original.type_text()} and {found.type_text()}"
        ).at(here())


def computed(
    module: Module,
    name: str,
    get: Callable[[Any], Tensor],
    set: Callable[[Any, Tensor], None] | None = None,
    title: str | None = None,
) -> None:
    """Let the attribute `name` of `module`, whose class becomes one of its own, be computed at each look.

    title: the name of that class.
    """
    kind = type(module)
    if "_computed" not in vars(kind):
        fields = {"_computed": True, "__module__": __name__, "__doc__": kind.__doc__}
        module.__class__ = type(title or kind.__name__, (kind,), fields)
    setattr(type(module), name, property(get, set))
    Counts.epoch += 1


def stored(module: Module, name: str) -> None:
    """Let an attribute that was `computed` be none, and the class of `module` what it was if there is no other."""
    kind = type(module)
    delattr(kind, name)
    if not any(isinstance(member, property) for member in vars(kind).values()):
        module.__class__ = kind.__bases__[0]
    Counts.epoch += 1


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a tensor of `module`, or that of the name, is parametrized."""
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return tensor_name in found if tensor_name is not None else len(found) > 0


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let the parameter or buffer of that name be parametrization(original) from now on.

    Raises ValueError where there is none, ShapeError for a parametrization that changes its dtype or shape, unless
    `unsafe`. Source: torch.nn.utils.parametrize.register_parametrization.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            now = getattr(module, tensor_name)
            _check("parametrization", parametrization(now), now)
        found: ParametrizationList = module.parametrizations[tensor_name]
        found.append(parametrization)
        found.unsafe |= unsafe
        return module
    if tensor_name not in module._buffers and tensor_name not in module._parameters:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    made = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()

    def get(self: Any) -> Tensor:
        if not _cache.depth:
            return cast(Tensor, self.parametrizations[tensor_name]())
        key = (self, tensor_name)
        if key not in _cache.found:
            _cache.found[key] = self.parametrizations[tensor_name]()
        return _cache.found[key]

    def set(self: Any, value: Tensor) -> None:
        self.parametrizations[tensor_name].right_inverse(value)

    computed(module, tensor_name, get, set, f"Parametrized{type(module).__name__}")
    module.parametrizations[tensor_name] = made
    return module


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Take the parametrizations of a tensor away; it stays as they made it, or as the original is.

    Raises ValueError where there are none. Source: torch.nn.utils.parametrize.remove_parametrizations.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    found: ParametrizationList = module.parametrizations[tensor_name]
    if not found.is_tensor and not leave_parametrized:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    original = found.originals()[0]
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name).detach().clone()
        if found.is_tensor:
            original.data = value
        else:
            original = Parameter(value, original.requires_grad) if isinstance(original, Parameter) else value
    stored(module, tensor_name)
    del module.parametrizations[tensor_name]
    hold(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
    return module


def type_before_parametrizations(module: Module) -> type[Module]:
    """The class of `module` without its parametrizations."""
    kind = type(module)
    return kind.__bases__[0] if is_parametrized(module) else kind


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Within it every parametrized tensor is computed once, at the first look (torch.nn.utils.parametrize.cached)."""
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.found.clear()
