"""Which events have waited too long for their receipts, by a clock that never jumps.

Reads     acknowledged offsets as they come; a monotonic clock, as an argument
Returns   by partition the offset through which receipts are late
Promises  the wall clock has no part in it; after a start everything that waits gets the whole time again; a bounded
          number of looks is remembered, so an event counts as late by at most a sixteenth too late (box: producers)
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOKS = 16  # Remembered within the time that a receipt may take.


class LateWatch:
    """Watches ends of partitions. late_s: how long a receipt may take; ends: what waits already. Any thread may ask.

    >>> watch = LateWatch(60.0, {0: 41}, now_s=0.0)
    >>> watch.note(0, 99, now_s=30.0)
    >>> watch.late_through(59.0), watch.late_through(60.0), watch.late_through(90.0)
    ({}, {0: 41}, {0: 99})
    """

    def __init__(self, late_s: float, ends: Mapping[int, int], now_s: float) -> None:
        self._late_s = late_s
        self._ends = dict(ends)
        self._looks = deque([(now_s, dict(ends))])
        self._lock = threading.Lock()

    def note(self, partition: int, offset: int, now_s: float) -> None:
        """Note that the broker has a message at an offset."""
        with self._lock:
            self._ends[partition] = max(offset, self._ends.get(partition, -1))
        self.look(now_s)

    def look(self, now_s: float) -> None:
        """Remember how far everything has come by now; to be called again and again."""
        with self._lock:
            if self._looks[-1][1] != self._ends and now_s - self._looks[-1][0] >= self._late_s / _LOOKS:
                self._looks.append((now_s, dict(self._ends)))
            self._forget(now_s)

    def late_through(self, now_s: float) -> dict[int, int]:
        """Return by partition the offset through which messages were acknowledged `late_s` ago or longer."""
        self.look(now_s)
        with self._lock:
            seen_at, ends = self._looks[0]
            return dict(ends) if now_s - seen_at >= self._late_s else {}

    def _forget(self, now_s: float) -> None:
        while len(self._looks) > 1 and now_s - self._looks[1][0] >= self._late_s:
            self._looks.popleft()
