"""How things end: contexts that close what they hold, and processes that are gone in time.

Reads     nothing
Returns   a base class; a process's exit code
Promises  `close` is called however the context ends, and what was raised in it goes on; a process that is to end ends,
          and so does one that waits for a call that never comes back
"""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

LOG = logging.getLogger(__name__)


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


class HangWatch:
    """Ends this process if a call that it is told of outlasts seconds_max; from any thread, several at a time.

    librdkafka's time-outs are not kept where it has lost a request: `send_offsets_to_transaction` may ignore its own
    (librdkafka #5456), and a synchronous commit has none. Seconds count while this thread runs too, so that a process
    that was stopped and woken is not ended. who: whose calls, for the log.
    """

    def __init__(self, who: str, seconds_max: float, exit_code: int) -> None:
        self._who = who
        self._seconds_max = seconds_max
        self._exit_code = exit_code
        self._under_way: set[_Call] = set()
        threading.Thread(target=self._look, name=f"hang watch of {who}", daemon=True).start()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Watch what is done within."""
        call = _Call()
        self._under_way.add(call)
        try:
            yield
        finally:
            self._under_way.discard(call)

    def _look(self) -> None:
        while True:
            time.sleep(1)
            for call in list(self._under_way):
                call.seconds += 1
                if call.seconds > self._seconds_max:
                    LOG.critical("%s: librdkafka has not come back for %d s, the process ends", self._who, call.seconds)
                    faulthandler.dump_traceback()
                    os._exit(self._exit_code)


class _Call:
    """A call under way, and how often the watch has seen it."""

    seconds = 0


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
