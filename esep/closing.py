"""How things end: contexts that close what they hold, and processes that are gone in time.

Reads     nothing
Returns   a base class; a process's exit code
Promises  `close` is called however the context ends, and what was raised in it goes on; a process that is to end ends
"""

from __future__ import annotations

import faulthandler
import os
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Closing(ABC):
    """A context manager for whatever has a `close`."""

    @abstractmethod
    def close(self) -> None:
        """Give back what it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def end_process_in(seconds: float, exit_code: int) -> None:
    """End this process then if it still runs, and say on stderr where each thread was.

    For processes that may be killed at any instant anyway: one that hangs must not keep a place that nobody works.
    """

    def end() -> None:
        faulthandler.dump_traceback()
        os._exit(exit_code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
