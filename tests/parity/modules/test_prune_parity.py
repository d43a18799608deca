"""Pruned weights: masks, state and gradients are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.utils.prune

import lenetc

ROWS = [
    ["P.l1_unstructured(a, 'weight', 0.3)"],
    ["P.l1_unstructured(a, 'weight', 5)", "P.remove(a, 'weight')"],
    ["P.l1_unstructured(a, 'weight', 3, t.arange(12.).reshape(3, 4))", "P.l1_unstructured(a, 'weight', 2)"],
    ["P.ln_structured(a, 'weight', 0.5, 2, 1)", "P.l1_unstructured(a, 'weight', 2)"],
    ["P.l1_unstructured(a, 'weight', 4)", "P.ln_structured(a, 'weight', 1, 1, -2)"],
    ["P.custom_from_mask(a, 'bias', t.tensor([1, 0, 1]))", "P.identity(a, 'weight')"],
    ["P.global_unstructured([(a, 'weight'), (b, 'weight')], pruning_method=P.L1Unstructured, amount=0.4)"],
    ["P.l1_unstructured(a, 'weight', 1.5)"],
    ["P.l1_unstructured(a, 'weight', 100)"],
    ["P.l1_unstructured(a, 'weight', 'a')"],
    ["P.ln_structured(a, 'bias', 1, 2, 0)"],
    ["P.ln_structured(a, 'weight', 1, 2, 2)"],
    ["P.remove(a, 'weight')"],
    ["P.global_unstructured([(a, 'weight')], pruning_method=P.LnStructured, amount=1, n=1)"],
]


def told(t: Any, calls: list[str]) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    a, b = t.nn.Linear(4, 3), t.nn.Linear(3, 2)
    with t.no_grad():
        for parameter in (*a.parameters(), *b.parameters()):
            parameter.copy_(t.tensor(rng.standard_normal(tuple(parameter.shape)).astype(np.float32)))
    try:
        for call in calls:
            eval(call, {"P": t.nn.utils.prune, "a": a, "b": b, "t": t})
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        return {"error": str(error).split(":")[0].replace("torch.", "lenetc.")}
    (b(a(t.ones(2, 4))) ** 2).sum().backward()
    parts = {f"{name}.{key}": x for name, m in (("a", a), ("b", b)) for key, x in m.state_dict().items()}
    parts |= {f"{name}.grad": x.grad for name, x in a.named_parameters()} | {"weight": a.weight.detach()}
    found: dict[str, Any] = {key: x.numpy().tolist() for key, x in parts.items()}
    return {
        "pruned": bool(t.nn.utils.prune.is_pruned(a)),
        "parameters": [n for n, _ in a.named_parameters()],
        **found,
    }


@pytest.mark.parametrize("calls", ROWS, ids=lambda calls: calls[0][2:45])
def test_what_is_pruned(calls: list[str]) -> None:
    expected, found = told(torch, calls), told(lenetc, calls)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if isinstance(value, (bool, str)) or key == "parameters":
            assert found[key] == value, key
        else:
            np.testing.assert_allclose(found[key], value, 1e-5, 1e-6, err_msg=key)


def test_random_masks_have_their_number_of_zeros() -> None:
    P = lenetc.nn.utils.prune
    net = lenetc.nn.Linear(20, 10)
    P.random_unstructured(net, "weight", 0.25)
    assert int((net.weight_mask == 0).sum()) == 50
    P.random_structured(net, "weight", 3, 0)
    assert int((net.weight_mask.sum(1) == 0).sum()) == 3
    step = lenetc.compile(lambda x: net(x).sum())
    before = step(np.ones((1, 20), np.float32)).item()
    assert abs(before - float((net.weight_mask * net.weight_orig).sum() + net.bias.sum())) < 1e-4
