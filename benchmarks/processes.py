"""A worker seen from the benchmark: started, asked, watched, ended. benchmarks.workers.protocol has the other end."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

LAST_LINES = 5


class Failed(Exception):
    """A worker crashed, hung or said that something went wrong; the message says what, for people."""


class Unsupported(Exception):
    """A worker said that it cannot do what was asked, and why."""


class Process:
    """One running worker. Its standard error goes to the file `log`; `threads`: so many cores are for it, 0 for all."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        timeout: float,
        threads: int = 0,
    ) -> None:
        self.timeout, self.log = timeout, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as errors:
            # A session of its own: Ctrl-C is for the benchmark, which then ends its workers in order.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                text=True,
                start_new_session=True,
            )
        if threads and sys.platform == "linux":  # for those that cannot be told how many threads to take
            os.sched_setaffinity(self.process.pid, sorted(os.sched_getaffinity(0))[:threads])
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.put(line)
        self.lines.put(None)

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer. Raises Unsupported, or Failed: then the worker is over."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the end of its output says it better
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self.process.stdin.flush()
        try:
            line = self.lines.get(timeout=self.timeout)
        except queue.Empty:
            self.kill()
            raise Failed(f"no answer to {do!r} within {self.timeout:g} s{self.last_lines()}") from None
        if line is None:
            self.process.wait()
            raise Failed(f"ended in {do!r} with {self.ending()}{self.last_lines()}")
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            self.kill()
            raise Failed(f"answered {do!r} by {line[:80]!r}, which is no JSON") from None
        if "unsupported" in answer:
            raise Unsupported(answer["unsupported"])
        if "error" in answer:
            raise Failed(f"{do!r}: {answer['error'].splitlines()[0][:300]}")
        return answer

    def ending(self) -> str:
        code = self.process.returncode
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def last_lines(self) -> str:
        """What it wrote last on standard error."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return "; its last lines: " + " / ".join(lines[-LAST_LINES:]) if lines else ""

    def close(self) -> None:
        """Ask it to end, and see that it does."""
        self.close_input()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        self.kill()

    def kill(self) -> None:
        """End it and what it has started."""
        with contextlib.suppress(OSError):  # all of them have ended
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.close_input()

    def close_input(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # what is left to be written has no reader any more
            self.process.stdin.close()

    def thread_seconds(self) -> dict[str, float]:
        """Processor time of each of its threads so far; empty where the system does not tell."""
        found = {}
        for path in self._threads():
            with contextlib.suppress(OSError):  # a thread that has just ended
                found[path.name] = int((path / "schedstat").read_text().split()[0]) / 1e9
        return found

    def settle(self, patience: float = 2.0) -> None:
        """Wait until no thread runs or wants to: runtimes' threads spin for a while after work."""
        end = time.monotonic() + patience
        quiet = 0
        while quiet < 3 and time.monotonic() < end:
            time.sleep(0.005)
            quiet = 0 if self._running() else quiet + 1

    def _running(self) -> bool:
        for path in self._threads():
            with contextlib.suppress(OSError):
                if (path / "stat").read_text().rsplit(")", 1)[1].split()[0] == "R":
                    return True
        return False

    def _threads(self) -> Iterator[Path]:
        return Path(f"/proc/{self.process.pid}/task").glob("*")


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Seconds of threads' processor time between two looks at `Process.thread_seconds`."""
    return sum(seconds - before.get(thread, 0.0) for thread, seconds in after.items())
