"""Settings of the library, and functions of one's own: what they change is what they change in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lenetc
from tests.parity.kinds.alike import check_all, name_of

MADE = """
t.zeros(2); t.full((2,), 1.5); t.full((2,), True); t.empty(2); t.rand(2); t.randn(2); t.linspace(0, 1, 3); t.eye(2)
t.arange(2.0); t.logspace(0, 1, 3); t.tensor(1.5) * 1; t.tensor([]); t.tensor([1]) / 2; t.Tensor([1])
t.Tensor(2); t.as_tensor([1.0]); t.from_numpy(np.zeros(2, "f4")); t.sqrt(t.tensor([4])); t.normal(0.0, 1.0, (2,))
t.FloatTensor([1]); t.where(t.tensor([True]), 1.0, 2.0); t.randint(3, (2,)); t.tensor([1]).float(); t.scalar_tensor(1)
nn.Linear(2, 2).weight; nn.Conv2d(1, 1, 1).weight; nn.BatchNorm1d(2).running_mean; nn.Embedding(2, 2).weight
nn.LSTM(2, 2)(t.zeros(1, 1, 2))[0]; nn.GRUCell(2, 2).weight_ih; nn.PReLU().weight
nn.MultiheadAttention(2, 1).in_proj_weight
t.hann_window(4); t.distributions.Normal(0.0, 1.0).sample(); t.get_default_dtype()
""".replace("\n", ";")


def dtypes(library: Any, default: str) -> dict[str, str]:

    codes = [code.strip() for code in MADE.split(";") if code.strip()]
    library.set_default_dtype(getattr(library, default))
    try:
        made = {code: eval(code, {"t": library, "nn": library.nn, "np": np}) for code in codes}
        texts = {"repr": repr(library.ones(2)), "other": repr(library.ones(2, dtype=library.float32))}
        found = {code: name_of(x if isinstance(x, library.dtype) else x.dtype) for code, x in made.items()}
        return {**found, **{key: text.replace("torch.", "lenetc.") for key, text in texts.items()}}
    finally:
        library.set_default_dtype(library.float32)


@pytest.mark.parametrize("default", ["float64", "float16"])
def test_the_default_dtype(default: str) -> None:
    assert dtypes(lenetc, default) == dtypes(torch, default)


def test_a_compiled_function_follows_the_default_dtype() -> None:
    made = lenetc.compile(lambda x: x.sum() * lenetc.ones(2))
    x = lenetc.ones(2, dtype=lenetc.float16)
    assert made(x).dtype is lenetc.float32
    lenetc.set_default_dtype(lenetc.float64)
    try:
        assert made(x).dtype is lenetc.float64
    finally:
        lenetc.set_default_dtype(lenetc.float32)


def functions(t: Any, materialize: bool) -> list[Any]:
    """Gradients through functions of one's own."""
    seen: list[Any] = []

    class Pair(t.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(x: Any, k: float) -> Any:
            return x * x * k, x + 1, x > 0

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            x, ctx.k = inputs
            ctx.save_for_backward(x)
            ctx.mark_non_differentiable(output[2])
            ctx.set_materialize_grads(materialize)

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any, _: Any) -> Any:
            (x,) = ctx.saved_tensors
            seen.append(h is None)
            found = 0 if g is None else g * 2 * x * ctx.k
            return found if h is None else found + h, None

    class Cube(t.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        @t.autograd.function.once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3 * ctx.saved_tensors[0] ** 2

    x = t.tensor([1.0, -2.0], requires_grad=True)
    a, b, positive = Pair.apply(x, 3.0)
    found = [positive.tolist(), positive.requires_grad]
    (first,) = t.autograd.grad((a * 2).sum(), x, retain_graph=True)
    found += [first.tolist(), seen[0]]
    found += [t.autograd.grad((a + b).sum(), x)[0].tolist()]
    (gradient,) = t.autograd.grad((Cube.apply(x) ** 2).sum(), x, create_graph=True)
    found.append(gradient.tolist())
    with pytest.raises(RuntimeError):
        t.autograd.grad(gradient.sum(), x)
    return found


@pytest.mark.parametrize("materialize", [True, False])
def test_functions_of_ones_own(materialize: bool) -> None:
    assert functions(lenetc, materialize) == functions(torch, materialize)


WINDOWS = ("hann", "kaiser", "bartlett", "blackman", "hamming")
CALLS = [
    *("t.compiler.is_compiling()", "t.compiler.disable(abs)(-2)", "t.compiler.disable()(abs)(-2)"),
    *("t.compiler.reset()", "t.compiler.is_exporting()", "t.compiler.allow_in_graph(abs)(-2)"),
    *(
        "t._dynamo.reset()",
        "t.get_default_device().type",
        "t.is_storage(1)",
        "t.typename([])",
        "t.typename(int)",
    ),
    *(
        "t.set_deterministic_debug_mode('default'); t.get_deterministic_debug_mode()",
        "t.is_warn_always_enabled()",
    ),
    "with_stance = t.compiler.set_stance('default'); 1",
    *(f"t.{name}_window({given})" for name in WINDOWS for given in ("0", "1", "5", "5, False")),
    *(
        "t.hamming_window(4, True, 0.5, 0.4)",
        "t.kaiser_window(4, True, 3.)",
        "t.hann_window(-1)",
        "t.hann_window(2.5)",
    ),
    *("t.hann_window(4, dtype=t.int64)", "t.hann_window(4, dtype=t.float64, requires_grad=True)"),
    *("t.fft.fftfreq(5, 0.5)", "t.fft.rfftfreq(4)", "t.fft.fftshift(t.arange(6.).reshape(2, 3), 1)"),
]


def test_calls() -> None:
    check_all(CALLS, {})


def test_transforms_say_that_there_are_no_complex_numbers() -> None:
    with pytest.raises(NotImplementedError, match="rfft2"):
        lenetc.fft.rfft2(lenetc.ones(2, 2))
