"""A day's statement is what the spool holds of the day, and only its organizer can have made it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import FileUnusable, UsageError
from esep.mountains import root_of
from esep.producers.day_statement import DayOfStream, read_day, sign_day
from esep.producers.spool import Spool
from tests.producers.spooling import ORGANIZER, bet
from tests.support.told_receipts import DESK, FAR_DESK, Organizer

KEY, OTHER_KEY = (Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32)) for seed in (1, 2))
DAY = date(2026, 11, 20)
MIDNIGHT = datetime(2026, 11, 19, 19, tzinfo=UTC)  # When the day begins in Almaty.
NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def organizer(tmp_path: Path) -> Iterator[Organizer]:
    """Three bets before the day, one in its first and its last millisecond each, two after; another desk after."""
    made = Organizer(tmp_path)
    for at, count in [(-1, 3), (0, 1), (24 * 3600_000 - 1, 1), (24 * 3600_000, 2)]:
        made.now = MIDNIGHT + timedelta(milliseconds=at)
        made.report(DESK, count)
    made.report(FAR_DESK, 1)
    yield made
    made.close()


def signed(organizer: Organizer, day: date = DAY) -> tuple[DayOfStream, ...]:
    return read_day(sign_day(organizer.path, [], day, KEY, NOW), ORGANIZER, KEY.public_key()).streams


def test_day_has_its_own_messages_and_roots_over_them_and_over_all_before(organizer: Organizer) -> None:
    """O9-4.5: days are Almaty's; a stream that the day did not touch is not in it."""
    digests = [sha256(value).digest() for stream_id, _, value in organizer.messages() if stream_id == DESK]
    (stream,) = signed(organizer)
    assert (stream.stream_id, stream.first, stream.last, stream.count) == (DESK, 4, 5, 2)
    assert stream.day_root == root_of(digests[3:5]).hex()
    assert stream.root == root_of(digests[:5]).hex()
    assert [one.stream_id for one in signed(organizer, date(2026, 11, 21))] == sorted([DESK, FAR_DESK])
    assert signed(organizer, date(2026, 11, 18)) == ()


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(-30, 60), st.integers(1, 3)), min_size=1, max_size=8))
def test_each_event_is_in_one_day_however_the_clock_jumps(
    tmp_path_factory: pytest.TempPathFactory, appended: list[tuple[int, int]]
) -> None:
    organizer = Organizer(tmp_path_factory.mktemp("organizer"))
    for hours, count in appended:
        organizer.now = MIDNIGHT + timedelta(hours=hours)
        organizer.report(DESK, count)
    found = [one for n in range(-3, 5) for one in signed(organizer, DAY + timedelta(days=n))]
    organizer.close()
    sequences = [number for one in found for number in range(one.first, one.last + 1)]
    assert sequences == list(range(1, sum(count for _, count in appended) + 1))


def test_stream_that_does_not_begin_with_1_has_no_root_over_all(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "esep.spool", ORGANIZER, first_sequences={DESK: 41}, now_ms=lambda: 1_795_147_200_000)
    with spool.transaction():
        spool.append(DESK, [bet("t-41"), bet("t-42")])
    (stream,) = read_day(sign_day(spool.path, [], DAY, KEY, NOW), ORGANIZER, KEY.public_key()).streams
    assert (stream.first, stream.last, stream.root) == (41, 42, None)
    spool.close()


def test_day_that_is_not_over_is_not_signed(organizer: Organizer) -> None:
    with pytest.raises(UsageError, match="not over"):
        sign_day(organizer.path, [], DAY, KEY, MIDNIGHT + timedelta(hours=24, milliseconds=-1))
    assert sign_day(organizer.path, [], DAY, KEY, MIDNIGHT + timedelta(hours=24))


def test_every_bit_of_a_statement_counts(organizer: Organizer) -> None:
    content = sign_day(organizer.path, [], DAY, KEY, NOW)
    end = content.index(b"\n")
    for bit in range(8 * (end + 1)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FileUnusable):
            read_day(bytes(changed), ORGANIZER, KEY.public_key())


def test_other_key_other_organizer_and_other_files_are_refused(organizer: Organizer) -> None:
    content = sign_day(organizer.path, [], DAY, KEY, NOW)
    with pytest.raises(FileUnusable):
        read_day(content, ORGANIZER, OTHER_KEY.public_key())
    with pytest.raises(FileUnusable):
        read_day(content, "950341000052", KEY.public_key())
    for other in (b"", content.partition(b"\n")[0], b"{}\n{}\n", content.replace(b'"signature"', b'"sign"')):
        with pytest.raises(FileUnusable):
            read_day(other, ORGANIZER, KEY.public_key())


def test_statement_holds_no_person(organizer: Organizer) -> None:
    line, _, rest = sign_day(organizer.path, [], DAY, KEY, NOW).partition(b"\n")
    assert b"900101300007" not in line
    assert set(json.loads(line)) == {
        "format", "version", "organizer_bin", "day", "signed_at", "key_id", "streams",
    }  # fmt: skip
    assert set(json.loads(rest)) == {"signature"}


@pytest.mark.parametrize("change", [{"count": 3}, {"first": 0}, {"day_root": "AB" * 32}, {"more": 1}])
def test_statement_that_contradicts_itself_is_none(change: dict[str, object]) -> None:
    said = {"stream_id": DESK, "first": 4, "last": 5, "count": 2, "day_root": "ab" * 32, "root": None}
    assert DayOfStream.model_validate(said)
    with pytest.raises(ValueError, match="validation error"):
        DayOfStream.model_validate(said | change)
