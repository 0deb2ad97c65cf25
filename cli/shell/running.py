"""A statement while it runs: how far it is, and its end when it is cancelled.

Reads     system.processes, as far as the user may
Writes    progress, through a function; the wish that the statement end
Returns   `Watched`: the settings by which a statement is found again; raises `Cancelled`
Promises  Ctrl-C closes the connection, at which a server ends what only reads, and asks the engine besides; it is said
          whether the statement was seen to be gone (box: cli)
"""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from esep.errors import EsepError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

_QUIET_S = 1.0  # Shorter queries show no progress: it would only flicker.
_LOOK_S = 0.5
_GONE_S_MAX = 5.0
_MILLION = 1_000_000
_STATE = (
    "SELECT read_rows, total_rows_approx, memory_usage FROM system.processes WHERE Settings['log_comment'] = '{tag}'"
)
_END = "KILL QUERY WHERE Settings['log_comment'] = '{tag}' ASYNC"


class Cancelled(Exception):
    """A person ended a statement. is_gone: the engine was seen to run it no more; None if it may not be looked at."""

    def __init__(self, is_gone: bool | None) -> None:
        super().__init__()
        self.is_gone = is_gone

    def __str__(self) -> str:
        words: dict[bool | None, str] = {True: "it has ended in the engine", False: "the engine still runs it"}
        return f"cancelled; {words.get(self.is_gone, 'the engine was asked to end it')}"


class Watched:
    """A statement that is looked for. settings: what it is to run with."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.over = threading.Event()
        self.looking = threading.Thread()

    def answered(self) -> None:
        """Say no more how far it is: its answer is there."""
        self.over.set()
        if self.looking.is_alive():  # It only looks; nobody waits for it long.
            self.looking.join(_QUIET_S)

    @property
    def settings(self) -> dict[str, Any]:
        """By these a statement is found again, and ended when its client goes away."""
        return {"log_comment": self.tag, "cancel_http_readonly_queries_on_client_close": 1}


def takes_settings(client: Client) -> bool:
    """Return whether a user may say what a statement runs with; else it can neither be looked for nor ended by name."""
    try:
        client.command("SELECT 1", settings=Watched("esep-sql-first").settings)
    except ClickHouseError:
        return False
    return True


@contextmanager
def watched(connect: Callable[[], Client], tell: Callable[[str], None]) -> Iterator[Watched]:
    """Give what a statement is to run with; tell how far it is, and "" when it is over. Raises Cancelled for Ctrl-C.

    connect: gives a client of its own for the looks, which is made only if the statement takes long.
    """
    one = Watched(f"esep-sql-{uuid.uuid4().hex}")
    one.looking = threading.Thread(target=_look, args=(connect, one.tag, tell, one.over), daemon=True)
    one.looking.start()
    try:
        yield one
    except KeyboardInterrupt:
        one.over.set()
        raise Cancelled(_end(connect, one.tag)) from None
    finally:
        one.answered()


def _look(connect: Callable[[], Client], tag: str, tell: Callable[[str], None], over: threading.Event) -> None:
    begun = time.monotonic()
    if over.wait(_QUIET_S):
        return
    try:
        with connect() as client:
            while not over.wait(_LOOK_S):
                rows = client.query(_STATE.format(tag=tag)).result_rows
                tell(progress_text(time.monotonic() - begun, rows[0] if rows else None))
    except (ClickHouseError, EsepError):  # Who may not look is told nothing.
        pass
    finally:
        tell("")


def progress_text(elapsed_s: float, row: Any) -> str:
    """Return how far a statement is. row: rows read, rows to read by the engine's estimate, bytes of memory; or None.

    >>> progress_text(12.34, (50_000_000, 200_000_000, 300_000_000))
    '12.3 s · 50.0 of about 200.0 million rows (25 %) · 300 MB of memory'
    """
    if row is None:
        return f"{elapsed_s:.1f} s"
    read, total, memory = (int(value) for value in row)
    of_all = f" of about {total / _MILLION:.1f}" if total >= read > 0 else ""
    share = f" ({100 * read // total} %)" if of_all else ""
    return f"{elapsed_s:.1f} s · {read / _MILLION:.1f}{of_all} million rows{share} · {memory // _MILLION} MB of memory"


def _end(connect: Callable[[], Client], tag: str) -> bool | None:
    """Ask the engine to end a statement, and return whether it is gone; None if nobody may look."""
    try:
        with connect() as client:
            _ask(client, tag)
            until = time.monotonic() + _GONE_S_MAX
            while time.monotonic() < until:
                if not client.query(_STATE.format(tag=tag)).result_rows:
                    return True
                time.sleep(0.1)
            return False
    except (ClickHouseError, EsepError):
        return None


def _ask(client: Client, tag: str) -> None:
    with suppress(ClickHouseError):  # Who may end no queries relies on the connection that was closed.
        client.command(_END.format(tag=tag))
