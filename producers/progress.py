"""A progress bar for sending: how far, how fast, how long still; then how much receipts account for.

Reads     counts, as they grow
Writes    stderr, if it is a terminal and the bar is wanted
Promises  nothing is written where nobody would see it move (box: producers)
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Task


class _Rate(ProgressColumn):
    """Events per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "–/s")


class SendProgress:
    """Two bars: events sent, and events that receipts account for. A context manager; `shown=False` shows nothing."""

    def __init__(self, label: str, *, shown: bool = True) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
        console = Console(stderr=True)
        self._progress = Progress(*columns, console=console, disable=not (shown and sys.stderr.isatty()))
        self._sent = self._progress.add_task(f"{label} sent", total=None)
        self._received = self._progress.add_task(f"{label} receipts", total=None, visible=False)

    def total(self, events: int) -> None:
        """Say how many events there are."""
        self._progress.update(self._sent, total=events)
        self._progress.update(self._received, total=events)

    def sent(self, events: int) -> None:
        """Say that so many more were sent."""
        self._progress.advance(self._sent, events)

    def received(self, events: int) -> None:
        """Say how many receipts account for by now."""
        self._progress.update(self._received, completed=events, visible=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
