"""The command `lenetc bench`: run a script until it calls its compiled training step, and profile that call."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import inspect
import logging
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ir.errors import LenetcError
from lenetc.compiler.function import CompiledFunction
from lenetc.evaluation.cell import Context
from lenetc.profiling.measure import measure
from lenetc.profiling.profile import Profile
from lenetc.tables import WIDTH
from lenetc.training.trainer import OPTIMIZERS, Config, Trainer


def run(options: argparse.Namespace) -> int:
    """Do what the options of `lenetc bench` say. Returns the exit status."""
    built_in = {key: getattr(options, key) for key in ("batch", "optimizer", "device")}
    built_in = {key: value for key, value in built_in.items() if value is not None}
    if options.program is None:
        if options.arguments:
            raise ValueError(
                "what follows -- is for a program: name one, as in `lenetc bench train.py -- --epochs 3`"
            )
        logging.getLogger("lenetc.runtime").setLevel(logging.ERROR)  # the report says the device
        profile = profile_lenet(options.steps, **built_in)
    else:
        for key in built_in:
            raise ValueError(f"--{key} is of the built-in LeNet; {options.program} decides that by itself")
        # What the program prints must not come between the figures.
        with contextlib.redirect_stdout(sys.stderr) if options.json == "-" else contextlib.nullcontext():
            profile = profile_target(options.program, options.arguments, options.steps)
    if options.json == "-":
        print(profile.to_json(), end="")
        return 0
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(profile)
    if options.json is not None:
        profile.save(options.json)
        console.print(f"written to {options.json}", soft_wrap=True, markup=False)
    return 0


def profile_lenet(steps: int | None, **options: Any) -> Profile:
    """The profile of the training step of `lenetc train` with these options of its Config."""
    rate = OPTIMIZERS[options.get("optimizer", Config.optimizer)][0]
    trainer = Trainer(Config(**{"lr": rate, **options}), Path())
    chosen = np.arange(trainer.config.batch) % len(trainer.images)  # a batch may be larger than the set
    profile = trainer.step.profile(trainer.images[chosen], trainer.digits.train_labels[chosen], steps=steps)
    # Every line is this package's own.
    kernels = tuple(replace(k, where=k.where and k.where._replace(file="", line=0)) for k in profile.kernels)
    return replace(profile, profiled=replace(profile.profiled, kernels=kernels))


def profile_target(target: str, arguments: Sequence[str], steps: int | None) -> Profile:
    """The profile of a call that somebody's program makes.

    target: "train.py", "package.train", or either with ":name". Without a name the program runs as `python train.py`
    or `python -m package.train` would, until it calls a compiled function that changes state; if it never does, the
    first compiled function that it called counts. name: a compiled function to wait for; or a plain function without
    arguments, which is called and trains, or returns (compiled function, *arguments). arguments: sys.argv[1:].
    Raises LenetcError where nothing comes of it.
    """
    program = _Program(target)
    name = program.name
    with program.environment(arguments), _watching(name, steps) as watch:
        try:
            found = program.run(main=not name)
            if name and not watch.seen:
                if inspect.isfunction(found.get(name)):
                    watch.name = ""
                    watch.returned(_called(found[name], program.source), name)
                else:  # made by what the program does only when it is the main one
                    program.run(main=True)
        except (_Done, SystemExit):
            pass
        except LenetcError as error:
            raise LenetcError(f"{program.source}: {' '.join(str(error).split())}") from error
        except Exception as error:
            _show(error)
            raise LenetcError(
                f"{program.source} failed, as shown above, before a training step could be timed"
            ) from error
        return watch.result(program.source)


def _called(entry: Callable[[], Any], source: str) -> Any:
    try:
        inspect.signature(entry).bind()
    except TypeError as error:
        raise LenetcError(
            f"{entry.__name__} takes arguments ({error}): name a function without, which trains, or returns "
            f"(compiled function, *arguments); or compile it with @lenetc.compile, and let {source} call it"
        ) from None
    return entry()


def _show(error: Exception) -> None:
    """The traceback as Python would show it, from the program's first frame on."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in (__file__, "<frozen runpy>"):
        frames = frames.tb_next
    traceback.print_exception(type(error), error, frames)


class _Program:
    """What the user named: a script or a module, and perhaps a function in it."""

    def __init__(self, target: str) -> None:
        head, _, tail = target.rpartition(":")
        self.source, self.name = (head, tail) if head and tail.isidentifier() else (target, "")
        self.is_script = self.source.endswith(".py") or Path(self.source).exists()
        if self.is_script and not Path(self.source).is_file():
            raise LenetcError(
                f"there is no file {self.source}: name a script, as in `lenetc bench train.py`, or a module"
            )

    @contextmanager
    def environment(self, arguments: Sequence[str]) -> Iterator[None]:
        """sys.argv and sys.path as the program expects them."""
        argv, path = sys.argv, list(sys.path)
        sys.argv = [self.source, *arguments]
        sys.path.insert(0, str(Path(self.source).resolve().parent) if self.is_script else "")
        try:
            if not self.is_script and not _is_module(self.source):
                raise LenetcError(
                    f"there is no script and no module {self.source}: name one, as in `lenetc bench train.py`"
                )
            yield
        finally:
            sys.argv, sys.path[:] = argv, path

    def run(self, main: bool) -> dict[str, Any]:
        """Its globals after running it."""
        if self.is_script:
            return runpy.run_path(self.source, run_name="__main__" if main else Path(self.source).stem)
        return runpy.run_module(self.source, run_name="__main__" if main else self.source, alter_sys=True)


class _Done(BaseException):
    """The profile is there, so the program need not go on. Not an Exception, which programs catch."""


class _Watch:
    """Sees the calls of compiled functions, and profiles the first one that counts."""

    def __init__(self, name: str, steps: int | None) -> None:
        self.name = name
        self.steps = steps
        self.seen: dict[
            str, Callable[[], Profile]
        ] = {}  # compiled functions called so far, each with its first call
        self.profile: Profile | None = None
        self.is_busy = False

    def call(
        self, call: Callable[..., Any], is_scan: bool, function: CompiledFunction, *args: Any, **kwargs: Any
    ) -> Any:
        """In the place of CompiledFunction.__call__ or .scan, which is `call`."""
        if self.profile is not None:  # the program has caught it
            raise _Done
        if self.is_busy or Context.trace is not None:
            return call(function, *args, **kwargs)
        result = call(function, *args, **kwargs)
        name = function.arguments.name
        self.seen.setdefault(name, lambda: measure(function, args, kwargs, is_scan, self.steps))
        trains = bool(function.specialization(args, kwargs, is_scan).capture.updated)
        if name == self.name or (trains and not self.name):
            self.take(name)
            raise _Done
        return result

    def take(self, name: str) -> None:
        self.is_busy = True
        try:
            self.profile = self.seen[name]()
        finally:
            self.is_busy = False

    def returned(self, value: Any, name: str) -> None:
        """What the function `name` returned: (compiled function, *arguments), if its own calls are not the point."""
        if isinstance(value, tuple) and value and isinstance(value[0], CompiledFunction):
            self.is_busy = True
            self.profile = value[0].profile(*value[1:], steps=self.steps)
        elif not self.seen:
            raise LenetcError(
                f"{name}() called no compiled function and returned no (compiled function, *arguments)"
            )

    def result(self, source: str) -> Profile:
        if self.profile is None and self.seen and not self.name:
            self.take(next(iter(self.seen)))
        if self.profile is not None:
            return self.profile
        if self.seen:
            raise LenetcError(
                f"{source} calls no compiled function {self.name}; those that it calls: {', '.join(self.seen)}"
            )
        raise LenetcError(
            f"{source} ended without calling a compiled function{f' {self.name}' if self.name else ''}: put "
            "@lenetc.compile before the function that trains, and let the program call it"
        )


@contextmanager
def _watching(name: str, steps: int | None) -> Iterator[_Watch]:
    """Calls of compiled functions are seen in the block."""
    watch = _Watch(name, steps)
    call, scan = CompiledFunction.__call__, CompiledFunction.scan

    def watched_call(self: CompiledFunction, *args: Any, **kwargs: Any) -> Any:
        return watch.call(call, False, self, *args, **kwargs)

    def watched_scan(self: CompiledFunction, *args: Any, **kwargs: Any) -> Any:
        return watch.call(scan, True, self, *args, **kwargs)

    CompiledFunction.__call__ = watched_call  # type: ignore[method-assign]
    CompiledFunction.scan = watched_scan  # type: ignore[method-assign]
    try:
        yield watch
    finally:
        CompiledFunction.__call__ = call  # type: ignore[method-assign]
        CompiledFunction.scan = scan  # type: ignore[method-assign]


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
