"""JAX: the whole step in one jit, its state donated; channels last, as is usual there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.workers.protocol import ADAM_LR, BETAS, EPS, MOMENTUM, SGD_LR, Step, Task, serve

Arrays = dict[str, Any]


def conv(x: Any, weight: Any, stride: int = 1, padding: int = 0) -> Any:
    return lax.conv_general_dilated(
        x, weight, (stride, stride), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def linear(x: Any, p: Arrays, name: str) -> Any:
    return x @ p[name + ".weight"].T + p[name + ".bias"]


def pool(x: Any) -> Any:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def lenet(p: Arrays, buffers: Arrays, x: Any) -> tuple[Any, Arrays]:
    x = x.transpose(0, 2, 3, 1)
    for name in ("conv1", "conv2"):
        x = pool(jax.nn.relu(conv(x, p[name + ".weight"]) + p[name + ".bias"]))
    x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
    x = jax.nn.relu(linear(x, p, "fc1"))
    return linear(jax.nn.relu(linear(x, p, "fc2")), p, "fc3"), buffers


def mlp(p: Arrays, buffers: Arrays, x: Any) -> tuple[Any, Arrays]:
    x = jax.nn.relu(linear(x, p, "fc1"))
    return linear(jax.nn.relu(linear(x, p, "fc2")), p, "fc3"), buffers


def resnet20(p: Arrays, buffers: Arrays, x: Any) -> tuple[Any, Arrays]:
    after = dict(buffers)

    def normalize(x: Any, name: str) -> Any:
        mean = x.mean((0, 1, 2))
        variance = ((x - mean) ** 2).mean((0, 1, 2))
        count = x.size / x.shape[3]
        for key, value in (("mean", mean), ("var", variance * count / (count - 1))):
            running = f"{name}.running_{key}"
            after[running] = 0.9 * buffers[running] + 0.1 * lax.stop_gradient(value)
        scale = p[name + ".weight"] * lax.rsqrt(variance + 1e-5)
        return (x - mean) * scale + p[name + ".bias"]

    def block(x: Any, name: str, stride: int) -> Any:
        y = conv(x, p[name + ".conv1.weight"], stride, 1)
        y = jax.nn.relu(normalize(y, name + ".bn1"))
        y = normalize(conv(y, p[name + ".conv2.weight"], 1, 1), name + ".bn2")
        if stride > 1:
            new = (y.shape[3] - x.shape[3]) // 2
            x = jnp.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (new, new)))
        return jax.nn.relu(y + x)

    x = x.transpose(0, 2, 3, 1)
    x = jax.nn.relu(normalize(conv(x, p["conv1.weight"], 1, 1), "bn1"))
    for stage in (1, 2, 3):
        for i in range(3):
            x = block(x, f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1)
    return linear(x.mean((1, 2)), p, "fc"), after


FORWARDS: dict[str, Callable[[Arrays, Arrays, Any], tuple[Any, Arrays]]] = {
    "lenet": lenet,
    "mlp": mlp,
    "resnet20": resnet20,
}


def update(optimizer: str, p: Arrays, grads: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
    """The new parameters and the optimizer's new state."""
    tree = jax.tree_util.tree_map
    if optimizer == "plain-sgd":
        return tree(lambda w, g: w - SGD_LR * g, p, grads), state
    if optimizer == "sgd":
        momentum = tree(lambda m, g: MOMENTUM * m + g, state["m"], grads)
        return tree(lambda w, m: w - SGD_LR * m, p, momentum), {"m": momentum}
    step = state["step"] + 1
    first = tree(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, state["m"], grads)
    second = tree(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, state["v"], grads)
    unbias1, unbias2 = 1 - BETAS[0] ** step, 1 - BETAS[1] ** step

    def moved(w: Any, m: Any, v: Any) -> Any:
        return w - ADAM_LR * (m / unbias1) / (jnp.sqrt(v / unbias2) + EPS)

    return tree(moved, p, first, second), {"m": first, "v": second, "step": step}


def first_state(optimizer: str, p: Arrays) -> Arrays:
    zeros = partial(jax.tree_util.tree_map, jnp.zeros_like)
    if optimizer == "plain-sgd":
        return {}
    return {"m": zeros(p)} | ({"v": zeros(p), "step": jnp.zeros(())} if optimizer == "adam" else {})


def prepare(task: Task) -> Step:
    forward = FORWARDS[task.model]
    held = {name: jnp.asarray(value) for name, value in task.weights.items() if "num_batches" not in name}
    held = {n: v.transpose(2, 3, 1, 0) if v.ndim == 4 else v for n, v in held.items()}
    buffers = {name: value for name, value in held.items() if "running_" in name}
    p = {name: value for name, value in held.items() if name not in buffers}

    def loss_of(p: Arrays, buffers: Arrays, x: Any, labels: Any) -> tuple[Any, Arrays]:
        scores, after = forward(p, buffers, x)
        picked = jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], 1)
        return -picked.mean(), after

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def train(p: Arrays, buffers: Arrays, state: Arrays, x: Any, labels: Any) -> tuple[Any, ...]:
        (loss, after), grads = jax.value_and_grad(loss_of, has_aux=True)(p, buffers, x, labels)
        return loss, *update(task.optimizer, p, grads, state), after

    state = first_state(task.optimizer, p)

    def step(x: Any, labels: Any) -> float:
        nonlocal p, buffers, state
        loss, p, state, buffers = train(p, buffers, state, x, labels)
        return float(loss)

    return step


def versions() -> dict[str, str]:
    return {"jax": jax.__version__}


if __name__ == "__main__":
    serve(prepare, versions)
