"""A ledger for reports: events with corrections as Hypothesis draws them, booked as postings, and what they come to.

Reads     a ClickHouse; nothing of the code that makes reports
Returns   `ReportBooks`: the table, and every event that is in force; `days`, `history`, of which they consist; `summed`
Promises  the oracle knows events in force, not postings with legs: it and the reports share no idea of a correction
"""

from __future__ import annotations

import hashlib
import random
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from esep.calendar import start_of_day
from esep.codec import encode
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.migrate import migrate
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import LEDGER_TABLE
from esep.topics import LEDGER
from tests.sinks.line import BINS, IINS, frame_of, postings

if TYPE_CHECKING:
    import pytest

    from esep.embedded.clickhouse import ClickHouseServer

DAY = date(2026, 10, 31)  # The last of a month, so that a border of the day is one of the month too.
MS = timedelta(milliseconds=1)
ALMATY = ZoneInfo("Asia/Almaty")
PARTITIONS = 2


@dataclass(frozen=True)
class Event:
    """What an organizer reported, as it is in force."""

    event_type: str
    iin: str
    organizer_bin: str
    at: datetime
    amount_tiyn: int
    payment_method: str = "CARD"
    funding: str | None = None
    kind: str | None = None
    odds_milli: int | None = None
    instrument_hash: str | None = None

    @property
    def day(self) -> date:
        return self.at.astimezone(ALMATY).date()

    @property
    def movement(self) -> str:
        """By the note to the list: an account's movements, or a desk's or card's stakes and payouts, or neither."""
        if self.event_type == "WAGER":
            return "STAKE_INSIDE" if self.funding in {"ACCOUNT_BALANCE", "BONUS"} else "STAKE"
        if self.event_type == "PAYOUT":
            return "PAYOUT_INSIDE" if self.payment_method == "ACCOUNT" else "PAYOUT"
        return self.event_type

    @property
    def is_cash(self) -> bool:
        return "CASH" in {self.payment_method, self.funding}


@dataclass(frozen=True)
class Reported:
    """An event as first told, and what each later correction made of it (None: voided)."""

    first: Event
    corrections: tuple[Event | None, ...] = ()

    @property
    def in_force(self) -> Event | None:
        return self.as_of(len(self.corrections))

    def as_of(self, corrections: int) -> Event | None:
        """Return what is in force after so many corrections, or after all where there are fewer."""
        return [self.first, *self.corrections][min(corrections, len(self.corrections))]


class ReportBooks:
    """Tables of a test's own, and what was booked in them."""

    def __init__(self, clickhouse: ClickHouseServer) -> None:
        self.settings = Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"reports_{uuid.uuid4().hex[:8]}")
        migrate(self.settings)
        self.reported: list[Reported] = []
        self.received_at: list[datetime] = []  # Of each first telling.
        self._blocks: list[tuple[str, bytes]] = []  # The last that were loaded.
        self.rows = [0] * PARTITIONS
        self._pattern = postings(1, partition=0).to_dicts()[0]

    def show_to_commands(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ESEP_CLICKHOUSE_URL", self.settings.clickhouse_url)
        monkeypatch.setenv("ESEP_CLICKHOUSE_DATABASE", self.settings.clickhouse_database)

    def report(self, reported: Iterable[Reported], *, received_after: timedelta = timedelta(seconds=1)) -> None:
        """Book events with their corrections; the n-th correction is received n hours later."""
        booked: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for one in reported:
            self.reported.append(one)
            sequence, before = len(self.reported), one.first
            received_at = one.first.at + received_after
            self.received_at.append(received_at)
            self._post(booked, one.first, sequence, 0, 1, received_at)
            for revision, now in enumerate(one.corrections, 1):
                received_at += timedelta(hours=1)
                self._post(booked, before, sequence, revision, -1, received_at)
                if now is not None:
                    self._post(booked, now, sequence, revision, 1, received_at)
                    before = now
        self._blocks = []
        for partition, rows in booked.items():
            last = self.rows[partition]
            values = list(encode(frame_of("ledger", rows), schema("ledger")))
            # Offsets have holes where the broker put its markers; rows have none.
            offsets = [2 * row["row"] for row in rows]
            found = rows_of(Records(TopicPartition(LEDGER, partition), offsets, values), None)
            self._blocks += [(f"{partition}-{last}-{month}", found.block(month)) for month in found.months()]
        self._load("")

    def repeat(self) -> None:
        """Load the last blocks again under other tokens, as if theirs had been forgotten."""
        self._load("again-")

    def _load(self, prefix: str) -> None:
        store = Store(self.settings)
        for token, block in self._blocks:
            store.insert(LEDGER_TABLE, f"{prefix}{token}", block)
        store.close()

    def _post(
        self,
        booked: dict[int, list[dict[str, Any]]],
        event: Event,
        sequence: int,
        revision: int,
        leg: int,
        received_at: datetime,
    ) -> None:
        partition = IINS.index(event.iin) % PARTITIONS if event.iin in IINS else 0
        self.rows[partition] += 1
        row = self.rows[partition]
        is_payout = event.event_type == "PAYOUT"
        booked[partition].append(
            {
                **self._pattern,
                "row": row,
                "received_at": received_at,
                "cause_partition": partition,
                "cause_offset": row,
                "origin_offset": sequence,
                "entry_id": f"{event.organizer_bin}/desk/{sequence}",
                "revision": revision,
                "leg": leg,
                "event_type": event.event_type,
                "organizer_bin": event.organizer_bin,
                "stream_id": "desk",
                "sequence": sequence,
                "iin": event.iin,
                "occurred_at": event.at,
                "amount_tiyn": leg * event.amount_tiyn,
                "payment_method": event.payment_method,
                "funding": event.funding,
                "kind": event.kind,
                "odds_milli": event.odds_milli,
                "instrument_kind": None if event.instrument_hash is None else "CARD",
                "instrument_hash": event.instrument_hash,
                "instrument_key_version": None if event.instrument_hash is None else 1,
                "channel": "ONLINE" if event.event_type == "WAGER" else None,
                "won_tiyn": leg if is_payout else None,
                "wager_occurred_at": event.at if is_payout else None,
                "organizer_name": f"ЖШС «Бәс {event.organizer_bin[-2:]}»",
                "body_sha256": hashlib.sha256(b"%d" % sequence).hexdigest(),
            }
        )

    @property
    def in_force(self) -> list[Event]:
        return [event for one in self.reported if (event := one.in_force) is not None]

    def known_at(self, at: datetime) -> list[Event]:
        """Return what was in force by what had been received at an instant."""
        told = zip(self.reported, self.received_at, strict=True)
        known = [one.as_of((at - received_at) // timedelta(hours=1)) for one, received_at in told if received_at <= at]
        return [event for event in known if event is not None]


_SHARED: dict[str, ReportBooks] = {}


def shared_books(clickhouse: ClickHouseServer) -> ReportBooks:
    """Return the tables that all tests of reports on a server share: to make them costs a second and more."""
    if clickhouse.url not in _SHARED:
        _SHARED[clickhouse.url] = ReportBooks(clickhouse)
    return _SHARED[clickhouse.url]


METHODS = ("CASH", "CARD", "BANK_TRANSFER", "ACCOUNT")
FUNDINGS = ("CASH", "CARD", "ACCOUNT_BALANCE", "BONUS", None)
KINDS = ("WINNING", "REFUND", "CASH_OUT")
ODDS = (1_050, 1_100, 1_101, 2_000, None)
MEANS = ("a" * 64, "b" * 64, None)
AMOUNTS = (1, 100_000_00, 500_000_00, 600_000_00, 999_999_99, 1_000_000_00, 5_000_000_00)
CHANGED = ("amount_tiyn", "iin", "at", "payment_method", "instrument_hash")


def borders(day: date) -> list[datetime]:
    """Return instants about the borders of a day in Almaty, of its month and of its year."""
    starts = [start_of_day(one) for one in (day, day + timedelta(days=1), day.replace(day=1), date(day.year, 1, 1))]
    return [at for start in starts for at in (start, start - MS)]


@st.composite
def events(draw: st.DrawFn, day: date = DAY) -> Event:
    """Draw an event of any type, on the day or about a border."""
    event_type = draw(st.sampled_from(["WAGER", "PAYOUT", "DEPOSIT", "WITHDRAWAL"]))
    within = st.integers(0, 86_399_999).map(lambda ms: start_of_day(day) + ms * MS)
    return Event(
        event_type,
        draw(st.sampled_from(IINS)),
        draw(st.sampled_from(BINS)),
        draw(st.sampled_from(borders(day)) | within),
        draw(st.sampled_from(AMOUNTS) | st.integers(1, 10**13)),
        draw(st.sampled_from(METHODS)),
        draw(st.sampled_from(FUNDINGS)) if event_type == "WAGER" else None,
        draw(st.sampled_from(KINDS)) if event_type == "PAYOUT" else None,
        draw(st.sampled_from(ODDS)) if event_type == "WAGER" else None,
        draw(st.sampled_from(MEANS)),
    )


@st.composite
def reported(draw: st.DrawFn, day: date = DAY) -> Reported:
    """Draw an event with up to two corrections: another sum, person, instant, way; or voided, for good."""
    first = draw(events(day))
    found: list[Event | None] = []
    before = first
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        if draw(st.booleans()):
            found.append(None)
            break
        other = draw(events(day))
        before = replace(before, **{name: getattr(other, name) for name in draw(st.sets(st.sampled_from(CHANGED)))})
        found.append(before)
    return Reported(first, tuple(found))


@st.composite
def days(draw: st.DrawFn, count: int = 150) -> list[Reported]:
    """Draw a few events that can be made smaller, and many at random: an insert costs the same for few and for many."""
    return [*draw(st.lists(reported(), max_size=10)), *history(draw(st.integers(0, 2**32)), count)]


def history(seed: int, count: int, day: date = DAY) -> list[Reported]:
    """Return a day of four persons with two organizers at random, with what `reported` has too."""
    draw, found = random.Random(seed), []
    for _ in range(count):
        first = last = _at_random(draw, day)
        corrections: list[Event | None] = []
        while draw.random() < 0.15:
            other = _at_random(draw, day)
            last = replace(last, **{name: getattr(other, name) for name in draw.sample(CHANGED, 2)})
            corrections.append(last)
        if draw.random() < 0.05:
            corrections.append(None)
        found.append(Reported(first, tuple(corrections)))
    return found


def _at_random(draw: random.Random, day: date) -> Event:
    event_type = draw.choice(["WAGER", "PAYOUT", "DEPOSIT", "WITHDRAWAL"])
    within = start_of_day(day) + draw.randrange(86_400_000) * MS
    return Event(
        event_type,
        draw.choice(IINS),
        draw.choice(BINS),
        draw.choice(borders(day)) if draw.random() < 0.1 else within,
        draw.choice([*AMOUNTS, draw.randrange(1, 900_000_00)]),
        draw.choice(METHODS),
        draw.choice(FUNDINGS) if event_type == "WAGER" else None,
        draw.choice(KINDS) if event_type == "PAYOUT" else None,
        draw.choice(ODDS) if event_type == "WAGER" else None,
        draw.choice(MEANS),
    )


def almaty_text(at: datetime) -> datetime:
    """Return an instant of whole seconds, UTC, as a report has it."""
    return at.replace(microsecond=0).astimezone(UTC)


def summed(found: Sequence[Event], *, of: str = "", is_cash: bool | None = None) -> int:
    """Return a sum of amounts, of movements named in `of`, of those in cash or not."""
    names = of.split()
    return sum(
        event.amount_tiyn
        for event in found
        if (not names or event.movement in names) and is_cash in {None, event.is_cash}
    )
