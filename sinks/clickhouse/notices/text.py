"""Put a notice into words, in Kazakh and in Russian.

Reads     a `Notice`; words.yaml beside this file; the texts of the reject codes (`esep.codes`)
Returns   lines with their kind, for whatever shows them; the plain text
Promises  pure; the same notice gives the same text; every line that names what was not received is followed by why
          (clause O9-5.3; box: sinks/clickhouse)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from esep.clock import ALMATY
from esep.codes import BY_CODE
from esep.sinks.clickhouse.lines import Line, almaty
from esep.sinks.clickhouse.notices.facts import LATE_MIN, USUAL_DAYS
from esep.yaml_text import from_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.sinks.clickhouse.notices.facts import Gap, Gaps, Notice, Outage, Place, RejectLine, Silence

Language = Literal["kk", "ru"]
LANGUAGES: tuple[Language, ...] = ("kk", "ru")  # The language of the state stands first.


class _Words(BaseModel):
    """The sentences of one language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    head: tuple[str, ...]
    rejects: str
    reject: str
    place: str
    gaps: str
    gap: str
    gaps_reason: str
    more: str
    silence: str
    silent: str
    silence_reason: str
    outages: str
    outage: str
    outages_reason: str


_FILE = from_yaml(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"))
_WORDS = {language: _Words.model_validate(_FILE[language]) for language in LANGUAGES}


def plain_text(notice: Notice) -> str:
    """Return a notice as text: first in Kazakh, then in Russian."""
    before = {"title": "", "head": "", "section": "\n", "item": "  - ", "reason": "  "}
    parts = ["\n".join(before[line.kind] + line.text for line in lines_of(notice, language)) for language in LANGUAGES]
    return "\n\n".join(parts) + "\n"


def lines_of(notice: Notice, language: Language) -> list[Line]:
    """Return the lines of a notice in one language."""
    words = _WORDS[language]
    day, due = f"{notice.day:%d.%m.%Y}", f"{notice.due_at.astimezone(ZoneInfo(ALMATY)):%d.%m.%Y %H:%M}"
    names = {"notice_id": notice.notice_id, "organizer_bin": notice.organizer_bin, "day": day, "due": due}
    lines = [Line("title", words.title), *(Line("head", one.format(**names)) for one in words.head)]
    lines += _rejects(notice.rejects, words, language)
    lines += _gaps(notice.gaps, words) if notice.gaps else []
    lines += _silence(notice.silence, words) if notice.silence else []
    lines += _outages(notice.outages, words)
    return lines


def _rejects(rejects: tuple[RejectLine, ...], words: _Words, language: Language) -> Iterator[Line]:
    if rejects:
        yield Line("section", words.rejects.format(count=sum(one.count for one in rejects)))
    for one in rejects:
        text = words.reject.format(
            code=one.reject_code,
            count=one.count,
            reason=getattr(BY_CODE[one.reject_code], language).strip(),
            first=almaty(one.first_received_at),
            last=almaty(one.last_received_at),
            examples="; ".join(_place(place, words) for place in one.examples),
        )
        yield Line("item", text)


def _place(place: Place, words: _Words) -> str:
    return words.place.format(partition=place.partition, offset=place.offset)


def _gaps(gaps: Gaps, words: _Words) -> Iterator[Line]:
    yield Line("section", words.gaps.format(streams=gaps.stream_count, count=gaps.missing_count))
    for gap in gaps.streams:
        ranges = _ranges(gap, words)
        names = {"stream": gap.stream_id, "partition": gap.partition, "count": gap.missing_count, "ranges": ranges}
        yield Line("item", words.gap.format(**names))
    unnamed = gaps.stream_count - len(gaps.streams)
    if unnamed:
        yield Line("item", words.more.format(count=unnamed))
    yield Line("reason", words.gaps_reason)


def _ranges(gap: Gap, words: _Words) -> str:
    told = [str(first) if first == last else f"{first}–{last}" for first, last in gap.ranges]
    untold = gap.missing_count - sum(last - first + 1 for first, last in gap.ranges)
    return ", ".join([*told, *([words.more.format(count=untold)] if untold else [])])


def _silence(silence: Silence, words: _Words) -> Iterator[Line]:
    yield Line("section", words.silence)
    yield Line("item", words.silent.format(since=almaty(silence.since), days=USUAL_DAYS))
    yield Line("reason", words.silence_reason)


def _outages(outages: tuple[Outage, ...], words: _Words) -> Iterator[Line]:
    if not outages:
        return
    yield Line("section", words.outages.format(count=len(outages)))
    for one in outages:
        names = {"first": almaty(one.from_at), "last": almaty(one.to_at), "count": one.message_count}
        yield Line("item", words.outage.format(**names))
    yield Line("reason", words.outages_reason.format(minutes=int(LATE_MIN.total_seconds() // 60)))
