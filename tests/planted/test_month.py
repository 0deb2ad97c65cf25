"""The planted month: intake takes it in as it stands, and what is planted stays apart from the rest."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

import polars as pl

from esep.checks import check_form
from esep.codec import INDEX, decode
from esep.events import EVENT_RECORDS, unified
from tests.planted.answers import answers
from tests.planted.month import Month, month, planted_messages
from tests.planted.teller import DAYS, STORIES, on

EVENTS, PERSONS = 500, 300  # Of the background: the stories are what is tested here.


@cache
def _month() -> Month:
    return month(EVENTS, PERSONS)


def _planted() -> pl.DataFrame:
    values = [message.value for name in STORIES for message in planted_messages(name)]
    return unified(decode(values, EVENT_RECORDS).frames)


def test_every_planted_event_passes_every_check_of_form() -> None:
    assert check_form(_planted()).null_count() == _planted().height


def test_same_size_gives_the_same_month() -> None:
    assert month(EVENTS, PERSONS).messages == _month().messages


def test_planted_persons_are_nobody_of_the_rest() -> None:
    rest = [message.value for message in _month().messages if message.story is None]
    persons = set(unified(decode(rest, EVENT_RECORDS).frames)["iin"])
    assert len(persons) > 100
    assert not persons & {iin for answer in answers().values() for iin in answer.persons.values()}


def test_messages_come_in_order_of_receipt_and_those_of_the_rest_within_the_month() -> None:
    made = _month().messages
    received = [message.received_at for message in made]
    assert received == sorted(received)
    rest = [message.received_at for message in made if message.story is None]
    assert on(1, 0) <= min(rest)
    assert max(rest) <= on(1, 0) + timedelta(days=DAYS + 1)


def test_each_stream_of_a_story_is_numbered_without_a_gap_in_order_of_receipt() -> None:
    values = [message.value for name in STORIES for message in planted_messages(name)]
    frames = decode(values, EVENT_RECORDS).frames.values()
    told = pl.concat([frame.select(INDEX, "organizer_bin", "stream_id", "sequence") for frame in frames]).sort(INDEX)
    for (_, name), stream in told.group_by("organizer_bin", "stream_id"):
        assert stream["sequence"].to_list() == list(range(1, stream.height + 1)), name
