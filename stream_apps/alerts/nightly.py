"""Alerts of the nightly run as messages, in the words of the stage.

Reads     `News`; the settlement that they belong to
Returns   messages for `compliance.alerts`; how far their lanes are
Promises  an alert has the id, key, partition and texts that the stage gives it; rows are dense in lanes that no stage
          writes: from `compliance.settlements` (decisions 0003, 0035; box: alerts)
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from esep.lineage import TopicPartition
from esep.lone_writer import Message
from esep.partitioner import partition_of
from esep.rules import SilenceRule
from esep.stream_apps.alerts.book import Found, Observed
from esep.stream_apps.alerts.columns import Posting, ledger_place
from esep.stream_apps.alerts.instruments import instrument_key
from esep.stream_apps.alerts.message import Cause, alert_record, headers_of, organizer_key, organizer_record
from esep.stream_apps.alerts.state import DIGEST_BYTES, AlertState
from esep.stream_apps.alerts.watch import Outcome
from esep.topics import ALERTS, SETTLEMENTS
from esep.versions import encode_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from esep.identifiers import PersonKeys
    from esep.rule_parts import Texts
    from esep.settlements import Settlement
    from esep.settling import Finding, News

SETTLEMENTS_PLACE = TopicPartition(SETTLEMENTS, 0)


class Nightly:
    """What a run writes. partitions: of `compliance.alerts`. rows: by partition, the last of the runs before."""

    def __init__(self, news: Sequence[News], keys: PersonKeys, partitions: int, rows: Mapping[int, int]) -> None:
        self._news = news
        self._keys = [_key(one, keys) for one in news]
        self._outputs = [_partition(one, key, partitions) for one, key in zip(news, self._keys, strict=True)]
        counts = Counter(self._outputs)
        self._rows = dict(rows)
        self.rows = {partition: self._rows.get(partition, 0) + count for partition, count in counts.items()}
        self.written = dict(Counter((one.rule.rule_id, one.rule.version, one.status) for one in news))

    def messages(self, offset: int, settlement: Settlement, withdrawn: Texts) -> list[Message]:
        """Return them. offset: of the settlement's own record, which is their cause."""
        messages, rows = [], Counter(self._rows)
        for news, key, partition in zip(self._news, self._keys, self._outputs, strict=True):
            rows[partition] += 1
            cause = _cause(news, offset, settlement.until_ms)
            record = _record(news, key, cause, rows[partition], withdrawn)
            value, headers = encode_record(record, "alert"), headers_of(record)
            messages.append(Message(TopicPartition(ALERTS, partition), key, value, headers))
        return messages


def _key(news: News, keys: PersonKeys) -> bytes:
    if news.rule.subject == "person":
        return keys([news.owner])[0]
    return instrument_key(news.owner) if news.rule.subject == "instrument" else organizer_key(news.owner)


def _partition(news: News, key: bytes, partitions: int) -> int:
    """Return the partition that the stage writes such an alert to: that of the ledger, or of means of payment.

    What is about an organizer goes where its key leads.
    """
    if news.said is not None:
        return news.said.partition
    of_person = news.rule.subject == "person" and news.found is not None
    return news.found.evidence[-1].partition if of_person and news.found else partition_of(key, partitions)


def _record(news: News, key: bytes, cause: Cause, row: int, withdrawn: Texts) -> dict[str, Any]:
    if isinstance(news.rule, SilenceRule):
        return organizer_record(news, _observed(news.found) if news.found else (), cause, row, withdrawn)
    state = AlertState(news.revision, news.status, bytes(DIGEST_BYTES))
    found = None if news.found is None else _found(news.found)
    return alert_record(Outcome(news.rule, key, news.bucket, state, found, 0), cause, row, withdrawn)


def _found(finding: Finding) -> Found:
    of_person = finding.rule.subject == "person"
    evidence = tuple(
        Posting(
            one.occurred_ms, one.entry_id, one.revision, one.leg, one.amount_tiyn,
            one.offset if of_person else ledger_place(one.partition, one.offset), linked="" if of_person else iin,
        )
        for one, iin in zip(finding.evidence, finding.iins, strict=True)
    )  # fmt: skip
    return Found(evidence[-1], evidence, _observed(finding), ())


def _observed(finding: Finding) -> tuple[Observed, ...]:
    return tuple(Observed(one.name, one.value, one.threshold, one.unit, one.holds) for one in finding.values)


def _cause(news: News, offset: int, until_ms: int) -> Cause:
    said, found = news.said, news.found
    return Cause(
        SETTLEMENTS_PLACE,
        offset,
        until_ms,
        said.occurred_ms if said is not None else 0,
        news.owner if news.rule.subject == "person" else "",
        found.reference_version if found is not None else said.reference_version if said is not None else 0,
        news.owner if news.rule.subject == "instrument" else None,
        found.evidence[-1].partition if found is not None and found.evidence else None,
    )
