"""Records are taken up to each offset that is asked for, once and in order, however they were read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esep.stream_apps.replay.feed import Feed
from tests.stream_apps.intake.made_up import source_of
from tests.stream_apps.replay.memory import MemoryLog


@given(
    st.lists(st.integers(0, 40), unique=True).map(sorted),
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(-1, 45), st.integers(1, 6)), max_size=12),
)
def test_each_record_comes_once_and_no_later_than_asked_for(
    offsets: list[int], chunk: int, asked: list[tuple[int, int]]
) -> None:
    source = source_of()
    log = MemoryLog({source: [(offset, offset, b"k", b"%d" % offset) for offset in offsets]}, chunk)
    feed, left = Feed(log.read(source, 0, 99)), list(offsets)
    for through, records_max in asked:
        expected = [offset for offset in left if offset <= through][:records_max]
        taken = feed.take(through, records_max)
        assert (taken.offsets if taken else []) == expected
        if taken:
            assert taken.values == [b"%d" % offset for offset in expected]
            assert taken.timestamps_ms == expected
        left = left[len(expected) :]
