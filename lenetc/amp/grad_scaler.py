"""The scale of losses in f16 (torch.amp.GradScaler)."""

from __future__ import annotations

import enum
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ir import ops
from ir.errors import LenetcError
from ir.types import f16
from lenetc import runtime
from lenetc.evaluation.cell import Cell, Context
from lenetc.evaluation.tracing import here, tracing
from lenetc.operations import elementwise
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor

__all__ = ["GradScaler"]


class OptState(enum.Enum):
    """How far the present iteration is with an optimizer."""

    UNSCALED = "its gradients have been unscaled"
    STEPPED = "it has stepped"


class GradScaler:
    """Multiplies losses, so that small gradients do not vanish in f16, and divides the gradients again.

    `scale(loss).backward()`, then `step(optimizer)`, which does nothing where a gradient is infinite or NaN, then
    `update()`: the factor is multiplied by `backoff_factor` if one was, and by `growth_factor` after `growth_interval`
    iterations without. To look at gradients between, call `unscale_(optimizer)` first. All of it may be part of a
    compiled function, whose program then keeps the old parameters and state where it should not step.

    device: "cuda", for which scaling is off where CUDA cannot be used, or "cpu". enabled: whether it does anything.
    Raises AssertionError for factors on the wrong side of 1; from `unscale_` and `step` RuntimeError when called twice
    before `update`, ValueError for gradients that are f16 themselves. Source: torch.amp.GradScaler.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = str(device)
        self._enabled = enabled
        if enabled and self._device.startswith("cuda") and runtime.cuda_missing():
            warnings.warn(
                "GradScaler is enabled, but CUDA is not available. Disabling; give device='cpu' to scale on the CPU",
                UserWarning,
                stacklevel=2,
            )
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError(f"GradScaler: growth_factor must be above 1, got {growth_factor}")
        if backoff_factor >= 1.0:
            raise AssertionError(f"GradScaler: backoff_factor must be below 1, got {backoff_factor}")
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        with tracing(None):
            self._scale = Tensor._from_array(np.float32(init_scale))
            self._growth_tracker = Tensor._from_array(np.int32(0))
        # Of this iteration: what has been done with an optimizer, and whether it found a gradient to be infinite.
        self._states: dict[int, OptState] = {}
        self._found: dict[int, Tensor] = {}

    def scale(self, outputs: Any) -> Any:
        """`outputs`, a tensor or a list or tuple of such, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, list | tuple):
            return type(outputs)(self.scale(part) for part in outputs)
        if hasattr(outputs, "__iter__"):
            return map(self.scale, outputs)
        raise ValueError(
            f"outputs must be a tensor or an iterable of tensors, got a {type(outputs).__name__}"
        )

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of the optimizer's parameters by the scale."""
        if not self._enabled:
            return
        state = self._states.get(id(optimizer))
        if state is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update()")
        if state is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step()")
        self._note_change()
        with set_grad_enabled(False):
            inverse = 1.0 / self._scale
            infinite: Tensor | None = None
            for param in _params(optimizer):
                grad = param.grad
                if grad is None:
                    continue
                if grad.dtype is f16:
                    raise ValueError("attempting to unscale f16 gradients: keep the parameters in f32")
                grad.mul_(inverse.to(grad.dtype))
                if not grad.numel():
                    continue
                own = elementwise.logical_not(grad.detach().abs().max() < math.inf)  # NaN is not, either
                infinite = own if infinite is None else elementwise.logical_or(infinite, own)
            if infinite is None:
                infinite = Tensor._from_array(np.bool_(False))
        self._found[id(optimizer)] = infinite
        self._states[id(optimizer)] = OptState.UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Unscale the gradients, if that has not been done, and step unless one is infinite or NaN.

        Returns what optimizer.step(*args, **kwargs) returned, None if it was not called.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs or args:
            raise RuntimeError("closure use is not supported if GradScaler is enabled")
        if self._states.get(id(optimizer)) is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update()")
        if self._states.get(id(optimizer)) is None:
            self.unscale_(optimizer)
        self._note_change()
        infinite = self._found[id(optimizer)]
        result = None
        if Context.trace is not None:
            result = _step_unless(infinite, optimizer)
        elif not infinite.item():
            result = optimizer.step()
        self._states[id(optimizer)] = OptState.STEPPED
        return result

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Choose the scale of the next iteration, or set it to `new_scale`."""
        if not self._enabled:
            return
        self._note_change()
        with set_grad_enabled(False):
            if new_scale is not None:
                if isinstance(new_scale, Tensor) and (new_scale.numel() != 1 or new_scale.requires_grad):
                    raise AssertionError(
                        "new_scale must be a number or a tensor of 1 element that requires no grad, got "
                        f"{new_scale.type_text()}"
                    )
                value = new_scale.reshape(()) if isinstance(new_scale, Tensor) else float(new_scale)
                self._scale.fill_(value)
            else:
                found = list(self._found.values())
                if not found:
                    raise AssertionError("update() found no unscale_() or step() since the last update()")
                infinite = found[0]
                for other in found[1:]:
                    infinite = elementwise.logical_or(infinite, other)
                self._update(infinite)
        self._states.clear()
        self._found.clear()

    def _update(self, infinite: Tensor) -> None:
        tracker = self._growth_tracker + 1
        is_due = tracker == self._growth_interval
        grown = self._scale * self._growth_factor
        grown = elementwise.where(grown < math.inf, grown, self._scale)
        scale = elementwise.where(is_due, grown, self._scale * 1.0)
        self._scale.copy_(elementwise.where(infinite, self._scale * self._backoff_factor, scale))
        starts_anew = elementwise.logical_or(infinite, is_due)
        self._growth_tracker.copy_(elementwise.where(starts_anew, tracker * 0, tracker))

    def get_scale(self) -> float:
        """The scale, 1 if scaling is off."""
        return float(self._scale.item()) if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale, the factors and the count of iterations, as Python numbers; {} if scaling is off."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": int(self._growth_tracker.item()),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict()` gave, here or in PyTorch. Raises RuntimeError for an empty one."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("the state is empty: it may be that of a GradScaler that was disabled")
        self._scale.fill_(float(state_dict["scale"]))
        self._growth_tracker.fill_(int(state_dict["_growth_tracker"]))
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]

    def _note_change(self) -> None:
        """A trace that fails leaves the states as they were."""
        if Context.trace is None:
            return
        states, found = dict(self._states), dict(self._found)

        def undo() -> None:
            self._states.clear()
            self._states.update(states)
            self._found.clear()
            self._found.update(found)

        Context.trace.before_change(undo)


def _params(optimizer: Any) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _cells(optimizer: Any) -> list[Cell]:
    """What a step may change: parameters and tensors of the state, some of which parameters share."""
    states = [value for state in optimizer.state.values() for value in state.values()]
    tensors = [*_params(optimizer), *(value for value in states if isinstance(value, Tensor))]
    return list(dict.fromkeys(tensor._cell for tensor in tensors))


def _step_unless(infinite: Tensor, optimizer: Any) -> Any:
    """A step of the program that is being traced, in which all stays as it is where `infinite`."""
    trace = Context.trace
    assert trace is not None
    before = {cell: cell.node for cell in _cells(optimizer)}
    result = optimizer.step()
    skip = infinite._cell.node
    for cell in _cells(optimizer):
        new, old = cell.node, before.get(cell) or trace.captured.get(cell)
        if old is None:
            raise trace.refused(
                LenetcError(
                    "GradScaler: an optimizer that is made inside of a compiled function has no state to keep where a "
                    "gradient is infinite; make it outside"
                ).at(here())
            )
        if new is not old:
            cell.node = ops.stop_gradient(ops.where(skip, old, new))
    return result
