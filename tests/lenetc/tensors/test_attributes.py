"""Attributes of the user's own on tensors and parameters."""

import copy

import pytest

import lenetc as torch
from ir.errors import UnsupportedError


def test_tensors_and_parameters_take_attributes_and_keep_their_own():
    x, p = torch.ones(2), torch.nn.Parameter(torch.ones(2))
    x.require_grad, p.no_weight_decay = False, True
    assert (x.require_grad, p.no_weight_decay, x.requires_grad) == (False, True, False)
    assert copy.deepcopy(x).require_grad is False and copy.copy(p).no_weight_decay
    assert not hasattr(copy.deepcopy(p), "no_weight_decay"), "as in PyTorch"
    with pytest.raises(AttributeError):
        x.shape = (3,)


@pytest.mark.filterwarnings("ignore::lenetc.RetraceWarning")
def test_compiled_functions_read_the_attributes_that_are_there_at_the_call():
    p, x, y = torch.nn.Parameter(torch.ones(1)), torch.ones(1), torch.ones(1)
    p.scale = 2.0

    @torch.compile
    def step(x):
        return p * p.scale + getattr(p, "other", 0.0) + getattr(x, "more", 0.0)

    seen = [step(x).item()]
    for holder, name, value in ((p, "scale", 3.0), (p, "other", 1.0), (x, "more", 5.0), (x, "more", 6.0)):
        setattr(holder, name, value)
        seen.append(step(x).item())
    assert [*seen, step(y).item()] == [2.0, 3.0, 4.0, 9.0, 10.0, 4.0]


@pytest.mark.filterwarnings("ignore::lenetc.RetraceWarning")
def test_attributes_that_a_compiled_function_sets_are_set_at_every_call():
    p, first, second = torch.nn.Parameter(torch.ones(1)), torch.ones(1), torch.ones(1)

    @torch.compile
    def step(x, by):
        p.last = x * by
        x.seen = True
        return p.sum()

    step(first, 2.0), step(first, 3.0)
    assert p.last.item() == 3.0
    step(second, 4.0)
    assert p.last.item() == 4.0 and second.seen


def test_names_that_tell_what_to_use_instead_or_are_there():
    x = torch.ones(2)
    assert x.real is x
    with pytest.raises(UnsupportedError, match=r"set_: .* copy_"):
        x.set_(torch.zeros(2))
    with pytest.raises(UnsupportedError, match="imag"):
        _ = x.imag
    assert not torch.is_anomaly_enabled()
    with torch.autograd.detect_anomaly():
        assert torch.is_anomaly_enabled()
