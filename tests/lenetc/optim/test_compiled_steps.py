"""Optimizers in compiled functions: steps are the lazy ones, and options become inputs when they change."""

import copy

import numpy as np
import pytest

import lenetc
from ir.errors import LenetcError
from lenetc import optim
from tests.lenetc.optim.steps import GOLDENS, leaf, named, options, start, values


def compiled(optimizer, *params):
    @lenetc.compile
    def step(x):
        optimizer.zero_grad()
        loss = sum(((x * p) ** 2).sum() for p in params)
        loss.backward()
        optimizer.step()
        return loss

    return step


def programs(step):
    return len(step.programs())


@pytest.mark.parametrize("case", GOLDENS["cases"], ids=named)
def test_compiled_steps_are_the_lazy_ones(case):
    x = np.array([0.5, -1.0, 2.0], np.float32)
    results = []
    for kind in ("lazy", "compiled"):
        params = start()
        optimizer = getattr(optim, case["optimizer"])(params.values(), **options(case))
        schedule = optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
        step = compiled(optimizer, *params.values())
        for _ in range(5):
            step(x) if kind == "compiled" else step.function(lenetc.tensor(x))
            schedule.step()
        assert optimizer._step_count == 5
        assert programs(step) == (kind == "compiled")
        results.append(np.concatenate([p.detach().numpy().ravel() for p in params.values()]))
    np.testing.assert_allclose(results[1], results[0], rtol=2e-6, atol=2e-7)


def test_options_become_inputs_when_they_change():
    x = np.ones(3, np.float32)
    w, v = leaf(3), leaf(3)
    compiled_one, lazy_one = optim.Adam([w], betas=(0.8, 0.99)), optim.Adam([v], betas=(0.8, 0.99))
    step, other = compiled(compiled_one, w), compiled(lazy_one, v)
    for beta in (0.8, 0.85, 0.9, 0.7):
        compiled_one.param_groups[0]["betas"] = lazy_one.param_groups[0]["betas"] = (beta, 0.99)
        step(x), other.function(lenetc.tensor(x))
    assert programs(step) == 2
    assert values(w) == pytest.approx(values(v), rel=1e-6)
    inputs = [node.attrs["name"] for node in step.lower(x).graph("traced").inputs]
    assert "beta1" in inputs and "lr" in inputs and "beta2" not in inputs


def test_a_flag_that_changes_is_noticed_every_time():
    x = np.ones(1, np.float32)
    w = leaf(1)
    optimizer = optim.SGD([w], lr=0.25)
    step = compiled(optimizer, w)
    for maximize, expected in ((False, 0.5), (True, 0.75), (False, 0.375), (True, 0.5625)):
        optimizer.param_groups[0]["maximize"] = maximize
        step(x)
        assert values(w) == [expected]


def test_momentum_that_comes_and_goes():
    x = np.ones(1, np.float32)
    w, v = leaf(1), leaf(1)
    ours, lazily = (optim.SGD([p], lr=0.125, momentum=0.5) for p in (w, v))
    step, other = compiled(ours, w), compiled(lazily, v)
    for momentum in (0.5, 0.0, 0.25, 0.0, 0.75):
        ours.param_groups[0]["momentum"] = lazily.param_groups[0]["momentum"] = momentum
        step(x), other.function(lenetc.tensor(x))
    assert values(w) == pytest.approx(values(v), rel=1e-6)


def test_learning_rates_of_several_groups_and_optimizers():
    x = np.ones(1, np.float32)
    a, b, c = leaf(1), leaf(1), leaf(1)
    first = optim.SGD([{"params": a, "lr": 0.125}, {"params": b, "lr": 0.25}])
    second = optim.SGD([c], lr=0.375)

    @lenetc.compile
    def step(x):
        loss = ((a + b + c) * x).sum()
        loss.backward()
        first.step()
        second.step()
        first.zero_grad()
        second.zero_grad()
        return loss

    step(x)
    assert [values(p) for p in (a, b, c)] == [[0.875], [0.75], [0.625]]
    hypers = [
        node.attrs["name"] for node in step.lower(x).graph("traced").inputs if node.attrs["kind"] == "hyper"
    ]
    assert sorted(hypers) == ["lr", "lr_1", "lr_2"]
    first.param_groups[1]["lr"] = 0.5
    step(x)
    assert [values(p) for p in (a, b, c)] == [[0.75], [0.25], [0.25]] and programs(step) == 1


def test_state_loaded_between_compiled_calls_is_used():
    x = np.ones(2, np.float32)
    w = leaf(2)
    optimizer = optim.SGD([w], lr=0.0, momentum=0.5)
    step = compiled(optimizer, w)
    step(x)
    saved = copy.deepcopy(optimizer.state_dict())
    step(x)
    assert values(optimizer.state[w]["momentum_buffer"]) == [3, 3]
    optimizer.load_state_dict(saved)
    step(x)
    assert values(optimizer.state[w]["momentum_buffer"]) == [3, 3]


def test_counters_that_part_between_two_programs():
    x = np.ones(1, np.float32)
    a, b = leaf(1), leaf(1)
    optimizer = optim.Adam([a, b])
    both, one = compiled(optimizer, a, b), compiled(optimizer, a)
    for step in (both, one, both, one, both):
        step(x)
    assert (optimizer.state[a]["step"].item(), optimizer.state[b]["step"].item()) == (5, 3)


def test_two_steps_in_one_program_are_two_steps():
    x = np.ones(1, np.float32)
    results = []
    for kind in ("lazy", "compiled"):
        w = leaf(1)
        optimizer = optim.Adam([w], lr=0.125)
        once = compiled(optimizer, w)

        @lenetc.compile
        def two(x, once=once):
            once.function(x)
            return once.function(x)

        for _ in range(2):
            two(x) if kind == "compiled" else two.function(lenetc.tensor(x))
        assert optimizer.state[w]["step"].item() == 4
        results.append(values(w))
    assert results[1] == pytest.approx(results[0], rel=1e-6)


def test_counters_that_part_inside_of_one_program_are_refused():
    a, b = leaf(1), leaf(1)
    optimizer = optim.Adam([a, b])
    both, one = compiled(optimizer, a, b), compiled(optimizer, a)

    @lenetc.compile
    def step(x):
        both.function(x)
        return one.function(x)

    with pytest.raises(
        LenetcError, match=r"(?s)Adam: of parameters that stepped together .* groups of their own"
    ):
        step(np.ones(1, np.float32))


def test_lbfgs_steps_outside_of_compiled_functions_only():
    w = leaf(2)
    optimizer = optim.LBFGS([w])
    step = lenetc.compile(lambda: optimizer.step(lambda: (w * w).sum()))
    with pytest.raises(LenetcError, match=r"LBFGS looks at losses .* compile the closure instead"):
        step()

    @lenetc.compile
    def closure():
        optimizer.zero_grad()
        loss = ((w - 3.0) ** 2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 8
    assert values(w) == pytest.approx([3, 3], abs=1e-3)
    with pytest.raises(TypeError, match="needs a closure"):
        optimizer.step()
    with pytest.raises(ValueError, match="one set of options for all parameters, but got 2"):
        optim.LBFGS([{"params": [w]}, {"params": [leaf(1)]}])


def test_hooks_are_called_in_order_and_taken_off():
    w, called = leaf(1), []
    optimizer = optim.SGD([w])
    first = optimizer.register_state_dict_pre_hook(lambda o: called.append("before"))
    optimizer.register_state_dict_pre_hook(lambda o: called.append("at first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    optimizer.register_load_state_dict_pre_hook(
        lambda o, state: {k: v for k, v in state.items() if k != "more"}
    )
    optimizer.register_load_state_dict_post_hook(lambda o: called.append("after"))
    saved = optimizer.state_dict()
    assert saved["more"] == 1
    first.remove()
    optimizer.load_state_dict(saved)
    optimizer.state_dict()
    assert called == ["at first", "before", "after", "at first"]
    with (
        optimizer.register_step_pre_hook(lambda o, args, kwargs: 3),
        pytest.raises(RuntimeError, match="int"),
    ):
        optimizer.step()
    optimizer.step()


def test_a_rate_that_is_a_tensor_stays_that_tensor():
    w, lr = leaf(1), lenetc.tensor(0.5)
    optimizer = optim.SGD([w], lr=lr)
    step = compiled(optimizer, w)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for expected in (0.0, 0.0):
        step(np.ones(1, np.float32))
        schedule.step()
        assert values(w) == [expected]
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == 0.125 and programs(step) == 1
    assert schedule.base_lrs[0].item() == 0.5
