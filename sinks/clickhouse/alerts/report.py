"""The mandatory report of an alert: the facts that the law asks for, for a program and on paper.

Reads     a `Story` whose evidence is in the ledger; the term
Returns   the report as a JSON document; its lines in a language
Promises  pure; the same revision gives the same report; it names the person, for that is what it is for
          (AML law 191-IV, Art. 4(1)(1), Art. 10; O9-L1, O9-L4, O9-L5; box: sinks/clickhouse)

Our sources give the duty, the threshold and the term, and no form: the report says so of itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esep.errors import SinkUnavailable, UsageError
from esep.money import tenge_text
from esep.sinks.clickhouse.alerts.facts import MANDATORY, WITHDRAWN, instant
from esep.sinks.clickhouse.alerts.words import words
from esep.sinks.clickhouse.lines import Line, almaty

if TYPE_CHECKING:
    from datetime import datetime

    from esep.sinks.clickhouse.alerts.facts import Evidence, Story
    from esep.sinks.clickhouse.alerts.words import Language

TERM = "AML law 191-IV, Art. 10: no later than the next working day"
_INSTANTS = ("occurred_at", "wager_occurred_at", "received_at")
_FACTS = (  # Of each operation, by the ledger's names: who paid, in which way, for which bet; where that is proved.
    *("entry_id", "revision", "event_type", "kind", "amount_tiyn", "won_tiyn", "payment_method", "instrument_kind"),
    *("organizer_bin", "organizer_name", "organizer_kind", "licence_number", "site_id"),
    *("wager_id", "wager_amount_tiyn", *_INSTANTS),
    *("origin_topic", "origin_partition", "origin_offset", "ledger_partition", "ledger_offset", "body_sha256"),
)


def check_reportable(story: Story) -> None:
    """Raise UsageError where there is nothing to report, SinkUnavailable where the evidence is not loaded yet."""
    if story.severity != MANDATORY:
        raise UsageError(
            f"rule {story.rule_id} asks for no report", hint="`esep alerts due` lists what is to be reported"
        )
    if story.current.status == WITHDRAWN:
        raise UsageError("the alert is withdrawn: there is nothing to report", hint="see `esep alerts show`")
    if any(story.posting(one) is None for one in story.current.evidence):
        raise SinkUnavailable("the alert's evidence is not in the ledger's table yet", hint="see `esep status`")


def report_document(story: Story, due_at: datetime) -> dict[str, Any]:
    """Return the report for a program; due_at: UTC."""
    return {
        "report_id": f"{story.alert_id}/{story.current.number}",
        "form": None,
        "basis": story.basis,
        "term": TERM,
        "due_at": instant(due_at),
        "rule": {"rule_id": story.rule_id, "version": story.rule_version},
        "person": {"iin": story.iin},
        "reason": story.current.reasons,
        "observations": [one._asdict() for one in story.current.observations],
        "operations": [_operation(row) for _, row in _operations(story)],
    }


def report_lines(story: Story, due_at: datetime, language: Language) -> list[Line]:
    """Return the lines of the report in one language; due_at: UTC."""
    said = words(language)
    lines = [
        Line("title", said.report_title),
        Line("head", said.report_number.format(alert_id=story.alert_id, revision=story.current.number)),
        Line("head", said.rule.format(rule_id=story.rule_id, version=story.rule_version, basis=story.basis)),
        Line("head", said.due.format(due=almaty(due_at))),
        Line("section", said.person.format(iin=story.iin)),
        Line("reason", said.reason.format(reason=story.current.reasons[language])),
    ]
    for one, row in _operations(story):
        lines += _operation_lines(one, row, language)
    return [*lines, Line("section", said.report_form)]


def _operations(story: Story) -> list[tuple[Evidence, dict[str, Any]]]:
    return [(one, row) for one in story.current.evidence if (row := story.posting(one)) is not None]


def _operation(row: dict[str, Any]) -> dict[str, Any]:
    facts = {name: row[name] for name in _FACTS}
    return facts | {name: instant(row[name]) if row[name] else None for name in _INSTANTS}


def _operation_lines(one: Evidence, row: dict[str, Any], language: Language) -> list[Line]:
    said = words(language)
    operation = said.operation.format(
        at=almaty(one.occurred_at),
        amount=tenge_text(one.amount_tiyn),
        won=tenge_text(row["won_tiyn"] or 0),
        payment=row["payment_method"],
        organizer=row["organizer_name"],
        bin=row["organizer_bin"],
        licence=row["licence_number"],
        site=row["site_id"],
    )
    source = said.source.format(
        entry_id=one.entry_id,
        revision=one.revision,
        partition=one.ledger_partition,
        offset=one.ledger_offset,
        sha256=row["body_sha256"],
    )
    lines = [Line("item", operation)]
    if row["wager_occurred_at"]:
        stake = tenge_text(row["wager_amount_tiyn"] or 0)
        lines.append(
            Line("reason", said.wager.format(wager=row["wager_id"], at=almaty(row["wager_occurred_at"]), amount=stake))
        )
    return [*lines, Line("reason", source)]
