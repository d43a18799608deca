"""Exceptions on the way and what they leave behind; context managers and `finally`."""

from __future__ import annotations

import contextlib

from tests.semantics.another import parameter
from tests.semantics.case import case
from tests.semantics.programs import expressions


class Stop(Exception):
    """Raised by a case, caught by it."""


# Where a step raises, in the calls that `fails` names.
POINTS = {
    "before anything": 0,
    "after zero_grad": 1,
    "after backward": 2,
    "after the update": 3,
    "after an effect on an argument": 4,
}
CALLS = {
    "in the first call": "(1,)",
    "in a later call": "(3,)",
    "in two calls": "(1, 2)",
    "in every other": "(2, 4)",
}
FAILING = """
class Stop(Exception):
    pass
p, n, seen = nn.Parameter(torch.tensor([1.0])), 0, []
optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
def step(x, point, fails):
    nonlocal n
    n += 1
    def check(here):
        seen.append((n, here))
        if n in fails and here == point:
            raise Stop(n)
    check(0)
    optimizer.zero_grad()
    check(1)
    (p * p * x).sum().backward()
    check(2)
    optimizer.step()
    check(3)
    x.mul_(2.0)
    check(4)
    return p.detach() * 1.0
step = compile(step)
made, x = [], torch.ones(1)
for _ in range(5):
    try:
        made.append(step(x, {use}))
    except Stop as error:
        made.append(["stopped", error.args[0]])
    made.append((p.tolist(), x.tolist(), len(optimizer.state)))
return made, n, seen
"""
TABLE = expressions(
    "exceptions",
    {
        f"{where} {when}": f"{point}, {calls}"
        for where, point in POINTS.items()
        for when, calls in CALLS.items()
    },
    FAILING,
    {},
)


@case
def exception_that_depends_on_a_shape(torch, compile):
    @compile
    def f(x):
        if x.shape[0] > 2:
            raise ValueError(f"too many: {x.shape[0]}")
        return x * 2.0

    made = []
    for n in (1, 3, 2, 4, 1):
        try:
            made.append(f(torch.ones(n)))
        except ValueError as error:
            made.append(str(error))
    return made


@case
def exceptions_of_every_type_come_through(torch, compile):
    class Own(BaseException):
        pass

    f = compile(lambda x, error: (_ for _ in ()).throw(error))
    made = []
    for error in (
        KeyError("k"),
        StopIteration(3),
        AssertionError("no"),
        Own(1),
        KeyboardInterrupt(),
        Stop("x"),
    ):
        try:
            f(torch.ones(1), error)
        except BaseException as caught:
            made.append([type(caught).__name__, [str(a) for a in caught.args], caught is error])
    return made


@case
def error_of_pytorch_and_then_a_good_call(torch, compile):
    p = parameter(torch, 1, 2)
    f = compile(lambda x: (p * x).sum().detach())
    made = []
    for n in (2, 3, 2, 5, 1):
        try:
            made.append(f(torch.ones(n)))
        except RuntimeError:
            made.append("RuntimeError")
    return made


@case
def error_in_the_first_call_then_another_branch(torch, compile):
    @compile
    def f(x, how):
        return {"a": lambda: x * 2.0, "b": lambda: x @ torch.ones(3, 3)}[how]()

    made = []
    for how in ("b", "a", "c", "a", "b"):
        try:
            made.append(f(torch.ones(2), how))
        except (RuntimeError, KeyError) as error:
            made.append("KeyError" if isinstance(error, KeyError) else "RuntimeError")
    return made


@case
def exception_caught_inside(torch, compile):
    n = 0

    @compile
    def f(x):
        nonlocal n
        n += 1
        try:
            if n % 2:
                raise Stop(n)
            y = x * 2.0
        except Stop as error:
            y = x * (10.0 + error.args[0])
        else:
            y = y + 1.0
        finally:
            n += 10
        return y

    return [f(torch.ones(1)) for _ in range(4)], n


@case
def lookup_that_fails_caught_inside(torch, compile):
    table = {}

    @compile
    def f(x):
        try:
            return x * table["scale"]
        except KeyError:
            return x * 2.0

    made = [f(torch.ones(1))]
    table["scale"] = 5.0
    made.append(f(torch.ones(1)))
    del table["scale"]
    return made, f(torch.ones(1))


@case
def error_of_an_operation_caught_inside(torch, compile):
    @compile
    def f(x, y):
        try:
            return x @ y
        except RuntimeError:
            return x.sum() * y.sum()

    ones = torch.ones(2, 2)
    return f(ones, ones), f(ones, torch.ones(3, 3)), f(torch.ones(1, 3), torch.ones(3, 3))


@case
def finally_runs_at_every_call(torch, compile):
    closed = []

    @compile
    def f(x):
        try:
            return x * 2.0
        finally:
            closed.append(x.shape[0])

    return [f(torch.ones(n)) for n in (1, 2, 1, 1)], closed


@case
def context_manager_entered_and_left_at_every_call(torch, compile):
    log = []

    @contextlib.contextmanager
    def scope(name):
        log.append(f"enter {name}")
        try:
            yield len(log)
        finally:
            log.append(f"leave {name}")

    @compile
    def f(x):
        with scope("a") as depth, scope("b"):
            return x * depth

    return [f(torch.ones(1)) for _ in range(3)], log


@case
def context_manager_that_swallows(torch, compile):
    @compile
    def f(x, k):
        y = x
        with contextlib.suppress(ZeroDivisionError):
            y = x * (3 // k)
        return y + 1.0

    return [f(torch.ones(1), k) for k in (1, 0, 1, 0)]


@case
def context_managers_as_a_class(torch, compile):
    class Timer:
        entered = left = 0

        def __enter__(self):
            self.entered += 1
            return self

        def __exit__(self, *error):
            self.left += 1

    timer = Timer()

    @compile
    def f(x):
        with timer as t:
            return x * t.entered

    return [f(torch.ones(1)) for _ in range(3)], timer.entered, timer.left


@case
def exception_in_an_inner_compiled_function(torch, compile):
    p = parameter(torch, 1, 2)

    @compile
    def inner(x, fail):
        with torch.no_grad():
            p.add_(x)
        if fail:
            raise Stop
        return p * 2.0

    @compile
    def outer(x, fail):
        try:
            return inner(x, fail).detach()
        except Stop:
            return p.detach() * 100.0

    return [outer(torch.ones(2), fail) for fail in (True, False, True)], p
