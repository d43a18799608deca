"""What a compiled function or method is as an object: attributes, defaults, what it is bound to, equality"""

from __future__ import annotations

import functools
import inspect

from tests.semantics.case import case


@case
def attribute_that_a_decorator_counts_in(torch, compile):
    def counted(function):
        @functools.wraps(function)
        def called(*args):
            called.calls += 1
            return function(*args)

        called.calls = 0
        return called

    @compile
    @counted
    def f(x):
        return x * 2.0

    made = [f(torch.ones(1)) for _ in range(3)]
    before, f.calls = f.calls, 10
    return made, before, f(torch.ones(1)), f.calls


@case
def attribute_that_the_function_reads_of_itself(torch, compile):
    @compile
    def f(x):
        return x * f.gain

    f.gain = 2.0
    made = [f(torch.ones(1)) for _ in range(3)]
    f.gain = 5.0
    made += [f(torch.ones(1)), hasattr(f, "gain")]
    del f.gain
    return made, hasattr(f, "gain")


class Scale:
    def __init__(self):
        self.k, self.calls = 2.0, 0

    def __call__(self, x):
        self.calls += 1
        return x * self.k * self.calls

    def method(self, x):
        return x * self.k

    def reset(self):
        self.calls = 0


@case
def attributes_of_a_callable_object(torch, compile):
    scale = Scale()
    f = compile(scale)
    made = [f(torch.ones(1)) for _ in range(3)]
    f.k = 5.0
    made += [f(torch.ones(1)), f.calls, scale.k]
    f.reset()
    return made, f(torch.ones(1)), scale.calls


@case
def defaults_and_code_of_a_function(torch, compile):
    @compile
    def f(x, k=2.0, *, m=1.0):
        "What it does."
        return x * k * m

    made = [f(torch.ones(1)) for _ in range(3)]
    made += [f.__defaults__, f.__kwdefaults__, f.__code__.co_varnames, f.__doc__, str(inspect.signature(f))]
    f.__defaults__ = (5.0,)
    return made, f(torch.ones(1))


@case
def parts_of_a_partial(torch, compile):
    f = compile(functools.partial(torch.mul, torch.ones(1)))
    return f(torch.ones(1)), len(f.args), f.keywords, hasattr(f, "__name__")


@case
def bound_method(torch, compile):
    class Compiled(Scale):
        step = compile(Scale.method)

    a, b = Compiled(), Compiled()
    f = compile(a.method)
    handlers = [a.step]
    made = [a.step(torch.ones(1)), a.step.__self__ is a, f.__self__ is a, f.__name__]
    return made, a.step == a.step, a.step == b.step, a.step in handlers, len({a.step, a.step, b.step})
