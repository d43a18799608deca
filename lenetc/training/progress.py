"""What a training run shows: a bar on a terminal, a line for each epoch everywhere; and how it is stopped."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column


class Bar:
    """A progress bar over `total` steps. The numbers come first: the bar gets the columns that they leave.

    Without a terminal there is no bar, only the lines.
    """

    def __init__(self, console: Console, total: int, done: int) -> None:
        self._console = console
        self._bar = BarColumn(bar_width=20, table_column=Column(no_wrap=True))
        text = [
            TextColumn(f"{{task.fields[{name}]}}", table_column=Column(no_wrap=True))
            for name in ("label", "note")
        ]
        self._progress = Progress(
            text[0], self._bar, text[1], console=console, disable=not console.is_terminal
        )
        self._task = self._progress.add_task("", total=total, completed=done, label="compiling", note="")

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, label: str, note: str) -> None:
        """One step is done. label stands in front of the bar, note behind it."""
        self._bar.bar_width = max(3, min(40, self._console.width - len(label) - len(note) - 2))
        self._progress.update(self._task, advance=1, label=label, note=note)

    def line(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)


def duration(seconds: float) -> str:
    """12 -> "0:12", 3725 -> "1:02:05"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def interruptible() -> Iterator[Callable[[], int]]:
    """Ctrl-C and SIGTERM are noted, to be acted on between two steps; a second one ends the run at once.

    Gives a function: the number of the signal that came, or 0.
    """
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: seen[0] if seen else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
