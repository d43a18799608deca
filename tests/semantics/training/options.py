"""Options and state of optimizers, edited between calls and inside; parameters that come and go."""

from __future__ import annotations

from tests.semantics.programs import expressions

# An optimizer, and a change of one option between calls.
OPTIONS = {
    f"{optimizer} {option}": f"optim.{optimizer}([p, q], {given}), {option!r}, {values}"
    for optimizer, given, option, values in (
        ("SGD", "lr=0.1", "lr", "[0.2, 0.05, 1, 0.0, np.float32(0.3), np.float64(0.2)]"),
        ("SGD", "lr=0.1", "momentum", "[0.9, 0.5, 0.0]"),
        ("SGD", "lr=0.1, momentum=0.9", "dampening", "[0.5, 0.1]"),
        ("SGD", "lr=0.1", "weight_decay", "[0.5, 0.1, 0.0]"),
        ("SGD", "lr=0.1, momentum=0.9", "nesterov", "[True, False]"),
        ("SGD", "lr=0.1", "maximize", "[True, False]"),
        ("Adam", "lr=0.1", "lr", "[0.2, 0.05]"),
        ("Adam", "lr=0.1", "betas", "[(0.5, 0.9), (0.0, 0.5)]"),
        ("Adam", "lr=0.1", "eps", "[0.5, 1e-8]"),
        ("Adam", "lr=0.1", "weight_decay", "[0.5, 0.0]"),
        ("Adam", "lr=0.1", "amsgrad", "[False]"),
        ("Adam", "lr=0.1", "maximize", "[True, False]"),
        ("AdamW", "lr=0.1", "weight_decay", "[0.5, 0.0]"),
        ("RMSprop", "lr=0.1", "alpha", "[0.5, 0.9]"),
        ("RMSprop", "lr=0.1", "eps", "[0.5]"),
        ("RMSprop", "lr=0.1, momentum=0.5", "momentum", "[0.9, 0.1]"),
        ("Adagrad", "lr=0.1", "lr_decay", "[0.5, 0.0]"),
        ("Adagrad", "lr=0.1", "eps", "[0.5]"),
    )
}
STEP = """
p, q = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.tensor([3.0]))
def step(x):
    optimizer.zero_grad()
    ((p * x).sum() * q).sum().backward()
    optimizer.step()
step = compile(step)
"""
BY_THE_CALLER = f"""
{STEP}
optimizer, option, values = {{use}}
made = []
for value in [None, *values]:
    if value is not None:
        optimizer.param_groups[0][option] = value
    for _ in range(2):
        step(torch.ones(2))
        made.append((p.tolist(), q.tolist()))
return made
"""

# What is done to the optimizer between two calls, or inside at the end of each.
EDITS = {
    "state cleared": "optimizer.state.clear()",
    "state of one cleared": "optimizer.state[p].clear()",
    "momentum zeroed": 'optimizer.state[p]["momentum_buffer"].zero_()',
    "momentum replaced": 'optimizer.state[p]["momentum_buffer"] = torch.tensor([5.0, 6.0])',
    "gradient replaced": "p.grad = torch.tensor([5.0, 6.0])",
    "gradient scaled": "p.grad.mul_(3.0)",
    "gradient dropped": "p.grad = None",
    "gradients cleared": "optimizer.zero_grad()",
    "gradients zeroed": "optimizer.zero_grad(set_to_none=False)",
    "parameter taken out": 'g = optimizer.param_groups[0]["params"]\ng[:] = [v for v in g if v is not q]',
    "parameter put back": 'g = optimizer.param_groups[0]["params"]\ng[:] = [p] if len(g) > 1 else [p, q]',
    "parameters reordered": 'optimizer.param_groups[0]["params"].reverse()',
    "group added": "if len(optimizer.param_groups) < 2:\n    optimizer.add_param_group({'params': [r], 'lr': 1.0})",
    "group deleted": "optimizer.param_groups[:] = [dict(optimizer.param_groups[0], lr=0.3)]",
    "learning rate decayed": 'for group in optimizer.param_groups:\n    group["lr"] *= 0.5',
    "all options replaced": "optimizer.param_groups[0].update(lr=0.3, momentum=0.1, weight_decay=0.2)",
    "parameter frozen": "q.requires_grad_(not q.requires_grad)",
    "parameter changed": "with torch.no_grad():\n    p.add_(1.0)",
    "state loaded": "optimizer.load_state_dict(saved)",
    "gradients clipped": "nn.utils.clip_grad_norm_([p, q], 0.5)\noptimizer.step()",
    "stepped again": "optimizer.step()",
    "a step taken by another": "other.step()",
}
SETTING = """
p, q, r = (nn.Parameter(torch.tensor(v)) for v in ([1.0, 2.0], [3.0], [4.0]))
optimizer, other = optim.SGD([p, q], lr=0.1, momentum=0.9), optim.Adam([p, q], lr=0.5)
saved = __import__("copy").deepcopy(optimizer.state_dict())
"""
BETWEEN = f"""
{SETTING}
def step(x):
    loss = (p * x).sum() * q.sum() + (r * 2.0).sum()
    loss.backward()
    optimizer.step()
    return loss.detach()
step = compile(step)
made = []
for k in range(5):
    made.append((step(torch.ones(2)), *[v.tolist() for v in (p, q, r)], r.grad.tolist()))
    if k in (1, 2):
        {{use}}
return made
"""
INSIDE = f"""
{SETTING}
def step(x):
    loss = (p * x).sum() * q.sum() + (r * 2.0).sum()
    loss.backward()
    optimizer.step()
    {{use}}
    return loss.detach()
step = compile(step)
return [(step(torch.ones(2)), *[v.tolist() for v in (p, q, r)], r.grad.tolist()) for _ in range(4)]
"""
# Parameters that leave a group, or go to another, and what their steps are counted from afterwards.
MOVES = {
    "a parameter rests outside of the group": """if k == 1:
    taken = params.pop(0)
if k == 2:
    params.insert(0, taken)""",
    "a parameter is in another group": """if k == 1:
    optimizer.add_param_group({"params": [r], "lr": 0.5})
    optimizer.param_groups[1]["params"].append(params.pop(0))
if k == 3:
    params.append(optimizer.param_groups[1]["params"].pop())""",
    "the count of one is set": """if k == 2 and 'step' in optimizer.state[p]:
    optimizer.state[p]['step'] = torch.tensor(7.0)""",
}
MOVED = """
p, q, r = (nn.Parameter(torch.tensor(v)) for v in ([1.0, 2.0], [3.0], [4.0]))
made = []
for kind in (optim.Adam, optim.NAdam, optim.RAdam, optim.Adagrad):
    optimizer = kind([p, q], lr=0.1)
    params = optimizer.param_groups[0]["params"]
    def step(x):
        for v in (p, q, r):
            v.grad = None
        ((p * x).sum() * q.sum() + (r * 2.0).sum()).backward()
        optimizer.step()
    step = compile(step)
    for k in range(5):
        step(torch.ones(2) * (k + 1.0))
        made.append([v.tolist() for v in (p, q, r)])
        {use}
return made
"""
TABLE = [
    *expressions("options", OPTIONS, BY_THE_CALLER, {}),
    *expressions("optimizers_between_calls", EDITS, BETWEEN, {}),
    *expressions("optimizers_inside", EDITS, INSIDE, {}),
    *expressions("parameters_moved", MOVES, MOVED, {}),
]

# State that is there before the first step, after some, and after it was loaded, twice from what one loaded before.
OPTIMIZERS = {
    name: f"optim.{name}([p, q], lr=0.1)"
    for name in (
        "SGD",
        "Adam",
        "AdamW",
        "RMSprop",
        "Adagrad",
        "Adadelta",
        "Adamax",
        "NAdam",
        "RAdam",
        "Rprop",
        "ASGD",
    )
}
OPTIMIZERS["SGD with momentum"] = "optim.SGD([p, q], lr=0.1, momentum=0.9)"
OPTIMIZERS["Adagrad with a start"] = (
    "optim.Adagrad([p, q], lr=0.1, lr_decay=0.1, initial_accumulator_value=0.5)"
)
STATE = f"""
{STEP}
def state(of):
    return [sorted((name, float(value.sum())) for name, value in entry.items() if isinstance(value, torch.Tensor))
            for entry in of.state_dict()["state"].values()]
optimizer = {{use}}
made = [state(optimizer)]
for _ in range(2):
    step(torch.ones(2))
    made.append(state(optimizer))
import copy
saved = copy.deepcopy(optimizer.state_dict())
step(torch.ones(2))
optimizer.load_state_dict(saved)
for _ in range(2):
    step(torch.ones(2))
    made += [state(optimizer), p.tolist(), q.tolist()]
before = optimizer
optimizer = {{use}}
optimizer.load_state_dict(saved)
step(torch.ones(2))
return made, state(optimizer), state(before), p.tolist(), q.tolist()
"""
TABLE += expressions("state loaded", OPTIMIZERS, STATE, {})
