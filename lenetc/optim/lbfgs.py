"""L-BFGS."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ir.errors import LenetcError
from ir.types import Array
from lenetc.evaluation.cell import Context
from lenetc.optim.optimizer.base import Optimizer
from lenetc.optim.optimizer.groups import Params
from lenetc.optim.optimizer.line_search import strong_wolfe
from lenetc.tensors.grad_fn import set_grad_enabled
from lenetc.tensors.tensor import Tensor


class LBFGS(Optimizer):
    """Steps along a direction for which the last `history_size` steps say how gradients change.

    A step calls its closure, which gives the loss after `backward()`, up to `max_eval` times (default:
    max_iter * 5 / 4) in up to `max_iter` iterations, until no gradient is above `tolerance_grad` or nothing
    changes by more than `tolerance_change`. line_search_fn: None, which goes by lr, or "strong_wolfe". There can be
    one param group only.

    It looks at values, on the host, and so it cannot be part of a compiled function: the closure can. Raises
    TypeError for what is no tensor, ValueError for several groups or a wrong lr, from `step` RuntimeError for another
    line search.
    Source: torch.optim.LBFGS; Nocedal and Wright, Numerical optimization, 2006, chapters 3 and 7.
    """

    _checks_options = True

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError(
                f"LBFGS has one set of options for all parameters, but got {len(self.param_groups)} param groups; "
                "give one list of parameters"
            )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Call `closure` and change the parameters until a tolerance or a limit is met; returns its first loss."""
        if closure is None:
            raise TypeError("LBFGS.step() needs a closure that computes the loss anew and calls backward()")
        if Context.trace is not None:
            raise Context.trace.refused(
                LenetcError(
                    "LBFGS looks at losses and gradients to choose its way, so that its step cannot be part of a "
                    "compiled function; compile the closure instead, and call step(closure) outside"
                )
            )
        with set_grad_enabled(False):
            return self._step(functools.partial(_with_gradients, closure))

    def _step(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr, history_size = float(group["lr"]), group["history_size"]
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        search = group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError(f"LBFGS: line_search_fn must be None or 'strong_wolfe', got {search!r}")
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss, evaluations = float(first), 1
        state["func_evals"] += 1
        grad = self._gradient()
        if _largest(grad) <= tolerance_grad:
            return first
        names = ("d", "t", "prev_flat_grad", "prev_loss", "old_dirs", "old_stps", "ro", "H_diag")
        d, t, before, loss_before, dirs, steps, ro, scale = (_on_host(state.get(name)) for name in names)
        iterations = 0
        while iterations < group["max_iter"]:
            iterations += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d, dirs, steps, ro, scale = -grad, [], [], [], 1
            else:
                y, s = grad - before, d * t
                curvature = _dot(y, s)
                if curvature > 1e-10:
                    if len(dirs) == history_size:
                        for old in (dirs, steps, ro):
                            old.pop(0)
                    dirs.append(y)
                    steps.append(s)
                    ro.append(1.0 / curvature)
                    scale = curvature / _dot(y, y)
                d = _direction(grad, dirs, steps, ro, scale)
            before, loss_before = grad, loss
            t = min(1.0, 1.0 / float(np.abs(grad).sum())) * lr if state["n_iter"] == 1 else lr
            slope = _dot(grad, d)
            if slope > -tolerance_change:
                break
            evaluated, is_optimal = 0, False
            if search is not None:
                at = functools.partial(self._at, closure, d)
                left = group["max_eval"] - evaluations
                loss, grad, t, evaluated = strong_wolfe(at, t, _largest(d), loss, grad, slope, d, left)
                self._put(self._values() + d * t)
                is_optimal = _largest(grad) <= tolerance_grad
            else:
                self._put(self._values() + d * t)
                if iterations != group["max_iter"]:  # or the loss would be computed and not be used
                    loss, evaluated = float(closure()), 1
                    grad = self._gradient()
                    is_optimal = _largest(grad) <= tolerance_grad
            evaluations += evaluated
            state["func_evals"] += evaluated
            if (
                iterations == group["max_iter"]
                or evaluations >= group["max_eval"]
                or is_optimal
                or _largest(d * t) <= tolerance_change
                or abs(loss - loss_before) < tolerance_change
            ):
                break
        for name, value in zip(names, (d, t, before, loss_before, dirs, steps, ro, scale), strict=True):
            state[name] = _as_state(value)
        return first

    def _gradient(self) -> Array:
        """All gradients in one vector, with zeros for those that there are not."""
        params = self.param_groups[0]["params"]
        grads = [
            np.zeros(tuple(p.shape), p.dtype.numpy) if p.grad is None else p.grad.detach().numpy()
            for p in params
        ]
        return np.concatenate([grad.ravel() for grad in grads])

    def _values(self) -> Array:
        """All parameters in one vector."""
        return np.concatenate([param.detach().numpy().ravel() for param in self.param_groups[0]["params"]])

    def _put(self, values: Array) -> None:
        start = 0
        for param in self.param_groups[0]["params"]:
            end = start + int(param.numel())
            part = values[start:end].reshape(tuple(param.shape)).astype(param.dtype.numpy)
            param.copy_(Tensor._from_array(part))
            start = end

    def _at(self, closure: Callable[[], Any], direction: Array, by: float) -> tuple[float, Array]:
        """The loss and the gradient `by` the direction away from here, where the parameters stay."""
        here = self._values()
        self._put(here + direction * by)
        loss = float(closure())
        grad = self._gradient()
        self._put(here)
        return loss, grad


def _with_gradients(closure: Callable[[], Any]) -> Any:
    with set_grad_enabled(True):
        return closure()


def _direction(grad: Array, dirs: list[Array], steps: list[Array], ro: list[float], scale: float) -> Array:
    """The inverse Hessian that the history tells of, times -grad."""
    q = -grad
    shares = []
    for y, s, r in zip(reversed(dirs), reversed(steps), reversed(ro), strict=True):
        shares.append(_dot(s, q) * r)
        q = q - y * shares[-1]
    q = q * scale
    for y, s, r, share in zip(dirs, steps, ro, reversed(shares), strict=True):
        q = q + s * (share - _dot(y, q) * r)
    return q


def _dot(a: Array, b: Array) -> float:
    return float(np.dot(a, b))


def _largest(x: Array) -> float:
    return float(np.abs(x).max())


def _on_host(value: Any) -> Any:
    """An entry of the state as it is computed with: arrays and numbers."""
    if isinstance(value, list):
        return [_on_host(part) for part in value]
    if isinstance(value, Tensor):
        return value.detach().numpy() if value.ndim else float(value)
    return value


def _as_state(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_state(part) for part in value]
    return Tensor._from_array(value) if isinstance(value, np.ndarray) else value
