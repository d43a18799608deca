"""`compile(dynamic=True)`: after a few sizes one program serves all, with the values of programs of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetc
import lenetc.nn as nn
import lenetc.nn.functional as F
from lenetc import optim

LENGTHS = [13, 27, 40, 18, 55, 31, 99, 14]


def training(dynamic: bool) -> tuple[Any, list[float]]:
    lenetc.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3))
    optimizer = optim.Adam(net.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y) + net(x).sum() / x.size(0)
        loss.backward()
        optimizer.step()
        return loss

    compiled = lenetc.compile(step, dynamic=dynamic)
    draw = np.random.default_rng(0)
    losses = []
    for n in LENGTHS:
        x, y = draw.standard_normal((n, 4)).astype(np.float32), draw.integers(0, 3, n)
        losses.append(float(compiled(x, y)))
    return compiled, losses


def test_a_training_at_ever_new_sizes_has_few_programs_and_the_same_losses() -> None:
    compiled, losses = training(True)
    with pytest.warns(lenetc.RetraceWarning, match="dynamic=True"):
        _, wanted = training(False)
    np.testing.assert_allclose(losses, wanted, rtol=1e-4)
    general = {id(p.compiled.general) for p in compiled.programs() if p.compiled.general is not None}
    alone = [p for p in compiled.programs() if p.compiled.general is None]
    assert len(general) == 1
    assert len(alone) <= 4
    assert "programs" in compiled.explain()


def test_a_module_and_a_method_can_be_dynamic() -> None:
    net = lenetc.compile(nn.Linear(4, 2), dynamic=True)
    for n in LENGTHS:
        x = lenetc.ones(n, 4)
        np.testing.assert_allclose(
            net(x).detach().numpy(), F.linear(x, net.weight, net.bias).detach().numpy()
        )


def test_what_symbolic_sizes_cannot_do_is_compiled_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    from lenetc.compiler import specialization

    load = specialization.session_of

    def fixed_only(program: Any, *how: Any) -> Any:
        if any(not isinstance(dim, int) for node in program.compiled.graph.inputs for dim in node.shape):
            raise lenetc.nn.functional.LabelError("this pass wants numbers")
        return load(program, *how)

    monkeypatch.setattr(specialization, "session_of", fixed_only)
    double = lenetc.compile(lambda x: x * 2, dynamic=True)
    for n in LENGTHS[:6]:
        assert double(lenetc.ones(n)).tolist() == [2.0] * n


def test_numbers_made_of_sizes_are_those_of_each_call() -> None:
    def scaled(x: Any) -> Any:
        n = x.shape[0]
        return x * (1 / n) + (n - 1) + x.sum() / n - x.var() * (0.5 / n)

    compiled = lenetc.compile(scaled, dynamic=True)
    for n in [3, 5, 9, 7, 11, 4, 6, 8, 10, 12, 13]:
        x = lenetc.arange(float(n))
        np.testing.assert_allclose(compiled(x).numpy(), scaled(x).numpy(), rtol=1e-5)
    assert sum(p.compiled.general is None for p in compiled.programs()) <= 3

    def odd(x: Any) -> Any:
        return x + (7 if x.shape[0] % 2 else 3)

    compiled = lenetc.compile(odd, dynamic=True)
    for n in [3, 5, 8, 9, 6, 7]:
        assert compiled(lenetc.zeros(n)).tolist() == [7.0 if n % 2 else 3.0] * n


def test_options_of_torch_compile_are_taken() -> None:
    def double(x: Any) -> Any:
        return x * 2

    assert lenetc.compile(double, disable=True) is double
    found = lenetc.compile(double, mode="reduce-overhead", fullgraph=True, backend="inductor", options={})
    assert found(lenetc.ones(1)).item() == 2.0


def test_numbers_that_leave_the_pattern_are_those_of_the_call() -> None:
    stops = {13: 12, 27: 26, 40: 39, 18: 17, 55: 50, 31: 30}
    first = lenetc.compile(lambda x: x[: stops[x.shape[0]]] * 3, dynamic=True)
    for n, stop in stops.items():
        assert first(lenetc.arange(float(n))).tolist() == [3.0 * i for i in range(stop)]
    factors = {13: 1 / 13, 27: 1 / 27, 40: 1 / 40, 18: 1 / 18, 55: 2 / 55}
    second = lenetc.compile(lambda x: (x * factors[x.shape[0]]).sum(), dynamic=True)
    for n, factor in factors.items():
        assert second(lenetc.ones(n)).item() == pytest.approx(n * factor, rel=1e-5)


def test_tables_of_each_size_are_fed() -> None:
    """Masks and places, which a program for several sizes cannot have built in."""

    def causal(x: lenetc.Tensor) -> lenetc.Tensor:
        scores = lenetc.tril(x @ x.T) + lenetc.eye(x.shape[0])
        return F.scaled_dot_product_attention(x, x, x, is_causal=True).sum() + scores.sum()

    compiled = lenetc.compile(causal, dynamic=True)
    for n in LENGTHS:
        x = lenetc.from_numpy(np.random.default_rng(n).standard_normal((n, 4)).astype(np.float32))
        np.testing.assert_allclose(float(compiled(x)), float(causal(x)), rtol=1e-4)
    assert any(p.compiled.general is not None and p.compiled.tables for p in compiled.programs())
