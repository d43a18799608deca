"""Threads: compiled functions and lazy tensors that several of them use at once."""

from __future__ import annotations

import threading

from tests.semantics.another import linear, parameter
from tests.semantics.case import case


def in_threads(work, count=4):
    """work(k) in `count` threads at once; what each gives, or the error's type."""
    made = [None] * count
    start = threading.Barrier(count)

    def run(k):
        start.wait()
        try:
            made[k] = work(k)
        except Exception as error:
            made[k] = f"{type(error).__name__}: {error}"

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


@case
def threads_call_one_compiled_function(torch, compile):
    f = compile(lambda x, y: (x * y).sum() * 2.0)
    return in_threads(lambda k: [f(torch.ones(3) * k, torch.ones(3) * n).item() for n in range(30)])


@case
def threads_with_shapes_of_their_own(torch, compile):
    f = compile(lambda x: x.sum() * x.shape[0])
    return in_threads(lambda k: [f(torch.ones(k + 1) * n).item() for n in range(10)])


@case
def threads_with_functions_of_their_own(torch, compile):
    def work(k):
        w = parameter(torch, k, k + 1)
        f = compile(lambda x: (w * x).sum().detach() + k)
        return [f(torch.ones(2) * n).item() for n in range(10)]

    return in_threads(work)


@case
def threads_train_networks_of_their_own(torch, compile):
    def work(k):
        net = linear(torch, 2, 1, start=0.1 * (k + 1))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

        @compile
        def step(x):
            optimizer.zero_grad()
            loss = net(x).pow(2).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return [step(torch.ones(2, 2) * n).item() for n in range(8)], net.weight.tolist()

    return in_threads(work)


@case
def threads_train_one_network_one_at_a_time(torch, compile):
    p, lock = parameter(torch, 1), threading.Lock()
    optimizer = torch.optim.SGD([p], lr=0.1)

    @compile
    def step(x):
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()

    def work(k):
        for _ in range(10):
            with lock:
                step(torch.ones(1))

    in_threads(work)
    return p


@case
def threads_count_in_one_variable(torch, compile):
    n, lock = 0, threading.Lock()

    @compile
    def f(x):
        nonlocal n
        n += 1
        return x * 2.0

    def work(k):
        made = []
        for j in range(10):
            with lock:
                made.append(f(torch.ones(1) * j).item())
        return made

    return in_threads(work), n


@case
def grad_mode_is_a_threads_own(torch, compile):
    f = compile(lambda x: x * (2.0 if torch.is_grad_enabled() else 1.0))

    def work(k):
        if k % 2:
            with torch.no_grad():
                return [f(torch.ones(1)).item() for _ in range(10)]
        return [f(torch.ones(1)).item() for _ in range(10)]

    return in_threads(work)


@case
def lazy_tensors_in_threads(torch, compile):
    w = torch.ones(4)

    def work(k):
        made = []
        for n in range(20):
            x = torch.ones(4) * n + w
            made.append((x * k).sum().item())
        return made

    return in_threads(work)


@case
def lazy_tensor_of_one_thread_looked_at_in_others(torch, compile):
    f = compile(lambda x: x * 2.0)
    x = torch.ones(4) * 3.0
    y = f(x) + x
    return in_threads(lambda k: [(y * k).sum().item() for _ in range(5)])


@case
def a_thread_started_inside(torch, compile):
    @compile
    def f(x):
        made = []
        thread = threading.Thread(target=lambda: made.append(x.shape[0] * 2.0))
        thread.start()
        thread.join()
        return x * made[0]

    return [f(torch.ones(n)) for n in (1, 2, 1)]


@case
def backward_in_another_thread(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda x: (p * x).sum())
    loss = f(torch.ones(2))
    in_threads(lambda k: loss.backward(), 1)
    return p.grad
