"""What a replay reads is asked for in the right order: how far each input goes, and what must be there."""

from __future__ import annotations

import confluent_kafka as ck
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import BrokerUnavailable, SettingInvalid
from esep.lineage import TopicPartition
from esep.stream_apps.replay import log as module
from esep.stream_apps.replay.log import Cut, KafkaLog, Span, cut_of
from esep.stream_apps.stage import Batch

OFFSETS = st.integers(0, 50)


@given(OFFSETS, st.none() | OFFSETS, OFFSETS, st.none() | OFFSETS)
def test_what_is_required_lies_within_what_is_replayed_and_that_within_what_is_kept(
    first: int, before: int | None, more: int, until: int | None
) -> None:
    after = None if before is None else before + more
    span = Span(first, 200)
    if until is not None and until > max(first, before or first):
        with pytest.raises(SettingInvalid, match=f"before offset {until} is not processed yet"):
            cut_of(span, before, after, until)
        return
    cut = cut_of(span, before, after, until)
    assert first == cut.first <= cut.required <= cut.through
    assert cut.ends_open == (until is not None)
    assert cut.through <= max(first, after or 0)
    if until is None:
        assert (cut.required, cut.through) == (max(first, before or first), max(first, after or first))


def test_input_of_which_nothing_was_processed_is_replayed_to_its_beginning() -> None:
    assert cut_of(Span(7, 90), None, None, None) == Cut(7, 7, 7)


def test_what_the_broker_refuses_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """What KafkaLog reads where it is answered, tests/integration/test_replay.py looks at."""

    def refuse(*_: object) -> None:
        raise ck.KafkaException(ck.KafkaError(ck.KafkaError.UNKNOWN_TOPIC_OR_PART))

    monkeypatch.setattr(module, "offsets_at", refuse)
    monkeypatch.setattr(module, "committed_offsets", refuse)
    log = KafkaLog("127.0.0.1:1", "loader")
    with pytest.raises(BrokerUnavailable, match="the ends of the topics are not known"):
        log.spans([TopicPartition("ledger", 0)])
    with pytest.raises(BrokerUnavailable, match="what the group totals has committed is not known"):
        log.done("totals", [TopicPartition("accepted", 0)])


def test_chunks_become_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    source = TopicPartition("ledger", 0)

    class Message:
        def offset(self) -> int:
            return 7

        def timestamp(self) -> tuple[int, int]:
            return (1, 99)

        def key(self) -> bytes:
            return b"k"

        def value(self) -> bytes:
            return b"v"

    monkeypatch.setattr(module, "committed", lambda *_, **__: [[Message()]])
    assert list(KafkaLog("127.0.0.1:1", "loader").read(source, 0, 9)) == [Batch(source, [7], [99], [b"k"], [b"v"])]
