"""Two messages are the same event if they would be written alike: whichever writer or version made them."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import decode, encode_one
from esep.events import EVENT_RECORDS
from esep.fingerprints import fingerprints_of
from esep.schemas import schema
from esep.versions import encode_record
from tests.stream_apps.intake.made_up import LONGER, wager
from tests.support.records import Record, corrections, deposits, newer_payouts, newer_wagers, payouts, wagers


def told(*values: bytes | None) -> list[bytes]:
    digests = [sha256(value or b"").digest() for value in values]
    return fingerprints_of(decode(values, EVENT_RECORDS), values, digests)


OURS = st.one_of(
    wagers().map(lambda record: encode_one(record, schema("wager"))),
    payouts().map(lambda record: encode_one(record, schema("payout"))),
    deposits().map(lambda record: encode_one(record, schema("deposit"))),
    corrections().map(lambda record: encode_one(record, schema("correction"))),
    newer_wagers().map(lambda record: encode_record(record, "wager")),
    newer_payouts().map(lambda record: encode_record(record, "payout")),
)


@settings(max_examples=40)
@given(st.lists(OURS | st.just(b"garbage") | st.none(), max_size=6))
def test_what_we_wrote_ourselves_has_its_own_digest(values: list[bytes | None]) -> None:
    assert told(*values) == [sha256(value or b"").digest() for value in values]


@settings(max_examples=40)
@given(wagers())
def test_version_that_says_nothing_new_is_the_event_of_the_version_before(record: Record) -> None:
    """Clauses D934-42, O9-4.5: an upgraded client may send again what the old one had sent."""
    nothing = dict.fromkeys(LONGER) | {"market_names": []}
    first, second = encode_one(record, schema("wager")), encode_one(record | nothing, schema("wager", 2))
    assert first != second
    assert told(first, second, first) == [sha256(first).digest()] * 3


def test_news_make_another_event_and_blocks_of_a_list_do_not() -> None:
    plain = encode_one(wager(), schema("wager"))
    assert told(encode_one(wager() | LONGER, schema("wager", 2))) != told(plain)
    at = plain.rindex(b"\x02\x06e-1")  # One block of one selection; Avro may say its size in bytes as well.
    size = len(plain) - 1 - (at + 1)
    sized = plain[:at] + b"\x01" + bytes([2 * size]) + plain[at + 1 :]
    assert told(sized) == told(plain) == [sha256(plain).digest()]
