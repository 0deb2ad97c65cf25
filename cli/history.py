"""What commands that look for rules' alerts in history share: a session of the store, progress, and an end by Ctrl-C.

Reads     ClickHouse
Writes    progress on stderr, where that is a terminal
Promises  Ctrl-C ends the statement that runs, and with it the command, with exit code 130; what lay in temporary tables
          is gone with the session (box: cli)
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import typer
from clickhouse_connect.driver.exceptions import DatabaseError

from esep.cli.output import err
from esep.cli.shell.running import Cancelled, watched
from esep.clock import ALMATY, to_ms
from esep.errors import UsageError
from esep.sinks.clickhouse.alerts.search import run_in
from esep.sinks.clickhouse.client import LONG_S_MAX, connect, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from esep.rules import Rule, RuleSet
    from esep.settings import Settings
    from esep.sinks.clickhouse.alerts.search import Step

FROM = typer.Option("--from", formats=["%Y-%m-%d"], help="First Almaty day.")
TO = typer.Option("--to", formats=["%Y-%m-%d"], help="Last Almaty day.")
_CANCELLED = 130


class History:
    """A session. run: does a statement, returns its rows. tell: of a step."""

    def __init__(self, settings: Settings, show: Callable[[str], None]) -> None:
        self._settings = settings
        self._show = show
        self._step = "beginning"
        self._client = connect(settings, answer_s_max=LONG_S_MAX, session_id=uuid.uuid4().hex)
        self.close = self._client.close

    def tell(self, step: Step) -> None:
        """Show what is about to be done."""
        self._step = f"piece {step.piece} of {step.pieces}: {step.what}" if step.pieces else step.what
        self._show(self._step)

    def run(self, statement: str) -> Sequence[Sequence[Any]]:
        """Do a statement, and show how far it is."""
        with watched(lambda: connect(self._settings), self._tell_more) as one:
            return run_in(self._client, statement, one.settings)

    def _tell_more(self, progress: str) -> None:
        self._show(f"{self._step}, {progress}" if progress else self._step)


@contextmanager
def history_of(settings: Settings) -> Iterator[History]:
    """Give a session of the store that the settings name; raises Exit when it is cancelled."""
    try:
        with err.status("beginning") as shown:
            history = History(settings, shown.update)
            try:
                yield history
            finally:
                history.close()
    except Cancelled as cancelled:
        err.print(str(cancelled), highlight=False)
        raise typer.Exit(_CANCELLED) from None
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error


def sought_rules(rules: RuleSet, names: Sequence[str] | None) -> Sequence[Rule]:
    """Return the rules of these names, all that postings can fulfil where none is named; tells of those left out.

    Raises FileUnusable for a name that no such rule has.
    """
    if names:
        return [rules.rule(name) for name in dict.fromkeys(names)]
    for silence in rules.silences:
        err.print(f"{silence.rule_id} is about what did not happen: `esep rules settle --dry-run`", highlight=False)
    return rules.rules


def span_ms(first: datetime, last: datetime) -> tuple[int, int]:
    """Return where the first of these Almaty days begins and the last one ends; UsageError if that one is before."""
    if last < first:
        raise UsageError("the last day is before the first", hint="--from names the first day, --to the last one")
    zone = ZoneInfo(ALMATY)
    return to_ms(first.replace(tzinfo=zone)), to_ms((last + timedelta(days=1)).replace(tzinfo=zone))
