"""The lines that alerts, reports and notices are told in, and how an instant is written in them.

Reads     nothing
Returns   `Line`s; instants of Almaty
Promises  whatever shows lines knows every kind of them (clause J127-17; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple
from zoneinfo import ZoneInfo

from esep.clock import ALMATY

if TYPE_CHECKING:
    from datetime import datetime

Kind = Literal["title", "head", "section", "item", "reason"]


class Line(NamedTuple):
    """One line and what it is."""

    kind: Kind
    text: str


def almaty(at: datetime) -> str:
    """Return an instant as a person in Almaty reads it.

    >>> from datetime import UTC, datetime
    >>> almaty(datetime(2026, 11, 20, 19, 30, tzinfo=UTC))
    '21.11.2026 00:30:00'
    """
    return f"{at.astimezone(ZoneInfo(ALMATY)):%d.%m.%Y %H:%M:%S}"
