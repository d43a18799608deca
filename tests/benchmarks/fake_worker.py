"""A peer that only pretends: `python -m tests.benchmarks.fake_worker HOW`, see HOW in `prepare`."""

from __future__ import annotations

import os
import sys
import threading
import time

import numpy as np

from benchmarks.workers.protocol import Step, Task, Unsupported, serve

HOW = sys.argv[1] if len(sys.argv) > 1 else "good"


spun = 0


def spin(seconds: float) -> None:
    global spun
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    spun += 1


def prepare(task: Task) -> Step:
    if HOW == "unable":
        raise Unsupported("it has no convolutions")
    if HOW == "broken":
        raise ValueError("no such thing\nas a second line")
    done = 0

    def step(x: np.ndarray, labels: np.ndarray) -> float:
        nonlocal done
        done += 1
        if HOW == "crashing" and done == 3:
            print("segmentation and so on", file=sys.stderr, flush=True)
            os._exit(3)
        if HOW == "hanging" and done == 3:
            print("about to sleep", file=sys.stderr, flush=True)
            time.sleep(1000)
        if HOW == "late" and done > 20:
            os._exit(4)
        if HOW == "chatty":
            print("a line of a library on standard output", flush=True)
        if HOW == "spinning":
            threading.Thread(target=spin, args=(0.3,)).start()
        time.sleep(0.0005)
        rate = {"sgd": 0.9, "plain-sgd": 0.95, "adam": 0.8}[task.optimizer]
        loss = float(x.mean()) ** 2 + rate**done + task.weights["fc3.bias"].sum() ** 2
        return float("nan") if HOW == "nan" else loss * 1.1 if HOW == "wrong" and done == 2 else loss

    return step


def versions() -> dict[str, str]:
    return {HOW: f"{spun} thread has spun"}


if __name__ == "__main__":
    if HOW == "never":
        sys.exit("it cannot be imported")
    serve(prepare, versions)
