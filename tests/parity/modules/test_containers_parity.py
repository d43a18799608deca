"""Containers and Module's own methods beside PyTorch's: the same calls give the same texts, names and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402

LIBRARIES = {"lenetc": lenetc, "torch": torch}

# Lines that are run with nn and ones of either; the last is an expression whose text must be the same.
CALLS = [
    "s = nn.Sequential(nn.ReLU(), nn.Tanh())\ns.insert(1, nn.GELU())\ns",
    "s = nn.Sequential(nn.ReLU(), nn.Tanh())\ns.append(nn.GELU()).extend([nn.ReLU()])\ndel s[0]\ns",
    "s = nn.Sequential(nn.ReLU(), nn.Tanh())\ns[0] = nn.GELU()\ns[-1], s[:1], len(s), s.pop(0), s",
    "s = nn.Sequential(nn.ReLU(), nn.Tanh()) + nn.Sequential(nn.GELU())\ns += nn.Sequential(nn.ReLU())\ns",
    "s = 2 * nn.Sequential(nn.ReLU(), nn.Tanh())\ns *= 2\nlen(s), s[0] is s[2]",
    "nn.ModuleList([nn.ReLU()]) + [nn.Tanh()]",
    "m = nn.ModuleList([nn.ReLU() for _ in range(3)])\nm.insert(0, nn.Tanh())\nm.append(nn.GELU())\nm[1:], m",
    "d = nn.ModuleDict({'a': nn.ReLU(), 'b': nn.Tanh()})\nd.update([('c', nn.GELU())])\n"
    "d.pop('a'), 'b' in d, list(d), d",
    "d = nn.ModuleDict({'a': nn.ReLU()})\nd.clear()\nlen(d), list(d.items())",
    "p = nn.ParameterList([ones(2)])\np += [ones(3)]\np[0] = ones(4)\n[tuple(x.shape) for x in p], len(p)",
    "p = nn.ParameterDict({'a': ones(2)})\np['b'] = ones(3)\np.setdefault('c', ones(1))\n"
    "list(p), list(reversed(p)), p.get('d'), p.popitem()[0], len(p), type(p['a']).__name__",
    "p = nn.ParameterDict({'a': ones(2)}) | nn.ParameterDict({'b': ones(1)})\nlist(p.keys()), len(p.copy())",
    "n = nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 3))\nn.set_submodule('0', nn.ReLU())\nn, n.get_submodule('0')",
    "n = nn.BatchNorm1d(2)\ntuple(n.get_buffer('running_mean').shape), n.get_parameter('bias').shape == (2,)",
    "r = nn.ReLU()\nn = nn.Sequential(r, r)\n[a for a, _ in n.named_modules(remove_duplicate=False)]",
    "l = nn.Linear(2, 2)\nn = nn.Sequential(l, l)\n[a for a, _ in n.named_parameters('x', remove_duplicate=False)]",
    "n = nn.Sequential(nn.Linear(2, 3))\nlist(n.state_dict(prefix='net.')), list(n.state_dict(destination={}))",
    "n = nn.Linear(2, 3)\nn.type(double), n.weight.dtype == double, n.to(double, non_blocking=True) is n",
    "n = nn.Linear(2, 3)\nn.load_state_dict({'weight': ones(3, 2).double(), 'bias': ones(3)}, assign=True)\n"
    "n.weight.dtype == double, type(n.weight).__name__, n.weight.requires_grad",
    "n = nn.Linear(2, 3)\nn.load_state_dict({'weight': ones(3, 2), 'x': ones(1)}, strict=False)",
    "nn.Flatten(0, 1), nn.Unflatten(1, (2, 3)), nn.Identity(3, a=2)",
]


def run(library: Any, call: str) -> str:
    scope = {"nn": library.nn, "ones": library.ones, "double": library.float64}
    *lines, last = call.split("\n")
    exec("\n".join(lines), scope)
    return str(eval(last, scope))


@pytest.mark.parametrize("call", CALLS)
def test_the_same_text(call: str) -> None:
    assert run(lenetc, call) == run(torch, call)


REFUSED = [
    "nn.Sequential(nn.ReLU())[2]",
    "nn.Sequential(nn.ReLU()).insert(3, nn.ReLU())",
    "nn.Sequential(nn.ReLU()) * 0",
    "nn.Sequential(nn.ReLU()) + [nn.ReLU()]",
    "nn.Sequential(nn.ReLU(), 3)",
    "nn.ModuleList([3])",
    "nn.ModuleList([nn.ReLU()]).extend(3)",
    "nn.ModuleDict({'a': nn.ReLU()})['b']",
    "nn.ModuleDict({'a.b': nn.ReLU()})",
    "nn.ModuleDict(3)",
    "nn.ReLU().train(3)",
    "nn.Linear(2, 3).get_buffer('weight')",
    "nn.Linear(2, 3).load_state_dict({'weight': ones(2, 2), 'bias': ones(3)})",
    "nn.Linear(2, 3).register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True) and 1 / 0",
]


@pytest.mark.parametrize("call", REFUSED)
def test_the_same_refusal(call: str) -> None:
    kinds = (IndexError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, ZeroDivisionError)
    for library in LIBRARIES.values():
        with pytest.raises(kinds):
            run(library, call)


def test_tensors_of_pytorch_load() -> None:
    reference = torch.nn.Linear(2, 3)
    mine = lenetc.nn.Linear(2, 3)
    assert str(mine.load_state_dict(reference.state_dict())) == "<All keys matched successfully>"
    np.testing.assert_array_equal(mine.weight.detach().numpy(), reference.weight.detach().numpy())
    halves = {name: value.bfloat16() for name, value in reference.state_dict().items()}
    mine.load_state_dict(halves)
    np.testing.assert_array_equal(mine.bias.detach().numpy(), halves["bias"].float().numpy())
