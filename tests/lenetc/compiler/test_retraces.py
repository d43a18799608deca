"""Ordinary programs are traced once or twice, and nobody is warned: in these tests a RetraceWarning is an error."""

from __future__ import annotations

import contextlib
import copy
import gc
import re
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import lenetc
from lenetc import nn, optim
from lenetc.compiler.reads.names import names_of


def times_traced(function: Any) -> int:
    found = re.search(r"traced (\d+) times", function.explain())
    assert found is not None
    return int(found[1])


class Layers(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        for i in range(count):
            setattr(self, f"fc{i}", nn.Linear(2, 2))
        self.count = count

    def forward(self, x: Any) -> Any:
        for i in range(self.count):
            x = getattr(self, f"fc{i}")(x)
        return x


class Trainer:
    """With what its step does not read: `state` is a name of optimizers', too."""

    def __init__(self, net: Any, optimizer: Any) -> None:
        self.net, self.optimizer = net, optimizer
        self.state, self.history, self.calls = SimpleNamespace(epoch=0), [0.0], 0

    def step(self, x: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.net(x).pow(2).mean() * (1 + self.state.epoch)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_what_a_trainer_counts_beside_a_step_is_no_matter(kind: Any) -> None:
    net = Layers(3)
    trainer = Trainer(net, kind(net.parameters(), lr=0.01))
    step = lenetc.compile(trainer.step)
    for k in range(8):
        step(lenetc.ones(1, 2))
        trainer.calls += 1
        trainer.history.append(float(k))
    assert times_traced(step) <= 2
    trainer.state.epoch = 1
    step(lenetc.ones(1, 2))
    assert "state.epoch" in step.explain()


def test_an_average_by_state_dicts() -> None:
    net = nn.Linear(2, 1)
    optimizer = optim.Adam(net.parameters(), lr=0.1)
    average = {key: value.clone() for key, value in net.state_dict().items()}

    @lenetc.compile
    def step(x: Any) -> None:
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()
        with lenetc.no_grad():
            for key, value in net.state_dict().items():
                average[key].mul_(0.9).add_(value, alpha=0.1)

    for _ in range(5):
        step(lenetc.ones(1, 2))
    assert times_traced(step) <= 2


def test_the_state_of_an_optimizer_read_inside() -> None:
    net = nn.Linear(2, 1)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    step = lenetc.compile(lambda x: x * optimizer.state_dict()["param_groups"][0]["lr"])
    with pytest.warns(lenetc.RetraceWarning, match="it reads the state of an optimizer"):
        assert step(lenetc.ones(1)).item() == pytest.approx(0.1)
    optimizer.param_groups[0]["lr"] = 0.5
    assert step(lenetc.ones(1)).item() == 0.5


def test_a_function_of_a_computed_name() -> None:
    class Owner:
        act, seen = "tanh", 0

    owner = Owner()
    step = lenetc.compile(lambda x: getattr(lenetc, owner.act)(x))
    for _ in range(5):
        step(lenetc.ones(2))
        owner.seen += 1
    assert times_traced(step) == 1
    owner.act = "sigmoid"
    assert step(lenetc.zeros(1)).item() == 0.5


def test_functions_that_come_later_are_no_change_at_every_call() -> None:
    def scaled(k: float) -> Callable[..., Any]:
        return lambda module, args, out: out * k

    net = nn.Linear(2, 1)
    step = lenetc.compile(lambda x: net(x))
    step(lenetc.ones(1, 2))
    for k in (2.0, 3.0):
        handle = net.register_forward_hook(scaled(k))
        for _ in range(3):
            step(lenetc.ones(1, 2))
        handle.remove()
    assert times_traced(step) <= 4


def test_managers_around_variables() -> None:
    gain = [2.0]

    @contextlib.contextmanager
    def scaled() -> Iterator[float]:
        yield gain[0]

    @lenetc.compile
    def step(x: Any) -> Any:
        with scaled() as k:
            return x * k

    for _ in range(5):
        step(lenetc.ones(1))
    assert times_traced(step) <= 2


def test_what_a_first_call_makes() -> None:
    """A layer, a hidden state that stays: the warning waits for a second call that makes one."""

    class Lazily(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer: Any = None

        def forward(self, x: Any) -> Any:
            if self.layer is None:
                self.layer = nn.Linear(2, 2)
            return self.layer(x)

    step = lenetc.compile(Lazily())
    for _ in range(4):
        step(lenetc.ones(1, 2))

    class Counting(nn.Module):
        calls = 0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return x * self.calls

    net = Counting()
    step = lenetc.compile(lambda x: net(x))
    step(lenetc.ones(1))
    with pytest.warns(lenetc.RetraceWarning, match=r"it changes net\.calls, which"):
        step(lenetc.ones(1))


def test_modes_that_steps_set_in_turn() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))

    @lenetc.compile
    def train(x: Any) -> Any:
        net.train()
        return net(x)

    @lenetc.compile
    def evaluate(x: Any) -> Any:
        net.eval()
        return net(x)

    for _ in range(3):
        for step in (train, train, train, evaluate, evaluate, evaluate):
            step(lenetc.ones(1, 2))
    assert times_traced(train) <= 5 and times_traced(evaluate) <= 5


@pytest.mark.filterwarnings("ignore::lenetc.RetraceWarning")
def test_a_module_that_cannot_be_imported() -> None:
    def step(x: Any) -> Any:
        try:
            import not_a_module_of_anybody  # type: ignore[import-not-found]
        except ImportError:
            return x
        return not_a_module_of_anybody.f(x)

    function = lenetc.compile(step)
    function(lenetc.ones(1))
    assert "reads not_a_module_of_anybody, a ModuleNotFoundError" in function.explain()


def test_texts_of_numbers() -> None:
    step = lenetc.compile(lambda x, k: (x * k, f"{k}"))
    for _ in range(5):
        step(lenetc.ones(1), 3)
    assert times_traced(step) == 1


@pytest.mark.filterwarnings("ignore::lenetc.RetraceWarning")
def test_what_is_held_weakly_may_go() -> None:
    net = nn.Linear(2, 1)
    found = weakref.ref(net)
    step = lenetc.compile(lambda x: x if found() is None else found()(x))  # type: ignore[misc]
    step(lenetc.ones(1, 2)), step(lenetc.ones(1, 2))
    del net
    gc.collect()
    assert found() is None and step(lenetc.ones(1, 2)).tolist() == [[1, 1]]


def test_of_whom_attributes_are_asked() -> None:
    def asks(source: str) -> tuple[Any, ...]:
        space: dict[str, Any] = {}
        exec(f"def f(a, b, n): return {source}", space)
        names = names_of(space["f"].__code__)
        return names.computes, *names.gets.values()

    assert asks("getattr(a, n)") == (False, ("a",))
    assert asks("getattr(a.b.c, f'x{n}', None)") == (False, ("a", "b", "c"))
    assert asks("hasattr(glob, n)") == (False, ("glob",))
    assert asks("getattr(a, 'x')") == (False, ())
    for source in ("getattr(a + b, n)", "getattr(a[0], n)", "getattr(a.b(), n)", "getattr(a or b, n)"):
        assert asks(source)[0], source
    assert asks("getattr(*a)")[0]


def test_numbers_stay_inputs_beside_the_class_of_self() -> None:
    class Net(nn.Module):
        def forward(self, x: Any, k: float) -> Any:
            return x * k * len(type(self).__name__) * len(self.__class__.__name__)

    net = Net()
    step = lenetc.compile(lambda x, k: net(x, k))
    for k in range(6):
        assert step(lenetc.ones(1), k + 0.5).item() == 9 * (k + 0.5)
    assert times_traced(step) <= 2 and len(step.programs()) <= 2


def perturbed(net: Any, x: Any) -> Any:
    x = x.clone().detach().requires_grad_()
    net(x).sum().backward()
    return x + 0.1 * x.grad.sign()


def ascended(net: Any, x: Any) -> Any:
    found = x.clone().detach()
    for _ in range(3):
        found.requires_grad_()
        (gradient,) = lenetc.autograd.grad(net(found).sum(), found)
        found = (found.detach() + 0.1 * gradient.sign()).detach()
    return found


def penalized(net: Any, x: Any) -> Any:
    net.zero_grad()
    x = (x * 0.5).requires_grad_()
    (gradient,) = lenetc.autograd.grad(net(x).sum(), x, create_graph=True)
    loss = ((gradient.norm(2, 1) - 1) ** 2).mean()
    loss.backward()
    return loss


def retained(net: Any, x: Any) -> Any:
    net.zero_grad()
    h = net(x)
    h.retain_grad()
    (h * h).sum().backward()
    return h.grad


def recomputed(net: Any, x: Any) -> Any:
    net.zero_grad()
    with lenetc.no_grad():
        h = net(x)
    h = h.detach().requires_grad_()
    (h * h).sum().backward()
    net(x).backward(h.grad)
    return h.grad


def copied(net: Any, x: Any) -> Any:
    weights = [p.detach().clone().requires_grad_() for p in net.parameters()]
    for _ in range(2):
        found = lenetc.autograd.grad((x @ weights[0].t() + weights[1]).pow(2).sum(), weights)
        weights = [(w - 0.1 * g).detach().requires_grad_() for w, g in zip(weights, found, strict=True)]
    return [w.sum() for w in weights]


def differentiated(net: Any, x: Any) -> Any:
    weights = {name: p.detach() for name, p in net.named_parameters()}
    return lenetc.func.grad(lambda w: lenetc.func.functional_call(net, w, (x,)).pow(2).sum())(weights)


def frozen(net: Any, x: Any) -> Any:
    net.requires_grad_(True)
    net.zero_grad()
    net(x).sum().backward()
    net.requires_grad_(False)
    y = x.clone().requires_grad_()
    return lenetc.autograd.grad(net(y).sum(), y)


LOOPS = [perturbed, ascended, penalized, retained, recomputed, copied, differentiated, frozen]


@pytest.mark.parametrize("loop", LOOPS)
def test_leaves_that_the_function_makes(loop: Callable[[Any, Any], Any]) -> None:
    net = nn.Linear(2, 2)
    step = lenetc.compile(lambda x: loop(net, x))
    for k in range(6):
        step(lenetc.ones(3, 2) * k)
    assert times_traced(step) <= 3 and len(step.programs()) <= 2


@pytest.mark.filterwarnings("ignore::lenetc.RetraceWarning")  # of what copies
def test_programs_of_copies_that_change() -> None:
    net = nn.Linear(2, 2)

    def step(x: Any) -> Any:
        fast = copy.deepcopy(net)
        fast.load_state_dict({name: p * 2 for name, p in net.state_dict().items()})
        found = lenetc.autograd.grad(fast(x).pow(2).sum(), list(fast.parameters()))
        with lenetc.no_grad():
            for p, g in zip(fast.parameters(), found, strict=True):
                p.sub_(0.1 * g)
        return lenetc.autograd.grad(fast(x).pow(2).sum(), list(fast.parameters()))

    step = lenetc.compile(step)
    for k in range(4):
        step(lenetc.ones(3, 2) * k)
    assert len(step.programs()) == 1


def test_hooks_of_a_leaf_that_the_function_makes() -> None:
    seen: list[Any] = []

    def tell(gradient: Any) -> None:
        seen.append(gradient.tolist())

    def step(x: Any) -> Any:
        x = x.clone().detach().requires_grad_()
        x.register_hook(tell)
        return (x * 3.0).sum()

    step = lenetc.compile(step)
    for k in (1.0, 2.0, 3.0):
        (step(lenetc.ones(1)) * k).backward()
    assert seen == [[3], [6], [9]]
    assert "more than a run gives back" in step.explain()


def test_averages_of_weights_by_data() -> None:
    net = nn.Linear(2, 2)
    average = copy.deepcopy(net)

    def step(x: Any) -> Any:
        for mean, weight in zip(average.parameters(), net.parameters(), strict=True):
            mean.data = mean.data * 0.5
            mean.data = mean.data + weight.data * 0.5
        return average(x)

    step = lenetc.compile(step)
    for k in range(6):
        step(lenetc.ones(1, 2) * k)
    assert times_traced(step) <= 2
