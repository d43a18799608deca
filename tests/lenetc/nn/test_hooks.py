"""Hooks of modules and of tensors: what they get, what they change, lazily and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetc
from lenetc import autograd, nn


def _layer() -> nn.Linear:
    layer = nn.Linear(2, 1, bias=False)
    layer.load_state_dict({"weight": np.array([[2.0, 3.0]], np.float32)})
    return layer


X = [[1.0, 10.0]]


def test_hooks_around_forward() -> None:
    layer, seen = _layer(), []
    layer.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    first = layer.register_forward_hook(lambda m, args, out: seen.append((args[0].tolist(), out.tolist())))
    layer.register_forward_hook(lambda m, args, out: -out)
    assert layer(lenetc.tensor(X)).tolist() == [[-64.0]]
    assert seen == [([[2.0, 20.0]], [[64.0]])]
    first.remove()
    layer(lenetc.tensor(X))
    assert len(seen) == 1


def test_keyword_arguments_order_and_always_call() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Any, scale: float = 1.0) -> Any:
            if scale == 0:
                raise ValueError("no scale")
            return x * scale

    module, order = Scaled(), []
    module.register_forward_pre_hook(
        lambda m, args, kwargs: (args, kwargs | {"scale": kwargs["scale"] * 10}), with_kwargs=True
    )
    module.register_forward_hook(lambda m, a, out: order.append("second"))
    module.register_forward_hook(lambda m, a, out: order.append("first"), prepend=True)
    module.register_forward_hook(
        lambda m, a, k, out: order.append(k["scale"]), with_kwargs=True, always_call=True
    )
    assert module(lenetc.tensor(2.0), scale=3.0).item() == 60
    assert order == ["first", "second", 30.0]
    with pytest.raises(ValueError, match="no scale"):
        module(lenetc.tensor(2.0), scale=0)
    assert order[3:] == [0]


@pytest.mark.parametrize("inputs", [1, 2])
def test_full_backward_hooks(inputs: int) -> None:
    class Product(nn.Module):
        def forward(self, *x: Any) -> Any:
            return x[0] * 3 if len(x) == 1 else x[0] * x[1]

    module, seen = Product(), []
    module.register_full_backward_pre_hook(lambda m, out: (out[0] * 10,))

    def behind(m: Any, grad_input: Any, grad_output: Any) -> Any:
        seen.append(([g.tolist() for g in grad_input], grad_output[0].tolist()))
        return tuple(g + 1 for g in grad_input)

    module.register_full_backward_hook(behind)
    x = [lenetc.tensor([2.0 + i, 5.0], requires_grad=True) for i in range(inputs)]
    module(*x).sum().backward()
    expected = [[30.0, 30.0]] if inputs == 1 else [[30.0, 50.0], [20.0, 50.0]]
    assert seen == [(expected, [10.0, 10.0])]
    assert [t.grad.tolist() for t in x if t.grad is not None] == [[g + 1 for g in e] for e in expected]


def test_full_backward_hook_without_gradients_of_inputs() -> None:
    layer, seen = _layer(), []
    layer.register_full_backward_hook(lambda m, i, o: seen.append((i, o[0].tolist())))
    layer(lenetc.tensor(X)).sum().backward()
    assert seen == [((None,), [[1.0]])]


def test_hooks_of_tensors() -> None:
    x = lenetc.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    total = (y * y).sum()
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    doubled = y.register_hook(lambda g: g * 2)
    y.retain_grad()
    x.register_hook(lambda g: g + 1)
    after: list[Any] = []
    x.register_post_accumulate_grad_hook(lambda t: after.append(t.grad.tolist()))
    total.backward(retain_graph=True)
    assert seen == [[6.0, 12.0]] and y.grad is not None and y.grad.tolist() == [12, 24]
    assert x.grad is not None and x.grad.tolist() == [37, 73] and after == [[37.0, 73.0]]
    doubled.remove()
    (found,) = autograd.grad(total, x)
    assert found.tolist() == [19, 37]
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        lenetc.ones(2).register_hook(print)
    with pytest.raises(RuntimeError, match="non-leaf"):
        y.register_post_accumulate_grad_hook(print)
    with pytest.raises(RuntimeError, match="changed the type"):
        x.register_hook(lambda g: g.sum())
        (x * 1).sum().backward()


def test_hooks_in_a_compiled_function() -> None:
    layer, kept, factor = _layer(), {}, [2.0]
    handle = layer.register_forward_hook(lambda m, a, out: out * factor[0])
    calls = lenetc.compile(lambda x: layer(x))
    assert calls(lenetc.tensor(X)).item() == 64
    factor[0] = 3.0
    assert calls(lenetc.tensor(X)).item() == 96
    handle.remove()
    assert calls(lenetc.tensor(X)).item() == 32

    def step(x: Any) -> Any:
        layer.zero_grad()
        hidden = layer(x)
        hidden.register_hook(lambda g: g * 5)
        loss = hidden.sum()
        loss.backward()
        return loss, layer.weight.grad

    compiled = lenetc.compile(step)
    for _ in range(2):
        assert compiled(lenetc.tensor(X))[1].tolist() == [[5.0, 50.0]]
    layer.register_full_backward_hook(lambda m, i, o: None)
    layer.register_full_backward_pre_hook(lambda m, o: (o[0] * 2,))
    assert compiled(lenetc.tensor(X))[1].tolist() == [[10.0, 100.0]]
    layer.register_forward_hook(lambda m, a, out: kept.update(out=out.detach()))
    calls = lenetc.compile(lambda x: layer(x))
    with pytest.warns(lenetc.RetraceWarning, match="changes kept"):
        for scale in (1.0, 2.0):
            calls(lenetc.tensor(X) * scale)
            assert kept["out"].item() == 32 * scale


def test_hooks_of_state() -> None:
    net = nn.Sequential(_layer(), _layer())
    net[1].register_state_dict_post_hook(lambda m, found, prefix, _: found.__delitem__(f"{prefix}weight"))
    assert list(net.state_dict()) == ["0.weight"]
    seen: list[Any] = []
    net.register_load_state_dict_pre_hook(lambda m, given, *_: given.update({"1.weight": given["0.weight"]}))
    net.register_load_state_dict_post_hook(lambda m, keys: seen.append(keys.missing_keys))
    net[1]._register_load_state_dict_pre_hook(lambda given, prefix, *_: seen.append((prefix, list(given))))
    net.load_state_dict({"0.weight": np.ones((1, 2), np.float32)})
    assert net[1].weight.tolist() == [[1, 1]] and seen == [("1.", ["1.weight"]), []]


def test_legacy_backward_hooks_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="register_full_backward_hook"):
        _layer().register_backward_hook(print)


def test_buffers_by_assignment() -> None:
    net = nn.Module()
    net.kept, net.passing = nn.Buffer(lenetc.ones(2)), nn.Buffer(lenetc.ones(3), persistent=False)
    assert [name for name, _ in net.named_buffers()] == ["kept", "passing"]
    assert list(net.state_dict()) == ["kept"]
