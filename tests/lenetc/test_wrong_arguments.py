"""Every function x every argument x what it is not: an error says so, and none comes raw out of our own lines."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from lenetc import nn, optim
from lenetc.nn import functional as F

OURS = tuple(str(Path(lenetc.__file__).parents[1] / room) for room in ("lenetc", "passes", "ir"))


def wrongs() -> list[Any]:
    """New ones each time: some functions change what they are given."""
    return [
        *(
            None,
            "a",
            1.5,
            -1,
            [],
            [1, "a"],
            (),
            {},
            object(),
            np.ones(2),
            np.float64(2),
            lenetc.float32,
            slice(None),
            int,
        ),
        *(
            nn.Linear(2, 2),
            b"x",
            range(3),
            1 + 2j,
            float("nan"),
            lenetc.ones(2, 3),
            lenetc.ones(0),
            lenetc.tensor([5, -7]),
        ),
    ]


def x() -> lenetc.Tensor:
    return lenetc.ones(2, 3)


def image() -> lenetc.Tensor:
    return lenetc.ones(1, 1, 4, 4)


def places() -> lenetc.Tensor:
    return lenetc.tensor([0, 1])


def parameters() -> list[Any]:
    return [nn.Parameter(x())]


t = lenetc
ONE = """
neg abs sign exp log sqrt rsqrt square reciprocal sin cos tanh sigmoid erf floor relu isnan clone logical_not
bitwise_not positive all any t zeros_like rand_like"""
TWO = """
add sub mul div pow maximum minimum eq ne lt le gt ge logical_and logical_or bitwise_and bitwise_xor matmul equal
allclose"""
CASES: list[tuple[Callable[..., Any], list[Any]]] = [
    *((getattr(t, name), [x]) for name in ONE.split()),
    *((getattr(t, name), [x, x]) for name in TWO.split()),
    *(
        (getattr(t, name), [x, 1, False])
        for name in ("sum", "mean", "amax", "amin", "argmax", "max", "min", "all")
    ),
    *((t.var, [x, 1, True, False]), (t.norm, [x, 2, 1, False]), (t.clamp, [x, 0, 1]), (t.lerp, [x, x, 0.5])),
    *((t.addcmul, [x, x, x]), (t.where, [lambda: x() > 0, x, x]), (t.chunk, [x, 2, 0]), (t.split, [x, 1, 0])),
    *(
        (t.flatten, [x, 0, -1]),
        (t.gather, [x, 0, lambda: lenetc.tensor([[0, 1, 0]])]),
        (t.permute, [x, 1, 0]),
    ),
    *((t.index_select, [x, 0, places]), (t.reshape, [x, 3, 2]), (t.squeeze, [x, 0]), (t.unsqueeze, [x, 0])),
    *(
        (t.transpose, [x, 0, 1]),
        (t.tril, [x, 0]),
        (t.cat, [lambda: [x(), x()], 0]),
        (t.stack, [lambda: [x(), x()], 0]),
    ),
    *(
        (t.full, [(2, 3), 1.0]),
        (t.zeros, [2, 3]),
        (t.arange, [0, 3, 1]),
        (t.linspace, [0, 1, 3]),
        (t.eye, [2, 3]),
    ),
    *(
        (t.rand, [2, 3]),
        (t.randint, [0, 3, (2,)]),
        (t.randperm, [3]),
        (t.tensor, [[1.0], t.float32]),
        (t.Tensor, [2, 3]),
    ),
    *(
        (t.full_like, [x, 1.0]),
        (t.compile, [lambda: lambda y: y]),
        (t.autograd.grad, [lambda: x().sum(), lambda: [x()]]),
    ),
    *(
        (F.gelu, [x, "none"]),
        (F.softmax, [x, 1]),
        (F.softplus, [x, 1.0, 20.0]),
        (F.dropout, [x, 0.5, True, False]),
    ),
    *(
        (F.conv2d, [image, lambda: t.ones(1, 1, 3, 3), lambda: t.ones(1), 1, 0, 1, 1]),
        (F.pad, [x, (1, 1), "constant", 0.0]),
    ),
    *(
        (F.max_pool2d, [image, 2, 2, 0, 1, False]),
        (F.avg_pool2d, [image, 2, 2, 0]),
        (F.adaptive_avg_pool2d, [image, 2]),
    ),
    *((F.nll_loss, [x, places, lambda: t.ones(3)]), (F.cross_entropy, [x, places, lambda: t.ones(3)])),
    *(
        (F.one_hot, [places, 3]),
        (F.embedding, [places, x, 0]),
        (F.linear, [x, lambda: t.ones(4, 3), lambda: t.ones(4)]),
    ),
    *(
        (F.mse_loss, [x, x]),
        (F.l1_loss, [x, x]),
        (F.huber_loss, [x, x]),
        (F.binary_cross_entropy_with_logits, [x, x]),
    ),
    *(
        (F.batch_norm, [x, lambda: t.zeros(3), lambda: t.ones(3), None, None, True, 0.1]),
        (F.normalize, [x, 2.0, 1]),
    ),
    *(
        (F.layer_norm, [x, (3,)]),
        (nn.Linear, [2, 3, True]),
        (nn.Conv2d, [1, 2, 3, 1, 0, 1, 1]),
        (nn.BatchNorm1d, [3]),
    ),
    *((nn.LayerNorm, [3]), (nn.Dropout, [0.5]), (nn.Embedding, [3, 4, 0]), (nn.Unflatten, [1, (1, 3)])),
    *(
        (nn.Parameter, [x]),
        (lambda y: nn.BatchNorm1d(3)(y), [x]),
        (lambda y: nn.LayerNorm(3)(y), [x]),
        (lambda y: nn.Linear(3, 2)(y), [x]),
    ),
    *(
        (getattr(nn.init, name), [x, 1.0])
        for name in ("uniform_", "normal_", "constant_", "xavier_uniform_", "orthogonal_")
    ),
    *((getattr(optim, name), [parameters, 0.1]) for name in ("SGD", "Adam", "RMSprop", "Adagrad")),
    *((lambda y, size: y.size(size), [x, 0]), (lambda y, other: y.view_as(other), [x, x])),
    *((lambda y, index: y[index], [x, 0]), (lambda y, i, v: y.__setitem__(i, v), [x, 0, 1.0])),
    *(
        (lambda y, value: setattr(y, "grad", value), [x, x]),
        (lambda y, value: setattr(y, "data", value), [x, x]),
    ),
    *((lambda y, g: (y.requires_grad_() * 2).backward(g), [x, x]), (lambda y, other: y.copy_(other), [x, x])),
]


def made(argument: Any) -> Any:
    return argument() if callable(argument) and not isinstance(argument, (type, nn.Module)) else argument


def raw_errors(function: Callable[..., Any], good: list[Any]) -> Iterator[str]:
    for place in range(len(good)):
        for wrong in wrongs():
            arguments = [wrong if i == place else made(argument) for i, argument in enumerate(good)]
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    if function(*arguments) is NotImplemented:
                        yield f"argument {place} {wrong!r}: gives NotImplemented"
            except LenetcError:
                continue
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                if "truth value of an array" in str(error):  # NumPy's word on one where a flag should be
                    continue
                said = last.filename.startswith(OURS) and (last.line or "").lstrip().startswith("raise")
                if not said and last.filename != __file__:  # Python's own word on a call stands in this file
                    yield f"argument {place} {wrong!r}: {error!r} at {last.filename}:{last.lineno}"


@pytest.mark.parametrize(("function", "good"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_no_error_is_raw(function: Callable[..., Any], good: list[Any]) -> None:
    assert list(raw_errors(function, good)) == []
