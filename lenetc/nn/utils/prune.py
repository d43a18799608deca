"""Weights with zeros where a mask says so (torch.nn.utils.prune)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from lenetc.nn.modules.module import Module
from lenetc.nn.utils.parametrize import computed, stored
from lenetc.operations import creation, elementwise, reductions, shaping, sorting
from lenetc.tensors.grad_fn import no_grad
from lenetc.tensors.tensor import Tensor


class BasePruningMethod:
    """A way to choose what is pruned: a subclass has a PRUNING_TYPE and `compute_mask(t, default_mask)`.

    `apply` lets a weight be `name`_orig, which is trained, times the buffer `name`_mask. PRUNING_TYPE says what of a
    weight that is pruned again `compute_mask` sees: "unstructured" the elements that are left, "structured" the
    channels along `dim` that are, "global" all.
    """

    PRUNING_TYPE = ""
    _tensor_name = ""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of `t`, 0 where `default_mask` is. Raises NotImplementedError unless a subclass has it."""
        raise NotImplementedError(f"{type(self).__name__} has no compute_mask(t, default_mask)")

    def apply_mask(self, module: Module) -> Tensor:
        """The weight with zeros."""
        mask, original = (getattr(module, f"{self._tensor_name}_{part}") for part in ("mask", "orig"))
        return cast(Tensor, mask.to(original.dtype) * original)

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """`t` with zeros, chosen by the scores where there are some."""
        _check_scores(importance_scores, t)
        mask = creation.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(t if importance_scores is None else importance_scores, default_mask=mask)

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prune the parameter of that name, once more if it is pruned already."""
        method: BasePruningMethod = cls(*args, **kwargs)
        method._tensor_name = name
        before = _methods(module).get(name)
        if before is not None:
            chain = before if isinstance(before, PruningContainer) else PruningContainer(before)
            chain.add_pruning_method(method)
            method = chain
        weight = getattr(module, name)
        _check_scores(importance_scores, weight)
        scores = weight if importance_scores is None else importance_scores
        with no_grad():
            mask = creation.ones_like(weight) if before is None else getattr(module, f"{name}_mask").clone()
            mask = method.compute_mask(scores.detach(), default_mask=mask)
        if before is None:
            delattr(module, name)
            module.register_parameter(f"{name}_orig", weight)
            computed(module, name, method.apply_mask)
        module.register_buffer(f"{name}_mask", mask)
        module._pruned = {**_methods(module), name: method}
        return method

    def remove(self, module: Module) -> None:
        """Let the parameter be what is left of it."""
        name = self._tensor_name
        with no_grad():
            weight = self.apply_mask(module)
        stored(module, name)
        module._pruned = {key: method for key, method in _methods(module).items() if key != name}
        original = module._parameters[f"{name}_orig"]
        assert original is not None
        original.data = weight
        delattr(module, f"{name}_orig")
        delattr(module, f"{name}_mask")
        module.register_parameter(name, original)


class PruningContainer(BasePruningMethod):
    """Pruning methods one after another, each of what the ones before have left."""

    def __init__(self, *methods: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(methods) == 1:
            self._tensor_name = methods[0]._tensor_name
        for method in methods:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Raises TypeError for what is none, ValueError for one of another parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method._tensor_name != self._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to "
                f"PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, index: int) -> BasePruningMethod:
        return self._pruning_methods[index]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """What the last method leaves of what `default_mask` does."""
        method = self._pruning_methods[-1]
        chosen: Any
        if method.PRUNING_TYPE == "unstructured":
            chosen = elementwise.eq(default_mask, 1)
        elif method.PRUNING_TYPE == "structured":
            dim = range(t.ndim)[method.dim]  # type: ignore[attr-defined]
            others = tuple(axis for axis in range(t.ndim) if axis != dim)
            chosen = (*(slice(None),) * dim, elementwise.ne(reductions.sum(default_mask, others), 0))
        elif method.PRUNING_TYPE == "global":
            chosen = ...
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        mask = default_mask.to(t.dtype).clone()
        mask[chosen] = method.compute_mask(t[chosen], default_mask=default_mask[chosen]).to(mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Nothing is pruned: a mask of ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class _Amount(BasePruningMethod):
    """The base of those that prune a share of a tensor, a float in [0, 1], or a number of its elements or channels.

    Raises TypeError for an amount that is no number, ValueError for one beyond that.
    """

    def __init__(self, amount: float) -> None:
        if not isinstance(amount, (int, float)):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        if amount < 0 or (isinstance(amount, float) and amount > 1):
            raise ValueError(
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer"
            )
        self.amount = amount

    def _count(self, size: int) -> int:
        count = round(self.amount * size) if isinstance(self.amount, float) else self.amount
        if count > size:
            raise ValueError(
                f"amount={count} should be smaller than the number of parameters to prune={size}"
            )
        return count


class _Unstructured(_Amount):
    PRUNING_TYPE = "unstructured"

    def scores(self, t: Tensor) -> Tensor:
        """What tells elements to keep, large ones, from those to prune."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = self._count(int(t.numel()))
        if not count:
            return default_mask.clone()
        lowest = sorting.topk(self.scores(t).reshape(-1), count, largest=False).indices
        return default_mask.reshape(-1).index_fill(0, lowest, 0).reshape(default_mask.shape)


class RandomUnstructured(_Unstructured):
    """Elements at random."""

    def scores(self, t: Tensor) -> Tensor:
        return creation.rand_like(t)


class L1Unstructured(_Unstructured):
    """The smallest elements."""

    def scores(self, t: Tensor) -> Tensor:
        return elementwise.abs(t)


class _Structured(_Amount):
    """The base of those that prune whole channels along `dim`. Raises ValueError for a tensor of one dimension."""

    PRUNING_TYPE = "structured"
    dim: int

    def scores(self, t: Tensor, dim: int) -> Tensor:
        """What tells channels to keep, large ones, from those to prune."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
                f"{t.shape} with {t.ndim} dims"
            )
        if self.dim >= t.ndim:
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        dim = range(t.ndim)[self.dim]
        count = self._count(int(t.shape[dim]))
        if not count:
            return default_mask
        lowest = sorting.topk(self.scores(t, dim), count, largest=False).indices
        return default_mask.to(t.dtype).index_fill(dim, lowest, 0)


class RandomStructured(_Structured):
    """Channels at random."""

    def __init__(self, amount: float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def scores(self, t: Tensor, dim: int) -> Tensor:
        return creation.rand(t.shape[dim])


class LnStructured(_Structured):
    """The channels of the smallest n-norm."""

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.n, self.dim = n, dim

    def scores(self, t: Tensor, dim: int) -> Tensor:
        return reductions.norm(t, self.n, [axis for axis in range(t.ndim) if axis != dim])


class CustomFromMask(BasePruningMethod):
    """What a mask says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}"
            )
        return default_mask * self.mask.to(default_mask.dtype)


def identity(module: Module, name: str) -> Module:
    """Prune nothing: the parameter becomes `name`_orig times `name`_mask, all ones (torch's prune.identity)."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune elements of the parameter at random."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: float, importance_scores: Tensor | None = None
) -> Module:
    """Prune the smallest elements of the parameter, or those of the smallest scores."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune channels of the parameter along `dim` at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None
) -> Module:
    """Prune the channels of the smallest n-norm along `dim`."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prune what `mask` says."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several parameters as if they were one. Raises TypeError for a method that is not unstructured."""
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    given, scores = list(parameters), importance_scores or {}
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    method = PruningContainer()
    method._tensor_name = "temp"
    one = pruning_method(**kwargs)
    one._tensor_name = "temp"
    if one.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {one.PRUNING_TYPE}"
        )
    method.add_pruning_method(one)
    with no_grad():
        weights = [getattr(module, name).detach() for module, name in given]
        masks = [getattr(module, f"{name}_mask", None) for module, name in given]
        flat = [
            scores.get(key, weight).detach().reshape(-1) for key, weight in zip(given, weights, strict=True)
        ]
        before = [
            (creation.ones_like(weight) if mask is None else mask).reshape(-1)
            for mask, weight in zip(masks, weights, strict=True)
        ]
        found = method.compute_mask(shaping.cat(flat), default_mask=shaping.cat(before))
        parts = shaping.split(found, [int(weight.numel()) for weight in weights])
        for (module, name), part, weight in zip(given, parts, weights, strict=True):
            custom_from_mask(module, name, part.reshape(weight.shape))


def remove(module: Module, name: str) -> Module:
    """Let the pruned parameter be an ordinary one, zeros included. Raises ValueError where it is not pruned."""
    method = _methods(module).get(name)
    if method is None:
        raise ValueError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
        )
    method.remove(module)
    return module


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module, or of one inside, is pruned."""
    return any(_methods(part) for part in module.modules())


def _methods(module: Module) -> dict[str, BasePruningMethod]:
    """How the parameters of the module itself are pruned, by name."""
    return getattr(module, "_pruned", {})


def _check_scores(scores: Tensor | None, weight: Tensor) -> None:
    if scores is not None and scores.shape != weight.shape:
        raise AssertionError(
            f"importance_scores should have the same shape as the parameter, got {scores.shape} vs {weight.shape}"
        )
