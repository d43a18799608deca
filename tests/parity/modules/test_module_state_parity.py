"""What programs do with a module's parts, state and hooks, beside PyTorch's: the same lines give the same text."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import lenetc  # noqa: E402

# The lines are run with either library as `torch`; the last is an expression whose text must be the same. What PyTorch
# raises for it is raised here too.
CALLS = {
    "state": """
m = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
s = m.state_dict()
s._metadata, type(s).__name__, list(s), m.load_state_dict(pickle.loads(pickle.dumps(s)))
""",
    "scratch buffers": """
m = nn.Module()
m.register_buffer("a", ones(2), persistent=False)
m.register_buffer("b", None)
m.a = zeros(2)
list(m.state_dict()), [k for k, _ in m.named_buffers()], m._non_persistent_buffers_set, m.b, list(m._buffers)
""",
    "old batch norm": """
m = nn.BatchNorm1d(2)
s = dict(m.state_dict())
del s["num_batches_tracked"]
m.load_state_dict(s)
""",
    "extra state": """
class A(nn.Linear):
    kept = 1
    def get_extra_state(self): return {"kept": self.kept}
    def set_extra_state(self, state): self.kept = state["kept"]
a, b = nn.Sequential(A(2, 2)), nn.Sequential(A(2, 2))
a[0].kept = 7
r = b.load_state_dict(a.state_dict())
list(a.state_dict()), b[0].kept, r, b.load_state_dict({}, strict=False)
""",
    "unexpected extra state": "nn.ReLU().load_state_dict({'_extra_state': 3})",
    "own loading": """
class A(nn.Linear):
    _version = 3
    def _load_from_state_dict(self, state, prefix, metadata, *told):
        self.seen = metadata.get("version")
        if prefix + "w" in state: state[prefix + "weight"] = state.pop(prefix + "w")
        super()._load_from_state_dict(state, prefix, metadata, *told)
m = nn.Sequential(A(2, 2))
r = m.load_state_dict({"0.w": ones(2, 2), "0.bias": ones(2)}), m[0].seen, m[0].weight.sum().item()
m.load_state_dict(m.state_dict())
r, m[0].seen
""",
    "own saving": """
class A(nn.Linear):
    def _save_to_state_dict(self, found, prefix, keep_vars):
        super()._save_to_state_dict(found, prefix, keep_vars)
        found[prefix + "more"] = ones(1)
list(nn.Sequential(A(2, 2)).state_dict())
""",
    "loading hooks": """
m, seen = nn.Sequential(nn.Linear(2, 2)), []
m[0]._register_load_state_dict_pre_hook(lambda state, prefix, *_: seen.append((prefix, list(state))))
m[0].register_load_state_dict_pre_hook(lambda m, state, prefix, *rest: seen.append((prefix, rest)))
m.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
m.load_state_dict({"0.bias": ones(2)}), seen
""",
    "a loading hook that returns": """
m = nn.ReLU()
m.register_load_state_dict_post_hook(lambda m, keys: keys)
m.load_state_dict({})
""",
    "saving hooks": """
m, seen = nn.Sequential(nn.Linear(2, 2)), []
m.register_state_dict_pre_hook(lambda m, prefix, keep_vars: seen.append((prefix, keep_vars)))
m[0].register_state_dict_post_hook(lambda m, state, prefix, _: state.__delitem__(prefix + "bias"))
m._register_state_dict_hook(lambda m, state, prefix, _: {"x" + k: 0 for k in state})
m.state_dict(prefix="q."), seen
""",
    "a saving hook that returns": """
m = nn.ReLU()
m.register_state_dict_post_hook(lambda m, state, *_: state)
m.state_dict()
""",
    "assigned parameters": """
m = nn.Linear(2, 3)
m.weight.requires_grad_(False)
s = {"weight": nn.Parameter(ones(3, 2)), "bias": ones(3).double()}
m.load_state_dict(s, assign=True)
m.weight is s["weight"], m.weight.requires_grad, m.bias.requires_grad, m.bias.dtype == torch.float64
""",
    "a number for one element": """
m = nn.Module()
m.register_buffer("a", torch.tensor(1.0))
m.load_state_dict({"a": ones(1) * 3}), m.a
""",
    "lazy state": """
a, b = nn.LazyLinear(3), nn.LazyLinear(3)
a.load_state_dict(b.state_dict())
r = a.has_uninitialized_params(), a.double().load_state_dict(nn.Linear(4, 3).state_dict())
r, a.weight.shape == (3, 4), a.weight.dtype == torch.float64, a, copy.deepcopy(b)
""",
    "the size of a lazy parameter": "nn.LazyLinear(3).weight.numel()",
    "a module for a parameter": "nn.Linear(2, 2).__setattr__('weight', nn.ReLU())",
    "a number for a buffer": "nn.BatchNorm1d(2).__setattr__('running_mean', 3)",
    "another buffer for a parameter": """
m = nn.BatchNorm1d(2)
m.running_mean = nn.Parameter(zeros(2))
[k for k, _ in m.named_parameters()], [k for k, _ in m.named_buffers()]
""",
    "names of no attributes": """
class A(nn.Module):
    def __getattr__(self, name):
        try: return super().__getattr__(name)
        except AttributeError: return "other"
a = A()
a.part = nn.ReLU()
a.part, a.none, "0" in dir(nn.Sequential(a))
""",
    "attributes of parameters": """
p = nn.Parameter(ones(2))
p.no_decay = True
q = pickle.loads(pickle.dumps(p))
p.no_decay, q.no_decay, hasattr(p, "decay"), q, copy.copy(p).no_decay, hasattr(copy.deepcopy(p), "no_decay")
""",
    "tables of hooks": """
m = nn.Identity()
m.register_forward_hook(lambda m, a, y: y * 0)
m.register_forward_pre_hook(lambda m, a: a[0] + 1)
r = len(m._forward_hooks), len(m._forward_pre_hooks), m(ones(1)).item()
m._forward_hooks.clear()
r = r, m(ones(1)).item()
m._forward_pre_hooks = {}
r, m(ones(1)).item(), len(m._backward_hooks)
""",
    "hooks of all modules": """
from importlib import import_module
parts, seen = import_module(torch.__name__ + ".nn.modules.module"), []
h = [
    parts.register_module_forward_pre_hook(lambda m, a: seen.append(("before", type(m).__name__))),
    parts.register_module_forward_hook(lambda m, a, y: seen.append(("behind", type(m).__name__))),
    parts.register_module_full_backward_hook(lambda m, a, b: seen.append(("backward", type(m).__name__))),
    parts.register_module_full_backward_pre_hook(lambda m, b: seen.append(("pre", type(m).__name__))),
]
m = nn.Sequential(nn.Tanh())
m.register_forward_hook(lambda m, a, y: seen.append("own"))
m(ones(1).requires_grad_()).sum().backward()
for handle in h: handle.remove()
m(ones(1))
seen
""",
    "too many gradients": """
m = nn.Identity()
m.register_full_backward_hook(lambda m, a, b: (a[0], a[0]))
m(ones(2).requires_grad_()).sum().backward()
""",
    "keys keep their places": """
m = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
m["a"] = nn.GELU()
m, list(nn.ParameterDict({"b": ones(1), "a": ones(1)}))
""",
    "anything in a list": """
p = nn.ParameterList([ones(2), "a", 3, nn.ParameterList([ones(1)])])
p += [nn.Parameter(ones(3))]
[type(x).__name__ for x in p], list(p.state_dict()), len(p), pickle.loads(pickle.dumps(p))[1]
""",
    "anything in a dict": """
p = nn.ParameterDict({"a": ones(2), "c": 3})
p["d"] = "text"
p["c"], list(p), list(p.state_dict()), copy.deepcopy(p)["d"], p.pop("c"), len(p)
""",
    "a tensor for a list": "nn.ParameterList(ones(2, 3))",
    "functional_call": """
l = nn.Linear(2, 2)
f = torch.func.functional_call
w = {"weight": ones(2, 2), "bias": zeros(2), "other": ones(1)}
f(l, w, ones(1, 2)).tolist(), f(nn.Sequential(l, l), {"0." + k: v for k, v in w.items()}, ones(1, 2)).tolist()
""",
    "two values of what is tied": """
l = nn.Linear(2, 2)
torch.func.functional_call(nn.Sequential(l, l), {"0.weight": ones(2, 2), "1.weight": ones(2, 2)}, ones(1, 2))
""",
    "several models": """
nets = [nn.BatchNorm1d(2) for _ in range(3)]
p, b = torch.func.stack_module_state(nets)
{k: (*v.shape, v.requires_grad) for k, v in {**p, **b}.items()}
""",
    "cached parametrizations": """
class Twice(nn.Module):
    def forward(self, x): return 2 * x
m, P = nn.Linear(2, 2), nn.utils.parametrize
P.register_parametrization(m, "weight", Twice())
with P.cached():
    r = m.weight is m.weight
r, m.weight is m.weight, P.type_before_parametrizations(m).__name__
""",
    "not the statistics of nothing": """
m = nn.BatchNorm1d(2)
m(zeros(0, 2)).shape == (0, 2), m.running_mean, m.running_var, m.num_batches_tracked
""",
}


def run(library: Any, lines: str) -> str:
    *body, last = lines.strip().split("\n")
    scope = {"torch": library, "nn": library.nn, "copy": copy, "pickle": pickle}
    scope |= {"ones": library.ones, "zeros": library.zeros}
    exec("\n".join(body), scope)
    return str(eval(last, scope))


@pytest.mark.parametrize("name", CALLS)
def test_the_same_text(name: str) -> None:
    try:
        expected = run(torch, CALLS[name])
    except Exception as error:
        kind = RuntimeError if isinstance(error, AssertionError) else type(error)
        with pytest.raises(kind):
            run(lenetc, CALLS[name])
    else:
        assert run(lenetc, CALLS[name]) == expected


def test_compiled_functions_see_what_parts_hold() -> None:
    layer = lenetc.nn.Linear(1, 1, bias=False)
    values = lenetc.nn.ParameterList([lenetc.ones(1), 2.0])
    register = lenetc.nn.modules.module.register_module_forward_hook

    def forward(x: Any) -> Any:
        return layer(x) * getattr(layer.weight, "factor", 1) * values[1]

    compiled = lenetc.compile(forward)
    x = lenetc.ones(1, 1)
    layer.weight.data.fill_(1.0)
    assert compiled(x).item() == 2.0
    layer.weight.factor = 3
    assert compiled(x).item() == 6.0
    values[1] = 5.0
    assert compiled(x).item() == 15.0
    with register(lambda module, args, y: y * 2):
        assert compiled(x).item() == 30.0
    assert compiled(x).item() == 15.0
