"""Programs drawn at random: a function that reads and changes several places, and a caller who changes them too."""

from __future__ import annotations

import random

from tests.semantics.programs import expressions, indent

_READS = (
    "y = y * k",
    "y = y + sum(items)",
    "y = y + len(items) * 0.5",
    "y = y + table['a']",
    "y = y + sum(table.values())",
    "y = y * c.scale",
    "y = y + total",
    "y = y + net(x.reshape(1, 1)).reshape(1).detach()",
    "y = y + (p * x).detach()",
    "y = y + n",
    "y = y + next(counter)",
    "y = y * (2.0 if flag else 3.0)",
    "if flag:\n    y = torch.tanh(y)",
    "if n % 2:\n    y = y - 1.0",
    "for v in items:\n    y = y + v",
    "y = y + (0.0 if last is None else last)",
    "y = y + sum(kept)",
    "y = y + torch.cat(kept + [x]).sum()",
    "y = y * float(optimizer.param_groups[0]['lr'])",
    "y = y * (2.0 if p.requires_grad else 3.0)",
    "y = inner(y)",
    "y = y + x.shape[0]",
    "y = y * s",
    "y = y * (2.0 if s > 1.5 else 3.0)",
)
_WRITES = (
    "n += 1",
    "k = k + 0.5",
    "items.append(n)\nitems[:] = items[-3:]",
    "items[0] = items[0] + 1.0",
    "table['a'] = table['a'] + 1.0",
    "table[n % 3] = float(n)",
    "c.scale = (c.scale + 1.0) % 5.0",
    "flag = not flag",
    "total.add_(x)",
    "total = total * 0.5 + y",
    "last = y * 0.5",
    "kept[:] = [y * 0.25]",
    "y.add_(1.0)",
    "x.mul_(1.5)",
    "(p * x).sum().backward()",
    "optimizer.zero_grad()\n((p - 1.0) * x).pow(2).sum().backward()\noptimizer.step()",
    "with torch.no_grad():\n    p.mul_(0.9)",
    "with torch.no_grad():\n    net.weight.add_(0.1)",
    "if n % 3 == 2:\n    raise Stop(n)",
    "log.append(n)",
    "optimizer.param_groups[0]['lr'] = 0.1 + 0.01 * n",
    "c.seen = getattr(c, 'seen', 0) + 1",
)
_CHANGES = (
    "k = 3.0",
    "k = 2",
    "items[:] = [4.0]",
    "items = [1.0, 1.0]",
    "table['a'] = 0.5",
    "table = {'a': 2.0, 'z': 1.0}",
    "c.scale = 0.25",
    "c = types.SimpleNamespace(scale=3.0)",
    "flag = True",
    "flag = not flag",
    "total.zero_()",
    "total = torch.ones(1) * 2.0",
    "last = None",
    "kept.clear()",
    "net.train(not net.training)",
    "net.requires_grad_(False)",
    "net = another.linear(torch, 1, 1, start=0.3)",
    "with torch.no_grad():\n    p.fill_(2.0)",
    "p.requires_grad_(True)",
    "optimizer.state.clear()",
    "optimizer.param_groups[0]['momentum'] = 0.5",
    "n = 0",
    "inner = torch.relu",
    "inner = lambda v: v * scale[0]",
    "scale[0] = scale[0] + 1.0",
    "x = torch.ones(1) * 0.5",
    "s = s + 0.5",
    "pass",
)
_TEXT = """
class Stop(Exception):
    pass
k, items, table, c, flag, n, last = 2.0, [1.0, 2.0], {"a": 1.0}, types.SimpleNamespace(scale=2.0), False, 0, None
total, kept, log, counter, scale, s = torch.zeros(1), [], [], itertools.count(1), [2.0], 1.0
p, net = nn.Parameter(torch.ones(1)), another.linear(torch, 1, 1)
optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
inner = torch.tanh
def f(x, s):
    nonlocal k, items, table, c, flag, n, last, total
    y = x * 1.0
    {use}
    return y
f = compile(f)
changes = []
{changes}
x, made = torch.ones(1), []
def state():
    values = [total, p, net.weight, x, *kept, *([] if last is None else [last])]
    return [v.tolist() for v in values], k, list(items), dict(table), vars(c).copy(), flag, n, len(log)
for change in changes:
    try:
        made.append(f(x, s))
    except Stop as stop:
        made.append(["stopped", stop.args[0]])
    made.append(state())
    change()
return made
"""


def _program(seed: int) -> tuple[str, str]:
    """The statements of a function, and the changes that its caller makes."""
    draw = random.Random(seed)
    lines = draw.sample(_READS, draw.randint(2, 4)) + draw.sample(_WRITES, draw.randint(1, 3))
    draw.shuffle(lines)
    changes = "".join(
        f"def change():\n    nonlocal {_NAMES}\n{indent(change, 1)}changes.append(change)\n"
        for change in draw.choices(_CHANGES, k=7)
    )
    return "\n".join(lines), changes


_NAMES = "k, items, table, c, flag, n, last, total, net, inner, x, s"
TABLE = [
    made
    for seed in range(40)
    for statements, changes in [_program(seed)]
    for made in expressions("mixed", {f"seed {seed}": statements}, _TEXT.replace("{changes}", changes), {})
]
