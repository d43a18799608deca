"""Steps that are stored as PyTorch takes them, and what takes them here."""

import json
from pathlib import Path

import lenetc

GOLDENS = json.loads((Path(__file__).parents[1] / "goldens" / "optim.json").read_text())


def named(case):
    options = ", ".join(f"{key}={value}" for key, value in case["options"].items())
    return f"{case['optimizer']}({options})"


def options(case):
    return {k: tuple(v) if isinstance(v, list) else v for k, v in case["options"].items()}


def start():
    return {k: lenetc.tensor(v, requires_grad=True) for k, v in GOLDENS["start"].items()}


def take_steps(optimizer, params, grads):
    for grad in grads:
        for key, param in params.items():
            param.grad = lenetc.tensor(grad[key])
        optimizer.step()


def values(tensor):
    return tensor.detach().numpy().ravel().tolist()


def leaf(*shape):
    return lenetc.ones(*shape, requires_grad=True)


def stepped(optimizer, *params, grad=1.0):
    """One step with every gradient `grad` for `params`, and none for the others."""
    optimizer.zero_grad()
    for param in params:
        param.grad = lenetc.full_like(param, grad)
    optimizer.step()
