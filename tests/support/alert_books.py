"""Tables with one person's payouts, the alerts that they lead to and what was decided, put there as the loader does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from esep.clock import to_ms
from esep.dispositions import Decision, Dispositions, Seen
from esep.lineage import TopicPartition
from esep.rules import load_rules
from esep.sinks.clickhouse.alerts.facts import Story
from esep.sinks.clickhouse.alerts.query import seen, story_of
from esep.sinks.clickhouse.client import connect
from esep.stream_apps.alerts.book import Book
from esep.stream_apps.alerts.columns import Posting
from esep.stream_apps.alerts.message import Cause, alert_record
from esep.stream_apps.alerts.program import compile_rules
from esep.stream_apps.alerts.state import AlertState
from esep.stream_apps.alerts.watch import Outcome
from esep.topics import ALERTS, DISPOSITIONS, LEDGER
from tests.sinks.line import postings
from tests.support.notice_books import ALATAU, ESIL, Books

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.embedded.clickhouse import ClickHouseServer
    from esep.stream_apps.alerts.program import Compiled

PERSON = "900101300007"
FRIDAY_NOON = datetime(2026, 11, 20, 7, tzinfo=UTC)  # 12:00 in Almaty; Monday, 23 November is the next working day.
MILLION = 1_000_000_00
RULES = load_rules()
PROGRAM = compile_rules(RULES)
((WIN_THRESHOLD,), (WIN_STRUCTURED,)) = PROGRAM.entry_rules, PROGRAM.window_rules


class AlertBooks(Books):
    """The tables; revisions are made by the stage's own code, and numbered here."""

    def __init__(self, clickhouse: ClickHouseServer) -> None:
        super().__init__(clickhouse)
        self.known = Dispositions()
        self.paid = 0

    def pay(self, amount_tiyn: int, *, bin_: str = ALATAU, at: datetime = FRIDAY_NOON, leg: int = 1) -> Posting:
        """Book a payout of winnings, or take one back; return it as the rules see it."""
        self.paid += 1
        self.rows[LEDGER] += 1
        entry_id = f"{bin_}/desk-{PERSON}/{self.paid}"
        posting = {
            **postings(1, partition=0, first_row=self.paid).to_dicts()[0],
            "entry_id": entry_id,
            "organizer_bin": bin_,
            "stream_id": f"desk-{PERSON}",
            "iin": PERSON,
            "event_type": "PAYOUT",
            "kind": "WINNING",
            "channel": None,
            "leg": leg,
            "occurred_at": at,
            "amount_tiyn": leg * amount_tiyn,
            "won_tiyn": leg * amount_tiyn // 2,
            "wager_amount_tiyn": 5_000_00,
            "wager_occurred_at": at - timedelta(hours=2),
            "received_at": at + timedelta(seconds=1),
            **{f"person_{span}_winning_tiyn": amount_tiyn * self.paid for span in ("year", "ever")},
            **{f"person_{span}_winning_count": self.paid for span in ("year", "ever")},
            "body_sha256": sha256(b"%d" % self.paid).hexdigest(),
        }
        self.load(LEDGER, "ledger", [posting])
        return Posting(to_ms(at), entry_id, 0, leg, leg * amount_tiyn, self.rows[LEDGER] - 1)

    def alert(
        self,
        window: Sequence[Posting],
        revision: int = 1,
        by: Compiled = WIN_THRESHOLD,
        bucket: str = "",
        instrument_hash: str | None = None,
    ) -> str:
        """Raise, change or (no window) withdraw an alert; return its id.

        bucket: by default the window's last entry. instrument_hash: of an alert that is about a means of payment.
        """
        self.rows[ALERTS] += 1
        last = window[-1] if window else Posting(to_ms(FRIDAY_NOON), "", 0, 1, 0, 0)
        status = ("OPEN" if revision == 1 else "UPDATED") if window else "WITHDRAWN"
        state = AlertState(revision, status, bytes(16))
        legs = PROGRAM.with_bits(window)
        found = Book(by, legs).judged(legs[-1]) if legs else None
        outcome = Outcome(by.rule, b"p" * 16, bucket or last.entry_id, state, found, 0)
        at = last.occurred_ms
        cause = Cause(TopicPartition(LEDGER, 0), self.rows[ALERTS], at + 1_000 * revision, at, PERSON, 1)
        record = alert_record(outcome, cause, self.rows[ALERTS], RULES.withdrawn)
        if instrument_hash is not None:
            iins = [PERSON] * len(record["evidence"])
            record |= {"iin": "", "instrument_hash": instrument_hash, "evidence_iins": iins}
        instants = {name: datetime.fromtimestamp(record[name] / 1000, UTC) for name in ("received_at", "occurred_at")}
        evidence = [
            {**one, "occurred_at": datetime.fromtimestamp(one["occurred_at"] / 1000, UTC)} for one in record["evidence"]
        ]
        self.load(ALERTS, "alert", [{**record, **instants, "evidence": evidence}])
        return str(record["alert_id"])

    def structured(self, window: Sequence[Posting]) -> str:
        return self.alert(window, by=WIN_STRUCTURED, bucket="2026-11-20")

    def decide(self, alert_id: str, verdict: str, revision: int = 0, reference: str = "2026/117") -> Seen:
        """Record a decision; return the revision that it is about."""
        with connect(self.settings) as client:
            about = seen(client, alert_id, revision)
        self.rows[DISPOSITIONS] += 1
        at = FRIDAY_NOON + timedelta(hours=self.rows[DISPOSITIONS])
        record = self.known.next_record(about, Decision(verdict, reference, "Қаралды.", "a.serikova"), at)
        self.known.add(record)
        self.load(DISPOSITIONS, "disposition", [{**record, "received_at": about.received_at, "decided_at": at}])
        return about

    def story(self, alert_id: str) -> Story:
        with connect(self.settings) as client:
            return story_of(client, alert_id)

    def query(self, statement: str) -> list[dict[str, Any]]:
        with connect(self.settings) as client:
            return list(client.query(statement).named_results())


__all__ = ["ALATAU", "ESIL", "FRIDAY_NOON", "MILLION", "PERSON", "WIN_STRUCTURED", "AlertBooks"]
