"""What a compiled function does to the world: random numbers, iterators, files, printing, the environment."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import os
import random
import tempfile
import warnings

import numpy as np

from tests.semantics.another import calls
from tests.semantics.case import case


@case
def python_random(torch, compile):
    return calls(torch, compile(lambda x: x * random.random())), random.random()


@case
def python_random_generator_of_ones_own(torch, compile):
    generator = random.Random(3)
    return calls(torch, compile(lambda x: x * generator.uniform(1.0, 2.0))), generator.random()


@case
def python_choice_of_a_branch(torch, compile):
    return calls(torch, compile(lambda x: x * 2.0 if random.random() < 0.5 else x * 3.0), 12)


@case
def numpy_random(torch, compile):
    return calls(torch, compile(lambda x: x * float(np.random.rand()))), float(np.random.rand())


@case
def numpy_generator(torch, compile):
    generator = np.random.default_rng(0)
    return calls(torch, compile(lambda x: x * float(generator.random()))), float(generator.random())


@case
def numpy_generator_normal_array(torch, compile):
    generator = np.random.default_rng(0)
    return calls(torch, compile(lambda x: x + torch.tensor(generator.normal(size=2).astype(np.float32))))


@case
def generator_that_the_function_draws_from(torch, compile):
    numbers = (k * k + 1.0 for k in range(100))
    return calls(torch, compile(lambda x: x * next(numbers))), next(numbers)


@case
def itertools_count(torch, compile):
    count = itertools.count(1)
    return calls(torch, compile(lambda x: x * next(count))), next(count)


@case
def itertools_cycle_of_functions(torch, compile):
    turns = itertools.cycle([torch.relu, torch.tanh])
    return calls(torch, compile(lambda x: next(turns)(x)))


@case
def iterator_of_a_list(torch, compile):
    items = iter([1.0, 2.0, 3.0, 4.0])
    return calls(torch, compile(lambda x: x * next(items, 9.0)), 6)


@case
def printing(torch, compile):
    @compile
    def f(x):
        print("called with", x.shape[0])
        return x * 2.0

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        made = calls(torch, f, 3)
    return made, out.getvalue()


@case
def printing_a_counter(torch, compile):
    n = 0

    @compile
    def f(x):
        nonlocal n
        n += 1
        print(f"call {n}", file=out)
        return x * 2.0

    out = io.StringIO()
    return calls(torch, f, 3), out.getvalue()


@case
def logging_records(torch, compile):
    log, records = logging.getLogger("semantics"), []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    log.addHandler(handler)

    @compile
    def f(x):
        log.warning("called with %d", x.shape[0])
        return x * 2.0

    made = calls(torch, f, 3)
    log.removeHandler(handler)
    return made, records


@case
def lines_written_to_a_file(torch, compile):
    with tempfile.TemporaryFile("w+") as file:

        @compile
        def f(x):
            file.write(f"{x.shape[0]}\n")
            return x * 2.0

        made = calls(torch, f, 3)
        file.seek(0)
        return made, file.read()


@case
def a_file_opened_and_appended_to(torch, compile):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log.txt")

        @compile
        def f(x):
            with open(path, "a") as file:
                file.write("called\n")
            return x * 2.0

        made = calls(torch, f, 3)
        with open(path) as file:
            return made, file.read()


@case
def a_file_read_anew_at_every_call(torch, compile):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "scale.txt")

        @compile
        def f(x):
            with open(path) as file:
                return x * float(file.read())

        made = []
        for scale in ("1.5", "2.5", "1.5"):
            with open(path, "w") as file:
                file.write(scale)
            made.append(f(torch.ones(1)))
        return made


@case
def environment_set(torch, compile):
    @compile
    def f(x):
        os.environ["SEMANTICS_CALLS"] = str(int(os.environ.get("SEMANTICS_CALLS", "0")) + 1)
        return x * 2.0

    return calls(torch, f, 3), os.environ["SEMANTICS_CALLS"]


@case
def environment_read(torch, compile):
    f = compile(lambda x: x * float(os.environ.get("SEMANTICS_SCALE", "1")))
    made = [f(torch.ones(1))]
    os.environ["SEMANTICS_SCALE"] = "3"
    made.append(f(torch.ones(1)))
    del os.environ["SEMANTICS_SCALE"]
    g = compile(lambda x: x * (2.0 if "SEMANTICS_SCALE" in os.environ else 4.0))
    made.append([f(torch.ones(1)), g(torch.ones(1))])
    os.environ["SEMANTICS_SCALE"] = "5"
    return made, f(torch.ones(1)), g(torch.ones(1))


@case
def warnings_given_by_the_function(torch, compile):
    @compile
    def f(x):
        warnings.warn("careful", UserWarning, stacklevel=1)
        return x * 2.0

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        made = calls(torch, f, 3)
    return made, [str(w.message) for w in caught if w.category is UserWarning]


@case
def generator_used_inside_and_closed(torch, compile):
    closed = []

    def parts(x):
        try:
            for k in range(5):
                yield x * k
        finally:
            closed.append("closed")

    @compile
    def f(x):
        total = x * 0.0
        for k, part in enumerate(parts(x)):
            if k == 3:
                break
            total = total + part
        return total

    return [f(torch.ones(1)) for _ in range(3)], closed


@case
def generator_held_across_calls(torch, compile):
    def states():
        h = 1.0
        while True:
            h = h * 2.0
            yield h

    held = states()
    f = compile(lambda x: x * next(held))
    return [f(torch.ones(1)) for _ in range(4)]
