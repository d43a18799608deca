"""What a compiled function changes in Python: counters, containers, attributes; tensors that it keeps."""

from __future__ import annotations

import collections
import io

import numpy as np

from tests.semantics import another
from tests.semantics.another import calls
from tests.semantics.case import case


@case
def counter_by_nonlocal(torch, compile):
    n = 0

    @compile
    def f(x):
        nonlocal n
        n += 1
        return x * n

    return calls(torch, f), n


@case
def counter_that_is_not_read_otherwise(torch, compile):
    n = 0

    @compile
    def f(x):
        nonlocal n
        n += 1
        return x * 2.0

    return calls(torch, f), n


@case
def counter_of_an_object(torch, compile):
    class Model:
        n = 0

        def step(self, x):
            self.n += 1
            return x * 2.0 if self.n % 2 else x * 3.0

    model = Model()
    return calls(torch, compile(model.step)), model.n


@case
def counter_of_a_module_in_forward(torch, compile):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.calls, self.seen = 0, []

        def forward(self, x):
            self.calls += 1
            self.seen.append(self.calls)
            return x + self.calls

    net = Net()
    return calls(torch, compile(lambda x: net(x))), net.calls, net.seen


@case
def counter_in_another_file(torch, compile):
    f = compile(lambda x: another.counted(x))
    return calls(torch, f), another.count


@case
def counter_in_a_dict(torch, compile):
    count = collections.Counter()

    @compile
    def f(x):
        count["calls"] += 1
        count[x.shape[0]] += 1
        return x + count["calls"]

    return calls(torch, f), count


def accumulation(torch, compile, every, steps, reset=True):
    p, n = torch.nn.Parameter(torch.tensor([1.0])), 0
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def step(x):
        nonlocal n
        (p * x).sum().backward()
        n += 1
        if n % every == 0:
            optimizer.step()
            if reset:
                optimizer.zero_grad()

    made = []
    for k in range(steps):
        step(torch.ones(1) * (k + 1))
        made.append([p.tolist(), None if p.grad is None else p.grad.tolist()])
    return made


@case
def gradients_accumulated_over_three_calls(torch, compile):
    return accumulation(torch, compile, 3, 8)


@case
def gradients_accumulated_over_two_calls(torch, compile):
    return accumulation(torch, compile, 2, 5)


@case
def gradients_never_cleared(torch, compile):
    return accumulation(torch, compile, 2, 5, reset=False)


@case
def losses_appended_as_tensors(torch, compile):
    losses = []

    @compile
    def f(x):
        loss = (x * 2.0).sum()
        losses.append(loss)
        return loss

    made = calls(torch, f)
    return made, losses


@case
def losses_appended_that_are_not_returned(torch, compile):
    losses, recent = [], collections.deque(maxlen=2)

    @compile
    def f(x):
        loss = (x * 2.0).sum()
        losses.append(loss)
        recent.append(loss.detach())

    made = calls(torch, f)
    return made, losses, recent


@case
def numbers_appended(torch, compile):
    seen = []

    @compile
    def f(x):
        seen.append(len(seen))
        return x * len(seen)

    return calls(torch, f), seen


@case
def list_made_outside_and_returned(torch, compile):
    kept = []

    @compile
    def f(x):
        kept.append(x * 2.0)
        return kept

    made = f(torch.ones(1))
    return made is kept, f(torch.ones(1) * 5.0), len(kept)


@case
def average_kept_in_a_closure(torch, compile):
    average = torch.zeros(2)

    @compile
    def f(x):
        nonlocal average
        average = average * 0.5 + x
        return average.sum()

    return calls(torch, f), average


@case
def tensor_kept_in_an_attribute(torch, compile):
    class Net(torch.nn.Module):
        hidden = None

        def forward(self, x):
            self.hidden = x if self.hidden is None else self.hidden + x
            return self.hidden * 2.0

    net = Net()
    return calls(torch, compile(lambda x: net(x))), net.hidden


@case
def tensors_cached_by_key(torch, compile):
    cache = {}

    @compile
    def f(x, key):
        if key not in cache:
            cache[key] = x * 10.0
        return cache[key] + x

    return [f(torch.ones(1) * k, key) for k, key in ((1, "a"), (2, "b"), (3, "a"), (4, "b"))], cache


@case
def dict_entries_by_number(torch, compile):
    metrics = {"loss": [], "steps": 0}

    @compile
    def f(x):
        metrics["steps"] += 1
        metrics["loss"].append(x.sum())
        metrics[f"step {metrics['steps']}"] = True
        return x * metrics["steps"]

    return calls(torch, f), metrics


@case
def set_added_to(torch, compile):
    seen = set()

    @compile
    def f(x, name):
        new = name not in seen
        seen.add(name)
        return x * (10.0 if new else 1.0)

    return [f(torch.ones(1), name) for name in ("a", "b", "a", "c")], seen


@case
def item_assigned_in_a_list_of_tensors(torch, compile):
    state = [torch.zeros(1), torch.ones(1)]

    @compile
    def f(x):
        state[0], state[1] = state[1], state[0] + x
        return state[0] * 1.0

    return calls(torch, f), state


@case
def queue_of_recent_numbers(torch, compile):
    recent = collections.deque([1.0, 2.0], maxlen=2)

    @compile
    def f(x):
        recent.append(recent[0] + 1.0)
        return x * sum(recent)

    return calls(torch, f), recent


@case
def a_numpy_array_filled(torch, compile):
    history = np.zeros(4)

    @compile
    def f(x):
        n = int(history[3])
        history[n % 3] = n + 1.0
        history[3] += 1
        return x * float(history.sum())

    return calls(torch, f), history


@case
def a_bytearray_and_a_stringio(torch, compile):
    data, text = bytearray(), io.StringIO()

    @compile
    def f(x):
        data.append(len(data))
        text.write(str(len(data)))
        return x * len(data) + len(text.getvalue())

    return calls(torch, f), bytes(data).hex(), text.getvalue()


@case
def attributes_added_and_deleted(torch, compile):
    class Flags:
        pass

    flags = Flags()

    @compile
    def f(x):
        if hasattr(flags, "on"):
            del flags.on
            return x * 2.0
        flags.on = True
        return x * 3.0

    return calls(torch, f), hasattr(flags, "on")


@case
def the_function_replaces_a_function_it_calls(torch, compile):
    def first(x):
        nonlocal now
        now = second
        return x * 2.0

    def second(x):
        nonlocal now
        now = first
        return x * 5.0

    now = first
    return calls(torch, compile(lambda x: now(x)))
