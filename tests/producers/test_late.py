"""Lateness is counted by a clock that only goes on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esep.producers.late import LateWatch

LATE_S = 60.0
QUARTERS = st.integers(0, 120).map(lambda quarters: quarters / 4)  # Seconds that floats add up exactly.


@given(steps=st.lists(st.tuples(QUARTERS, st.integers(0, 2), st.integers(0, 50)), max_size=80))
def test_what_is_late_has_waited_long_enough_and_what_waits_much_longer_is_late(
    steps: list[tuple[float, int, int]],
) -> None:
    watch = LateWatch(LATE_S, {}, now_s=0.0)
    now_s, noted = 0.0, []
    for wait_s, partition, ahead in steps:
        now_s += wait_s
        offset = len(noted) + ahead
        watch.note(partition, offset, now_s)
        noted.append((now_s, partition, offset))
        late = watch.late_through(now_s)
        for through_partition, through in late.items():
            first = min(at for at, part, seen in noted if part == through_partition and seen >= through)
            assert now_s - first >= LATE_S
    watch.look(now_s + LATE_S)
    assert watch.late_through(now_s + 2 * LATE_S) == {
        partition: max(seen for _, part, seen in noted if part == partition) for _, partition, _ in noted
    }


def test_after_a_start_what_waits_has_the_whole_time_again() -> None:
    watch = LateWatch(LATE_S, {0: 7}, now_s=1_000.0)
    assert watch.late_through(1_059.0) == {}
    assert watch.late_through(1_060.0) == {0: 7}


def test_number_of_looks_remembered_is_bounded() -> None:
    watch = LateWatch(LATE_S, {}, now_s=0.0)
    for second in range(10_000):
        watch.note(0, second, now_s=second / 10)
    assert len(watch._looks) <= 18
