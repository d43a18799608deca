"""PyTorch's own module database, run here: every input of every module that has its name in lenetc.nn.

`python -m tests.parity.modules.module_database [NAME...]` takes all inputs, f32 and f64, in training and evaluation.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import inspect
import itertools
import pickle
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import lenetc
from tests.parity.operators.database import DTYPES, Foreign, Translation, dtype_of
from tests.parity.operators.running import _RAISED, _looked, _told, difference, leaves


@functools.cache
def infos() -> dict[str, Any]:
    """The modules' infos by their name in nn. The database is imported here, as that takes seconds."""
    found = importlib.import_module("torch.testing._internal.common_modules").module_db
    return {info.name.removeprefix("nn."): info for info in found if info.name.startswith("nn.")}


def is_missing(name: str) -> bool:
    return not hasattr(lenetc.nn, name)


class Translated(Translation):
    """PyTorch's values as lenetc's: packed sequences, layers and functions of nn too."""

    def __call__(self, value: Any) -> Any:
        if isinstance(value, torch.nn.LinearCrossEntropyOptions):
            fields = {field.name: self(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return lenetc.nn.LinearCrossEntropyOptions(**fields)
        if isinstance(value, torch.nn.TransformerEncoderLayer):
            heads, dtype = value.self_attn.num_heads, dtype_of(value.linear1.weight.dtype)
            made = lenetc.nn.TransformerEncoderLayer(
                value.linear1.in_features,
                heads,
                value.linear1.out_features,
                value.dropout.p,
                self(value.activation),
                batch_first=value.self_attn.batch_first,
                norm_first=value.norm_first,
                bias=value.linear1.bias is not None,
                dtype=dtype,
            )
            made.load_state_dict(value.state_dict())
            return made
        if isinstance(value, torch.nn.utils.rnn.PackedSequence):
            return lenetc.nn.utils.rnn.PackedSequence(*map(self, value))
        if (
            callable(value)
            and getattr(lenetc.nn.functional, getattr(value, "__name__", ""), None) is not None
        ):
            return getattr(lenetc.nn.functional, value.__name__)
        return super().__call__(value)


@dataclasses.dataclass
class Run:
    """What is called of a case. Nothing of PyTorch's is in it: of what a compiled function reads, all is gone through,
    and of PyTorch's modules that takes longer than to compile."""

    module: lenetc.nn.Module
    args: Any
    kwargs: Any
    weights: list[Any]
    inputs: list[Any]

    def __call__(self) -> tuple[list[Any], list[Any]]:
        """lenetc's results and buffers, and its gradients, not yet looked at."""
        found = leaves(self.module(*self.args, **self.kwargs))
        total: Any = 0
        for x, weight in zip(found, self.weights, strict=False):
            if weight is not None:
                total = total + (x * lenetc.from_numpy(np.asarray(weight))).sum()
        if isinstance(total, lenetc.Tensor):
            total.backward()
        return [*found, *self.module.buffers()], [x.grad for x in (*self.inputs, *self.module.parameters())]


class Case:
    """One input of a module: both modules with the same weights, and what both are called with."""

    def __init__(self, info: Any, given: Any, dtype: str, training: bool) -> None:
        kind = DTYPES[dtype]
        constructor, forward = given.constructor_input, given.forward_input
        self.desc = f"{constructor.args!r} {constructor.kwargs!r} {given.desc}"
        self.translate = Translated()
        self.theirs = info.module_cls(*constructor.args, **constructor.kwargs).to(kind)
        kind_of_module = getattr(lenetc.nn, info.name.removeprefix("nn."))
        args, kwargs = self.translate(constructor.args), self.translate(constructor.kwargs)
        self.ours = kind_of_module(*args, **kwargs).to(dtype_of(kind))
        self.their_arguments = forward.args, forward.kwargs
        self.arguments = self.translate(forward.args), self.translate(forward.kwargs)
        tensors = [x for x in leaves([forward.args, forward.kwargs]) if isinstance(x, torch.Tensor)]
        self.inputs = [x for x in tensors if x.requires_grad]
        if info.is_lazy:
            self.theirs(*forward.args, **forward.kwargs)
            self.ours(*self.arguments[0], **self.arguments[1])
        self.theirs.train(training)
        self.ours.train(training)
        self.before = self.alike()
        if not self.before:
            self.ours.load_state_dict(self.theirs.state_dict())
        self.expect()
        made = [self.translate.made[id(x)] for x in self.inputs]
        self.run = Run(self.ours, *self.arguments, self.weights, made)

    def alike(self) -> str:
        """How the modules differ before they are called; "" where they do not."""
        if repr(self.ours) != repr(self.theirs):
            return f"repr {self.ours!r} for {self.theirs!r}"
        for kind in ("named_parameters", "named_buffers", "state_dict"):
            mine, theirs = (getattr(module, kind)() for module in (self.ours, self.theirs))
            mine, theirs = ([*(x.items() if isinstance(x, dict) else x)] for x in (mine, theirs))
            told = [
                [(name, tuple(x.shape), repr(x.dtype).split(".")[-1], x.requires_grad) for name, x in given]
                for given in (mine, theirs)
            ]
            if told[0] != told[1]:
                return f"{kind} {told[0]} for {told[1]}"
        return ""

    def expect(self) -> None:
        """PyTorch's results, gradients and buffers; its tensors' gradients are as before afterwards."""
        args, kwargs = self.their_arguments
        draw = np.random.default_rng(7)
        self.expected = leaves(self.theirs(*args, **kwargs))
        self.weights: list[Any] = []
        total: Any = 0
        for x in self.expected:
            weight = None
            if isinstance(x, torch.Tensor) and x.requires_grad:
                weight = draw.uniform(0.5, 1.5, tuple(x.shape)).astype(x.detach().numpy().dtype)
                total = total + (x * torch.from_numpy(np.asarray(weight))).sum()
            self.weights.append(weight)
        wanted = [*self.inputs, *self.theirs.parameters()]
        self.gradients: list[Any] = [None] * len(wanted)
        if isinstance(total, torch.Tensor):
            self.gradients = list(torch.autograd.grad(total, wanted, allow_unused=True))
        self.expected += list(self.theirs.buffers())

    def difference(self, made: tuple[list[Any], list[Any]]) -> str:
        """How what a run made differs from PyTorch's; "" where it does not."""
        for kind, mine, theirs in zip(
            ("result", "gradient"), made, (self.expected, self.gradients), strict=True
        ):
            if len(mine) != len(theirs):
                return f"{len(mine)} {kind}s for {len(theirs)}"
            for number, (x, y) in enumerate(zip(mine, theirs, strict=True)):
                if x is None and y is None:
                    continue
                told = f"{x!r} for {y!r}" if x is None or y is None else difference(_looked(x), y)
                if told:
                    return f"{kind} {number}: {told}"
        return ""


def inputs(name: str, dtype: str, training: bool, of: str = "module_inputs_func") -> list[Any]:
    """The inputs of a module, the same at each run."""
    info = infos()[name]
    torch.manual_seed(0)
    function = getattr(info, of)
    if function is None:
        return []
    return list(function(info, device="cpu", dtype=DTYPES[dtype], requires_grad=True, training=training))


def failures(name: str, dtype: str, training: bool, way: str, given: list[Any]) -> list[str]:
    """What is wrong with a module on these inputs, "lazily" or "compiled": before, in and after a call."""
    found: list[str] = []
    cases: list[Case] = []
    for one in given:
        try:
            cases.append(Case(infos()[name], one, dtype, training))
        except Exception as error:
            found.append(
                f"making {one.constructor_input.args} {one.constructor_input.kwargs}: {_told(error)}"
            )

    runs = [case.run for case in cases]

    def run() -> list[Any]:
        return [one() for one in runs]

    try:
        made = run() if way == "lazily" else lenetc.compile(run)()
        for case, results in zip(cases, made, strict=True):
            message = case.before or case.difference(results)
            found += [f"{case.desc}: {message}"] if message else []
    except Exception as error:
        found.append(_told(error))
    return [f"{dtype} {'training' if training else 'evaluation'} {way}: {message}" for message in found]


def some_failures(name: str) -> list[str]:
    """One input lazily in training, another compiled in evaluation."""
    return failures(name, "f32", True, "lazily", inputs(name, "f32", True)[:1]) + failures(
        name, "f32", False, "compiled", inputs(name, "f32", False)[-1:]
    )


def all_failures(name: str) -> Iterator[str]:
    modes = (True, False) if infos()[name].train_and_eval_differ else (True,)
    for dtype, training, way in itertools.product(("f32", "f64"), modes, ("lazily", "compiled")):
        yield from failures(name, dtype, training, way, inputs(name, dtype, training))


def conversion_failures(name: str) -> list[str]:
    """What is wrong with copies of a module, with its dtypes, its modes and its hooks, beside PyTorch's."""
    case = Case(infos()[name], inputs(name, "f32", True)[0], "f32", True)
    ours, theirs = case.ours, case.theirs
    args, kwargs = case.arguments
    found = []

    def same(what: str, mine: Any, other: Any) -> None:
        if mine != other:
            found.append(f"{what}: {mine} for {other}")

    def kinds(module: Any) -> list[Any]:
        return [(key, tuple(x.shape), repr(x.dtype).split(".")[-1]) for key, x in module.state_dict().items()]

    for what, copied in (
        ("deepcopy", copy.deepcopy(ours)),
        ("pickle", pickle.loads(pickle.dumps(ours))),
    ):
        same(what, repr(copied), repr(theirs))
        for (key, mine), (_, own) in zip(
            copied.state_dict(keep_vars=True).items(), ours.state_dict(keep_vars=True).items(), strict=True
        ):
            same(f"{what} of {key}", mine.requires_grad, own.requires_grad)
            if mine is own or not np.array_equal(mine.detach().numpy(), own.detach().numpy()):
                found.append(f"{what} of {key}: not a copy")
    pickled = pickle.loads(pickle.dumps(ours.state_dict()))
    same("a pickled state", str(ours.load_state_dict(pickled)), "<All keys matched successfully>")
    same("its versions", pickled._metadata, theirs.state_dict()._metadata)
    calls: list[Any] = []
    ours.register_forward_pre_hook(lambda module, given: calls.append(len(given)))
    ours.register_forward_hook(
        lambda module, given, named, result: calls.append(list(named)), with_kwargs=True
    )
    nested = lenetc.nn.Sequential(ours)
    if len(args) == 1 and not kwargs:
        shapes = [tuple(x.shape) for x in leaves(nested(*args)) if isinstance(x, lenetc.Tensor)]
        expected = [
            tuple(x.shape) for x in leaves(theirs(*case.their_arguments[0])) if isinstance(x, torch.Tensor)
        ]
        same("in a Sequential", shapes, expected)
        same("hooks", calls, [1, []])
    same(
        "children",
        [key for key, _ in nested.named_modules()],
        [key for key, _ in torch.nn.Sequential(theirs).named_modules()],
    )
    nested.eval()
    same("eval()", [x.training for x in ours.modules()], [x.training for x in theirs.eval().modules()])
    nested.zero_grad()
    same("zero_grad()", [x.grad for x in ours.parameters()], [None for _ in theirs.parameters()])
    for to in ("double", "half", "bfloat16", "float"):
        same(f"{to}()", kinds(getattr(nested[0], to)()), kinds(getattr(theirs, to)()))
    constructor = inputs(name, "f32", True)[0].constructor_input
    takes = inspect.signature(infos()[name].module_cls).parameters.keys()
    if "dtype" in takes and "dtype" not in constructor.kwargs and not infos()[name].is_lazy:
        given = {**constructor.kwargs, "device": "cpu", "dtype": torch.float64}
        made = type(ours)(*case.translate(constructor.args), **case.translate(given))
        same("device=, dtype=", kinds(made), kinds(infos()[name].module_cls(*constructor.args, **given)))
    return found


def error_failures(name: str) -> list[str]:
    """Wrong inputs of the database that raise nothing here, or something raw."""
    found = []
    for wrong in inputs(name, "f32", True, "module_error_inputs_func"):
        given = wrong.module_error_input
        constructor, forward = given.constructor_input, given.forward_input
        translate = Translated()
        told = f"{constructor.args} {constructor.kwargs}: {wrong.error_regex[:100]}"
        try:
            module = getattr(lenetc.nn, name)(*translate(constructor.args), **translate(constructor.kwargs))
            if wrong.error_on.name == "FORWARD_ERROR":
                for x in leaves(module(*translate(forward.args), **translate(forward.kwargs))):
                    _looked(x)
        except Foreign:
            continue
        except Exception as error:
            if not isinstance(error, _RAISED):
                found.append(f"raw {_told(error)} for {told}")
        else:
            found.append(f"nothing raised for {told}")
    return found


def main(names: list[str]) -> int:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    wrong = []
    for name in names or [name for name in infos() if not is_missing(name)]:
        found = [*error_failures(name), *conversion_failures(name), *all_failures(name)]
        print(
            f"{name}: {len(found) or 'ok'}", *(message[:600] for message in found[:6]), sep="\n  ", flush=True
        )
        wrong += [name] if found else []
    print("wrong:", *wrong)
    return len(wrong)


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
