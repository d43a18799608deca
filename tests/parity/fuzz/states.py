"""Random programs about autograd's state: leaves, views, in-place changes, hooks, gradients, optimizers.

A program is a function, called three times, and what its caller does in between. A statement that PyTorch does not
accept is left out, so that what remains is valid.
"""

from __future__ import annotations

import builtins
import linecache
import random
import re
import textwrap
import types
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TEXT = """\
import copy
def program(t, compile):
    nn, F = t.nn, t.nn.functional
    def m(a, b, c, d):
        return t.tensor([[a, b], [c, d]], dtype=t.float64)
    p, q = nn.Parameter(m(0.5, -1.0, 1.5, 2.0)), nn.Parameter(m(1.0, 0.25, -0.5, 0.75))
    b, c = m(0.3, -0.2, 0.1, 0.4), m(1.0, 2.0, -1.0, 0.5)
    net = nn.Sequential(nn.Linear(2, 2), {layer}).double()
    with t.no_grad():
        for i, w in enumerate(net.parameters()):
            w.copy_(t.arange(float(w.numel()), dtype=t.float64).reshape(w.shape) * 0.3 - 0.2 + i * 0.1)
    o, o2 = t.optim.{optimizer}, t.optim.SGD([q], lr=0.1)
    kept, seen, handles, outs, made = [], [], [], [], []
    x, y = {x}, {y}
    def look(u):
        if u is None:
            return None
        g = u.grad if u.is_leaf or u.retains_grad else None
        return [u.detach().numpy().tolist(), u.requires_grad, u.is_leaf, isinstance(u, nn.Parameter), look(g)]
    def state():
        shown = [p, q, b, c, x, y], net.parameters(), net.buffers(), kept, seen, *outs
        made.append([[look(u) for u in several] for several in shown])
    def f(x, y):
{body}
    f = compile(f)
    for step in range(3):
        out = f(x, y)
        outs.append(out)
        if {looks}:
            state()
{outer}
    state()
    return made
"""
HEADS = {
    "layer": ["nn.Tanh()", "nn.BatchNorm1d(2)", "nn.Dropout(0.0)"],
    "optimizer": ["SGD([p, q], lr=0.1, momentum=0.9)", "Adam([p, q], lr=0.1)", "SGD([p, *net.parameters()], lr=0.1)"],
    "x": ["m(1.0, -2.0, 0.5, 3.0)", "m(1.0, 2.0, 0.5, 3.0).requires_grad_()", "p", "p * 2.0", "b", "p.data", "b.t()"],
    "y": ["m(0.5, 1.0, 1.5, -1.0)", "m(1.0, 2.0, 0.5, 3.0).requires_grad_()", "q", "c", "q.detach()", "p * 2.0"],
    "looks": ["True", "False", "step == 1"],
}  # fmt: skip
# What makes a tensor {n} of tensors {a}, {d} and a number {k}: computations, copies, leaves; views.
MADE = """
{a} * {d} | {a} + {d} | {a} - {d} * {k} | {a}.tanh() | {a} * {k} | {a} ** 2 | {a} @ {d} | {a}.sum(0) | {a}.mean()
t.where({a} > 0, {a}, {d}) | t.stack([{a}, {d}])[1] | t.cat([{a}, {d}])[:2] | {a}.softmax(-1) | net({a}) | {a}.relu()
{a}.clone() | {a}.detach() | {a}.detach().clone() | {a}.data | copy.deepcopy({a}) | nn.Parameter({a}.detach().clone())
{a}.detach().requires_grad_() | {a}.detach().clone().requires_grad_() | {a} * {a}.detach() | nn.Identity()({a})
kept[-1] * {d} | {a}.grad | {a}.grad * {d} | seen[-1] * {d} | F.linear({a}, net[0].weight) | copy.deepcopy(net)({a})
"""
SHOWN = """
{a}[0] | {a}[:, 1] | {a}.t() | {a}.view(-1) | {a}.reshape(2, 2) | {a}.expand(2, 2) | {a}.unbind(0)[1] | {a}.split(1)[0]
{a}.diagonal() | {a}[...] | {a}.transpose(0, 1) | {a}.unsqueeze(0) | {a}.squeeze() | {a}.view_as({d}) | {a}.contiguous()
"""
CHANGED = """
{a}.add_({d}) | {a}.mul_({k}) | {a}.mul_({d}) | {a}.copy_({d}) | {a}.zero_() | {a}[0] = {k} | {a}[:, 1] = {d}[0].clone()
{a} += {d} | {a} *= {k} | t.mul({a}, {d}, out={e}) | {a}.clamp_(-1, 1) | {a}.tanh_() | {a}[{a} > 0] = {k}
{a}.t().mul_({k}) | {a}.detach().add_({k}) | {a}.data.mul_({k}) | {a}.diagonal().add_({k}) | {a}[0].add_({d}[1].clone())
"""
STATES = """
{a}.requires_grad_() | {a}.requires_grad_(False) | {a}.detach_() | {a}.retain_grad() | {a}.data = {d}.detach().clone()
{a}.grad = None | {a}.grad = t.ones_like({a}) | {a}.grad = {d}.detach().clone() | {a}.grad.zero_() | {a}.grad.mul_({k})
handles.append({a}.register_hook(lambda g: g * {k})) | handles.pop().remove() | {a}.register_hook(seen.append)
{a}.register_post_accumulate_grad_hook(lambda u: (u.grad.mul_({k}), None)[1]) | {a}.register_hook(lambda g: g + g)
kept.append({a}) | kept.append({a}.detach()) | kept.append({a} * {k}) | kept[:] = [{a}]
"""
GRADIENTS = """
{a}.sum().backward() | ({a} * {d}).sum().backward() | ({a} * {d} + p).pow(2).sum().backward(retain_graph=True)
({a} * {d}).sum().backward(inputs=[{e}]) | {a}.backward({d}.detach().clone()) | net({a}).pow(2).sum().backward()
{n} = t.autograd.grad(({a} * {d}).sum(), [{e}])[0] | ({a} ** 2 * {d}).sum().backward()
{n} = t.autograd.grad(({a} * {d}).pow(2).sum(), [{e}], create_graph=True)[0]
{n} = t.autograd.grad(({a} * p).sum(), [{e}, p], allow_unused=True)[0]
{n} = t.autograd.grad({a} ** 2, [{a}], {d}, create_graph=True)[0]
({n}_g := t.autograd.grad(({a} * {d}).pow(3).sum(), [{e}], create_graph=True)[0]).pow(2).sum().backward()
o.step() | o.zero_grad() | o.zero_grad(set_to_none=False) | o2.step() | nn.utils.clip_grad_norm_([p, q], 0.5)
o.param_groups[0]['lr'] = 0.2 | net.eval() | net.train() | net.requires_grad_(False) | net.zero_grad()
"""
ARGUMENTS = "x = {a} | y = {a}.detach() | x, y = y, x | y = x | x = {a}.detach().requires_grad_()"


def split(table: str) -> list[str]:
    return [one.strip() for line in table.strip().splitlines() for one in line.split(" | ")]


INSIDE = [
    *((5, f"{{n}} = {one}") for one in split(MADE)),
    *((5, f"{{n}} = {one}") for one in split(SHOWN)),
    *((6, one) for one in split(CHANGED)),
    *((4, one) for one in split(STATES)),
    *((6, one) for one in split(GRADIENTS)),
]
OUTSIDE = [*INSIDE, *((10, one) for one in split(ARGUMENTS))]


@dataclass
class Program:
    """body: the function's statements; results: what it returns; outer: what the caller does, after which call."""

    head: dict[str, str]
    body: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=lambda: ["x * 1.0"])
    outer: list[tuple[int, str]] = field(default_factory=list)

    def text(self) -> str:
        body = textwrap.indent("\n".join([*self.body, f"return [{', '.join(self.results)}]"]), " " * 8)
        outer = "".join(
            f"        if step == {i}:\n{textwrap.indent(one, ' ' * 12)}\n" for i, one in self.outer
        )
        return TEXT.format(body=body, outer=outer, **self.head)

    def run(self, library: Any, compile: Callable[[Any], Any]) -> Any:
        """All that is seen, as lists."""
        text = self.text()
        path = f"/states/{zlib.crc32(text.encode())}.py"  # where compiled functions find their source
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        module = types.ModuleType("program")
        exec(builtins.compile(text, path, "exec"), vars(module))
        return module.program(library, compile)

    def is_valid(self, torch: Any) -> bool:
        """Whether PyTorch runs it without an error or a warning, to numbers that are of use."""
        torch.set_grad_enabled(True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message=".*create_graph=True will create a reference cycle.*")
            try:
                return of_use(self.run(torch, lambda function: function))
            except Exception:
                return False


def of_use(seen: Any) -> bool:
    return all(map(of_use, seen)) if isinstance(seen, list) else abs(seen or 0) < 1e4


def names_in(statements: list[str]) -> list[str]:
    return list(dict.fromkeys(name for one in statements for name in re.findall(r"\b(v\d+) = ", one)))


def draw(seed: int, torch: Any) -> Program:
    """The same seed gives the same program."""
    rng = random.Random(seed)
    program = Program({name: rng.choice(choices) for name, choices in HEADS.items()})

    def statement(table: list[tuple[int, str]], names: list[str], number: int) -> str:
        ((_, one),) = rng.choices(table, [weight for weight, _ in table])
        a, d, e = rng.choices(names + names[-4:] * 2, k=3)
        plain, one = one, one.format(a=a, d=d, e=e, k=rng.choice(("0.5", "2.0", "-1.5")), n=f"v{number}")
        return (
            f"with t.no_grad():\n    {one}"
            if not plain.startswith("{n} = {a}") and rng.random() < 0.25
            else one
        )

    def grown(grow: Callable[[Program], None]) -> Program:
        """The program and more, if something can be found that is valid."""
        for _ in range(6):
            more = Program(program.head, [*program.body], [*program.results], [*program.outer])
            grow(more)
            if more.is_valid(torch):
                return more
        return program

    outside = ["x", "y", "p", "q", "b", "c", "net[0].weight"]
    for number in range(rng.randint(3, 10)):
        program = grown(
            lambda more, n=number: more.body.append(statement(INSIDE, outside + names_in(more.body), n))
        )
    known = ["x", "p", "b", *names_in(program.body)]
    program = grown(
        lambda more: setattr(more, "results", rng.sample(known, rng.randint(1, min(4, len(known)))))
    )
    given = ["outs[0][0]", *(f"out[{k}]" for k in range(len(program.results)))]
    for number in range(rng.randint(0, 5)):
        program = grown(
            lambda more, n=number: more.outer.append(
                (rng.randrange(3), statement(OUTSIDE, outside + given, 20 + n))
            )
        )
    return program
