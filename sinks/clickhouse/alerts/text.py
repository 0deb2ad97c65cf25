"""Tell in words why an alert was raised.

Reads     a `Story`; the sentences of a language
Returns   lines with their kind; the plain text
Promises  pure; the person is named only where that was asked for; the reason is the rule's own sentence as it was
          filled in when the alert was raised, whatever the rule says since
          (DESIGN §7; clause O9-5.1; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.money import tenge_text
from esep.sinks.clickhouse.alerts.facts import MEASURES, Evidence, Story, shown, whom
from esep.sinks.clickhouse.alerts.words import words
from esep.sinks.clickhouse.lines import Line, almaty

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from esep.sinks.clickhouse.alerts.words import Language

_BEFORE = {"title": "", "head": "", "section": "\n", "item": "  - ", "reason": "    "}


def plain_text(lines: Sequence[Line]) -> str:
    """Return lines as text."""
    return "\n".join(_BEFORE[line.kind] + line.text for line in lines) + "\n"


def lines_of(story: Story, language: Language, *, due_at: datetime | None, show_iin: bool) -> list[Line]:
    """Return the lines of a story in one language. due_at: of the mandatory report, if there is one to make."""
    return [
        *_head(story, language, due_at, show_iin),
        *_observed(story, language),
        *_evidence(story, language, show_iin),
        *_totals(story, language),
        *_revisions(story, language),
        *_decisions(story, language),
    ]


def _head(story: Story, language: Language, due_at: datetime | None, show_iin: bool) -> Iterator[Line]:
    said, now = words(language), story.current
    yield Line("title", said.title.format(alert_id=story.alert_id, revision=now.number, status=now.status))
    yield Line("head", said.rule.format(rule_id=story.rule_id, version=story.rule_version, basis=story.basis))
    yield Line("head", said.severity.format(severity=story.severity, mode=story.mode))
    yield Line("head", _about(story, language, show_iin))
    yield Line("head", said.reason.format(reason=now.reasons[language]))
    if due_at is not None:
        yield Line("head", said.due.format(due=almaty(due_at)))


def _about(story: Story, language: Language, show_iin: bool) -> str:
    """Return whom or what the alert is about."""
    said, grounds = words(language), story.grounds
    if story.organizer_bin is not None:
        times = [
            said.unended if one is None else almaty(one) for one in (grounds.silence_began_at, grounds.silence_ended_at)
        ]
        return said.organizer.format(
            organizer_bin=story.organizer_bin, silence_began_at=times[0], silence_ended_at=times[1]
        )
    if story.instrument_hash is not None:
        persons = len({one.iin for one in grounds.evidence})
        return said.instrument.format(instrument_hash=story.instrument_hash, persons=persons)
    return said.person.format(iin=whom(story.iin, show_iin=show_iin))


def _observed(story: Story, language: Language) -> Iterator[Line]:
    said = words(language)
    yield Line("section", said.observed)
    for one in story.grounds.observations:
        value, threshold = _amount(one.value, one.unit), _amount(one.threshold, one.unit)
        unit = "" if one.unit == "tiyn" else one.unit
        text = said.observation.format(name=one.name, value=value, threshold=threshold, unit=unit)
        yield Line("item", text.rstrip())


def _amount(value: int, unit: str) -> str:
    return f"{tenge_text(value)} KZT" if unit == "tiyn" else f"{value:,}"


def _evidence(story: Story, language: Language, show_iin: bool) -> Iterator[Line]:
    grounds = story.grounds
    yield Line("section", words(language).evidence.format(revision=grounds.number, count=len(grounds.evidence)))
    for one in grounds.evidence:
        whose = "" if one.iin is None else f"; {words(language).person.format(iin=whom(one.iin, show_iin=show_iin))}"
        yield Line("item", shown(_entry(story, one, language), show_iin=show_iin) + whose)


def _entry(story: Story, one: Evidence, language: Language) -> str:
    said, row = words(language), story.posting(one)
    place = {
        "at": almaty(one.occurred_at),
        "amount": tenge_text(one.amount_tiyn),
        "entry_id": one.entry_id,
        "revision": one.revision,
        "partition": one.ledger_partition,
        "offset": one.ledger_offset,
    }
    if row is None:
        return said.unloaded.format(**place)
    return said.entry.format(
        **place,
        organizer=f"{row['organizer_name']} ({row['organizer_bin']})",
        event=row["event_type"],
        kind=row["kind"] or "",
        payment=row["payment_method"],
        wager=row["wager_id"],
    )


def _totals(story: Story, language: Language) -> Iterator[Line]:
    said, row = words(language), story.totals()
    if row is None:
        return
    yield Line("section", said.totals)
    for measure in MEASURES:
        if row[f"person_ever_{measure}_count"]:
            sums = {span: tenge_text(row[f"person_{span}_{measure}_tiyn"]) for span in ("year", "ever")}
            counts = {f"{span}_count": row[f"person_{span}_{measure}_count"] for span in ("year", "ever")}
            yield Line("item", said.total.format(measure=said.measures[measure], **sums, **counts))


def _revisions(story: Story, language: Language) -> Iterator[Line]:
    said = words(language)
    yield Line("section", said.revisions.format(count=len(story.revisions)))
    for one, change in zip(story.revisions, story.changes(), strict=True):
        counts = {"came": len(change.came), "left": len(change.left)}
        at, reason = almaty(one.received_at), one.reasons[language]
        yield Line("item", said.revision.format(number=one.number, status=one.status, at=at, reason=reason, **counts))


def _decisions(story: Story, language: Language) -> Iterator[Line]:
    said = words(language)
    yield Line("section", said.decisions.format(count=len(story.decisions)))
    for one in story.decisions:
        told = {"officer": one.officer, "verdict": one.verdict, "revision": one.revision, "reason": one.reason}
        text = said.decision.format(at=almaty(one.decided_at), reference=one.reference, **told)
        yield Line("item", text.rstrip())
    if story.decisions and not story.decided:
        yield Line("reason", said.stale)
