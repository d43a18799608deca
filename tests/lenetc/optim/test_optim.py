"""Optimizers without PyTorch: stored results of its steps, param groups, state, counters."""

import copy

import numpy as np
import pytest

import lenetc
from ir.errors import UnsupportedError
from lenetc import optim
from lenetc.evaluation import lazy
from lenetc.evaluation.cell import Counts
from tests.lenetc.optim.steps import GOLDENS, leaf, named, options, start, stepped, take_steps, values


@pytest.mark.parametrize("case", GOLDENS["cases"], ids=named)
def test_steps_are_pytorchs(case):
    params = start()
    optimizer = getattr(optim, case["optimizer"])(params.values(), **options(case))
    for grad, expected in zip(GOLDENS["grads"], case["steps"], strict=True):
        take_steps(optimizer, params, [grad])
        for key, param in params.items():
            assert values(param) == pytest.approx(expected[key], rel=2e-6, abs=2e-7)
    for number, entry in case["state"].items():
        ours = optimizer.state_dict()["state"][int(number)]
        assert entry.keys() <= ours.keys()
        for name, value in entry.items():
            assert ours[name].tolist() == value if name == "step" else True
            assert values(ours[name]) == pytest.approx(np.ravel(value).tolist(), rel=2e-6, abs=2e-7)


@pytest.mark.parametrize("case", GOLDENS["cases"], ids=named)
def test_state_taken_over_in_the_middle(case):
    params = start()
    optimizer = getattr(optim, case["optimizer"])(params.values(), **options(case))
    take_steps(optimizer, params, GOLDENS["grads"][:3])
    resumed = {k: lenetc.tensor(p.detach().numpy(), requires_grad=True) for k, p in params.items()}
    other = getattr(optim, case["optimizer"])(resumed.values(), lr=77.0)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert other.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
    take_steps(other, resumed, GOLDENS["grads"][3:])
    for key, param in resumed.items():
        assert values(param) == pytest.approx(case["steps"][-1][key], rel=2e-6, abs=2e-7)


@pytest.mark.parametrize("case", GOLDENS["cases"], ids=named)
def test_the_first_step_has_the_structure_of_all(case):
    params = start()
    optimizer = getattr(optim, case["optimizer"])(params.values(), **options(case))
    take_steps(optimizer, params, GOLDENS["grads"][:1])
    programs = len(lazy.kept_programs), sum(len(p.by_values) for p in lazy.kept_programs.values())
    optimizer.param_groups[0]["lr"] = 0.123
    take_steps(optimizer, params, GOLDENS["grads"][1:3])
    assert (len(lazy.kept_programs), sum(len(p.by_values) for p in lazy.kept_programs.values())) == programs


def test_state_before_the_first_step_is_empty_and_as_pytorchs_after():
    w, b = leaf(2), leaf(3)
    optimizer = optim.Adam([w, b], lr=0.5)
    group = {
        "lr": 0.5,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0,
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "fused": None,
        "decoupled_weight_decay": False,
        "params": [0, 1],
    }
    assert optimizer.state_dict() == {"state": {}, "param_groups": [group]}
    stepped(optimizer, b)
    saved = optimizer.state_dict()
    assert saved["param_groups"] == [group]
    assert list(saved["state"]) == [1]
    assert {k: v.type_text() for k, v in saved["state"][1].items()} == {
        "step": "f32",
        "exp_avg": "f32[3]",
        "exp_avg_sq": "f32[3]",
    }


def test_plain_sgd_has_no_state():
    w = leaf(2)
    optimizer = optim.SGD([w])
    stepped(optimizer, w)
    assert optimizer.state_dict()["state"] == {} and values(w) == pytest.approx([0.999, 0.999])


def test_groups_have_options_of_their_own():
    w, b, c = leaf(2), leaf(2), leaf(1)
    optimizer = optim.SGD([{"params": [w]}, {"params": b, "lr": 0.5, "momentum": 0.5}], lr=0.1)
    for _ in range(2):
        stepped(optimizer, w, b)
    assert values(w) == pytest.approx([0.8, 0.8]) and values(b) == pytest.approx([-0.25, -0.25])
    optimizer.add_param_group({"params": [c], "weight_decay": 1.0})
    optimizer.param_groups[0]["lr"] = 1.0
    stepped(optimizer, w, c)
    assert values(w) == pytest.approx([-0.2, -0.2])
    assert values(b) == pytest.approx([-0.25, -0.25])
    assert values(c) == pytest.approx([0.8])
    assert [g["params"] for g in optimizer.state_dict()["param_groups"]] == [[0], [1], [2]]


def test_adding_a_group_makes_programs_stale():
    optimizer = optim.SGD([leaf(1)])
    before = Counts.epoch
    optimizer.add_param_group({"params": leaf(2)})
    assert Counts.epoch > before


def test_parameters_that_step_together_share_a_counter():
    a, b, c = leaf(1), leaf(1), leaf(1)
    optimizer = optim.Adam([a, b, c])
    stepped(optimizer, a, b)
    assert optimizer.state[a]["step"] is optimizer.state[b]["step"] and c not in optimizer.state
    stepped(optimizer, a, b, c)
    counts = [optimizer.state[p]["step"] for p in (a, b, c)]
    assert [x.item() for x in counts] == [2, 2, 1] and counts[0] is counts[1] is not counts[2]
    stepped(optimizer, b, c)
    assert [optimizer.state[p]["step"].item() for p in (a, b, c)] == [2, 3, 2]
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.state[a]["step"] is optimizer.state[c]["step"] is not optimizer.state[b]["step"]


def test_a_parameter_that_joins_later_starts_its_own_count():
    late, early = leaf(1), leaf(1)
    optimizer = optim.Adam([early, late], lr=0.1)
    for _ in range(3):
        stepped(optimizer, early)
    stepped(optimizer, early, late)
    # With gradients that are all 1, every step of Adam is lr, if the corrections count right.
    assert values(early) == pytest.approx([0.6]) and values(late) == pytest.approx([0.9])


def test_bias_correction_keeps_its_digits():
    w = lenetc.zeros(1, requires_grad=True)
    optimizer = optim.Adam([w], lr=1.0, eps=0.0, betas=(0.9, 0.9999))
    stepped(optimizer, w)
    assert values(w) == pytest.approx([-1.0], rel=5e-7)


def test_betas_of_zero():
    w = lenetc.zeros(1, requires_grad=True)
    optimizer = optim.Adam([w], lr=1.0, betas=(0.0, 0.0))
    for _ in range(2):
        stepped(optimizer, w, grad=3.0)
    assert values(w) == pytest.approx([-2.0])


@pytest.mark.parametrize("dtype", [lenetc.float64, lenetc.float16])
def test_other_dtypes(dtype):
    w = lenetc.tensor([1.0, 2.0], dtype=dtype, requires_grad=True)
    for optimizer in (optim.SGD([w], momentum=0.9, dampening=0.5), optim.Adam([w]), optim.RMSprop([w])):
        stepped(optimizer, w)
        assert w.dtype is dtype
        assert {v.dtype for k, v in optimizer.state[w].items() if k != "step"} == {dtype}
    assert values(w) == pytest.approx([1 - 0.001 - 0.001 - 0.1, 2 - 0.001 - 0.001 - 0.1], rel=2e-3)


def test_zero_grad():
    w = leaf(2)
    optimizer = optim.SGD([w])
    w.grad = grad = lenetc.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert w.grad is grad and values(grad) == [0, 0]
    optimizer.zero_grad()
    assert w.grad is None
    before = values(w)
    optimizer.step()
    assert values(w) == before


def test_closure_runs_with_gradients_and_its_loss_is_returned():
    w = leaf(2)
    optimizer = optim.SGD([w], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with lenetc.no_grad():
        assert optimizer.step(closure).item() == 2
    assert values(w) == [0, 0] and optimizer._step_count == 1


def test_parameters_stay_leaves_and_nothing_is_pending_after_a_step():
    w = leaf(2)
    optimizer = optim.SGD([w], momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()
    assert w.is_leaf and w.requires_grad and not lazy.pending
    assert w.node.op.name == "input" and optimizer.state[w]["momentum_buffer"].node.op.name == "input"


def test_names_reach_the_groups():
    optimizer = optim.SGD([("fc.weight", leaf(2)), ("fc.bias", leaf(1))])
    assert optimizer.param_groups[0]["param_names"] == ["fc.weight", "fc.bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["fc.weight", "fc.bias"]
    with pytest.raises(ValueError, match="all param groups must be with names, or all without"):
        optimizer.add_param_group({"params": [leaf(3)]})


def test_repr():
    optimizer = optim.SGD([{"params": leaf(1)}, {"params": leaf(2), "lr": 1.5}], momentum=0.9)
    lines = (
        "    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n    lr: {}\n"
        "    maximize: False\n    momentum: 0.9\n    nesterov: False\n    weight_decay: 0\n"
    )
    first, second = lines.format(0.001), lines.format(1.5)
    assert repr(optimizer) == f"SGD (\nParameter Group 0\n{first}\nParameter Group 1\n{second})"


def twice():
    w = leaf(6, 1)
    return optim.SGD([{"params": [leaf(2)]}, {"params": [w]}, {"params": [w]}])


WRONG = [
    (lambda: optim.SGD(leaf(2)), TypeError, "SGD: params must be an iterable of tensors or dicts"),
    (lambda: optim.Adam([]), ValueError, "Adam got an empty parameter list"),
    (lambda: optim.Adam([leaf(2), "w"]), TypeError, "Adam can only optimize tensors, but got a str"),
    (lambda: optim.SGD([leaf(2, 3) * 2]), ValueError, r"non-leaf tensor: the f32\[2,3\] in param group 0"),
    (
        twice,
        ValueError,
        r"a parameter f32\[6,1\] is given twice, as number 0 of param group 1 and again as number 0 of param group 2",
    ),
    (
        lambda: optim.SGD([leaf(2)], momentun=0.9),
        TypeError,
        r"SGD has no option 'momentun' \(did you mean 'momentum'",
    ),
    (
        lambda: optim.SGD([leaf(2)], zap=0.9),
        TypeError,
        "no option 'zap'; its options are lr, momentum, dampening",
    ),
    (lambda: optim.AdamW([leaf(2)], fused=True, foreach=True), RuntimeError, "cannot be `True` together"),
    (lambda: optim.Adam([leaf(2)], differentiable=True), UnsupportedError, "differentiable=True is not supp"),
    (lambda: optim.SparseAdam([leaf(2)]), UnsupportedError, "SparseAdam is for sparse gradients"),
    (lambda: optim.Adam([leaf(2)], betas=(lenetc.tensor(0.9), 0.9)), ValueError, "2 numbers or 2 tensors"),
    (lambda: optim.SGD([leaf(2)], lr=lenetc.ones(2)), ValueError, r"must have 1 element, but it is f32\[2\]"),
    (lambda: optim.Rprop([leaf(2)], etas=(1.1, 1.2)), ValueError, "etas .* must be one between 0 and 1 and"),
    (lambda: optim.Adadelta([leaf(2)], rho=1.1), ValueError, "rho .* must be between 0 and 1, got 1.1"),
    (lambda: optim.Adafactor([leaf(2)], eps=(-1, 1)), ValueError, "eps .* must be 2 numbers of at least 0"),
    (lambda: optim.Muon([leaf(2)]), ValueError, r"Muon is for matrices, but a parameter is f32\[2\]"),
    (lambda: optim.Muon([leaf(2, 2)], adjust_lr_fn="big"), ValueError, "adjust_lr_fn must be .* got 'big'"),
    (lambda: optim.SGD([{"lr": 1.0}]), ValueError, "param group 0 has no entry 'params'"),
    (lambda: optim.SGD([{"params": leaf(2)}, leaf(1)]), TypeError, "a param group must be a dict"),
    (lambda: optim.SGD([{"params": {leaf(2)}}]), TypeError, "parameters need an order, and sets have none"),
    (lambda: optim.SGD([("w", leaf(2)), leaf(1)]), ValueError, "has names for 1 of 2 tensors"),
    (
        lambda: optim.SGD([leaf(2)], lr=-1),
        ValueError,
        "lr of param group 0 must be a number of at least 0, got -1",
    ),
    (lambda: optim.SGD([leaf(2)], lr="big"), ValueError, "lr of param group 0 must be a number .* got 'big'"),
    (
        lambda: optim.SGD([leaf(2)], maximize=1),
        ValueError,
        "maximize of param group 0 must be True or False, got 1",
    ),
    (
        lambda: optim.SGD([leaf(2)], nesterov=True),
        ValueError,
        "Nesterov momentum requires a momentum and zero",
    ),
    (
        lambda: optim.Adam([leaf(2)], betas=(0.9, 1.0)),
        ValueError,
        r"betas .* less than 1 each, got \(0.9, 1.0\)",
    ),
    (
        lambda: optim.Adam([leaf(2)], betas=0.9),
        ValueError,
        "betas of param group 0 must be 2 numbers, got 0.9",
    ),
]


@pytest.mark.parametrize(("build", "kind", "message"), WRONG, ids=[message for *_, message in WRONG])
def test_wrong_arguments_are_named(build, kind, message):
    with pytest.raises(kind, match=message):
        build()


def saved_adam(change):
    w = leaf(2)
    optimizer = optim.Adam([w])
    stepped(optimizer, w)
    state = optimizer.state_dict()
    change(state)
    return state


WRONG_STATES = [
    (lambda s: s["param_groups"].append({}), "the loaded state has 2 param groups, the optimizer 1"),
    (
        lambda s: s["param_groups"][0]["params"].append(1),
        "2 parameters in the loaded state and 1 in the optimizer",
    ),
    (lambda s: s["param_groups"][0].pop("betas"), "lacks betas: it is the state of another optimizer"),
    (lambda s: s["state"].update({7: {}}), "is of a parameter 7 that is in none"),
    (
        lambda s: s["state"][0].update(exp_avg=np.zeros(3)),
        r"exp_avg of parameter 0 in the loaded state has shape \[3\]",
    ),
]


@pytest.mark.parametrize(("change", "message"), WRONG_STATES, ids=[message for _, message in WRONG_STATES])
def test_state_that_does_not_fit_is_refused_and_changes_nothing(change, message):
    optimizer = optim.Adam([leaf(2)], lr=0.5)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(saved_adam(change))
    assert optimizer.param_groups[0]["lr"] == 0.5 and not optimizer.state


def test_loaded_state_is_a_copy_and_takes_arrays():
    w = leaf(2)
    optimizer = optim.Adam([w])
    state = saved_adam(lambda s: s["state"].update({0: {k: np.asarray(v) for k, v in s["state"][0].items()}}))
    optimizer.load_state_dict(state)
    stepped(optimizer, w)
    assert optimizer.state[w]["step"].item() == 2 and state["state"][0]["step"] == 1


def test_adamw_stays_decoupled_with_adams_state():
    optimizer = optim.AdamW([leaf(2)])
    optimizer.load_state_dict(saved_adam(lambda s: None))
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True
